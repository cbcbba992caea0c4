/// Writes the sample to standard output: `sample-chats training` or `sample-chats validation`. `make sample` keeps both in `data/`.
@main struct SampleChats {
    struct UsageError: Error, CustomStringConvertible { let description: String }

    static func main() throws(UsageError) {
        switch CommandLine.arguments.dropFirst() {
        case ["training"]: for line in Sample(.training).lines { print(line) }
        case ["validation"]: for line in Sample(.validation).lines { print(line) }
        default: throw UsageError(description: "expected one of training, validation")
        }
    }
}
