/// Writes a part of the sample to standard output. `make sample` writes the chats to `data/`, and `make demo-documents` the islands to its
/// folder.
@main struct SampleChats {
    struct UsageError: Error, CustomStringConvertible { let description: String }

    static func main() throws(UsageError) {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case "training" where arguments.count == 1: for line in SampleConversations(.training).lines { print(line) }
        case "validation" where arguments.count == 1: for line in SampleConversations(.validation).lines { print(line) }
        case "questions" where arguments.count == 1: for line in SampleQuestions().lines { print(line) }
        case "islands": print(try islands(arguments).document, terminator: "")
        case "island-chats":
            for question in try islands(arguments).questions { print("[INST] \(question.text) [/INST] \(question.answer)") }
        case "island-questions":
            for question in try islands(arguments).questions where question.isAnswered {
                // The answer without the number of its passage.
                print(#"{"question": "\#(question.text)", "answer": "\#(question.answer)", "pattern": "^[^\\[]+"}"#)
            }
        default: throw usage
        }
    }

    private static func islands(_ arguments: [String]) throws(UsageError) -> Islands {
        guard arguments.count == 3, let count = Int(arguments[1]), (1...20_000).contains(count), let seed = UInt64(arguments[2]) else {
            throw usage
        }
        return Islands(count: count, seed: seed)
    }

    private static let usage = UsageError(description: """
        usage: sample-chats training|validation|questions
               sample-chats islands|island-chats|island-questions COUNT SEED
        """)
}
