/// Writes a part of the sample to standard output. `make sample` writes all of them to `data/`.
@main struct SampleChats {
    struct UsageError: Error, CustomStringConvertible { let description: String }

    static func main() throws(UsageError) {
        switch CommandLine.arguments.dropFirst() {
        case ["training"]: for line in SampleConversations(.training).lines { print(line) }
        case ["validation"]: for line in SampleConversations(.validation).lines { print(line) }
        case ["questions"]: for line in SampleQuestions().lines { print(line) }
        default: throw UsageError(description: "usage: sample-chats training|validation|questions")
        }
    }
}
