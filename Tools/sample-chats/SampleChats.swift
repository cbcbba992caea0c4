/// Writes a split to standard output: `sample-chats training` or `sample-chats validation`. `make sample` writes both to `data/`.
@main struct SampleChats {
    struct UsageError: Error, CustomStringConvertible { let description: String }

    static func main() throws(UsageError) {
        switch CommandLine.arguments.dropFirst() {
        case ["training"]: for line in SampleConversations(.training).lines { print(line) }
        case ["validation"]: for line in SampleConversations(.validation).lines { print(line) }
        default: throw UsageError(description: "usage: sample-chats training|validation")
        }
    }
}
