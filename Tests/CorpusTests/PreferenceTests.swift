import Corpus
import TestSupport
import Testing
import Tokenize

@Suite struct PreferenceTests {
    private let folder = TemporaryFolder()

    /// A preference as `user: Hi → Hello! > No.` or `user: Hi → good Hello!`.
    private func read(_ lines: String, skipsBad: Bool = false) throws -> [String] {
        let path = folder.write(lines, to: "p.jsonl")
        var reader = try ConversationReader([path], skipsBad: skipsBad)
        var result: [String] = []
        func text(_ messages: [Conversation.Message]) -> String {
            messages.map { "\($0.role.rawValue): \(String(decoding: $0.text, as: UTF8.self))" }.joined(separator: " | ")
        }
        try reader.forEachPreference { preference, _, line in
            #expect(preference.prompt.allSatisfy { $0.isContext })
            let answers = switch preference.answers {
            case .pair(let chosen, let rejected): "\(text(chosen)) > \(text(rejected))"
            case .rated(let answer, let isGood): "\(isGood ? "good" : "bad") \(text(answer))"
            }
            result.append("\(line) \(text(preference.prompt)) → \(answers)")
        }
        if reader.report.empty > 0 { result.append("\(reader.report.empty) empty") }
        return result
    }

    private func failure(_ text: String) -> String {
        do {
            return try read(text).joined(separator: "; ")
        } catch {
            return "\(error)".replacing(folder("p.jsonl"), with: "FILE")
        }
    }

    private static let question = #"{"role": "user", "content": "Q"}"#
    private static func answer(_ text: String) -> String { #"{"role": "assistant", "content": "\#(text)"}"# }

    @Test(arguments: [
        (#"{"prompt": " Q ", "chosen": "A", "rejected": "B", "score": 2}"#, "1 user: Q → assistant: A > assistant: B"),
        (
            #"{"prompt": [\#(question)], "chosen": [\#(answer("A"))], "rejected": [\#(answer("B"))]}"#,
            "1 user: Q → assistant: A > assistant: B"
        ),
        (#"{"prompt": [\#(question)], "chosen": "A", "rejected": [\#(answer("B"))]}"#, "1 user: Q → assistant: A > assistant: B"),
        // The prompt is what both begin with.
        (
            #"{"chosen": [\#(question), \#(answer("A"))], "rejected": [\#(question), \#(answer("B"))]}"#,
            "1 user: Q → assistant: A > assistant: B"
        ),
        (
            #"{"prompt": "Q", "messages": [], "chosen": [\#(question), \#(answer("A"))], "rejected": [\#(question), \#(answer("B"))]}"#,
            "1 user: Q → assistant: A > assistant: B"
        ),
        (#"{"chosen": "The sky is blue.", "rejected": "The sky is black."}"#, "1 user: The sky is → assistant: blue. > assistant: black."),
        (
            #"{"chosen": "\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: A", "#
                + #""rejected": "\n\nHuman: Q\n\nAssistant: R\n\nHuman: S\n\nAssistant: B"}"#,
            "1 user: Q | assistant: R | user: S → assistant: A > assistant: B"
        ),
        (#"{"prompt": "Q", "completion": "A", "label": true}"#, "1 user: Q → good assistant: A"),
        (#"{"prompt": [\#(question)], "completion": [\#(answer("A"))], "label": false}"#, "1 user: Q → bad assistant: A"),
        (#"{"prompt": "Q", "chosen": "A", "rejected": "A"}"#, "1 empty"),
        (#"{"prompt": "Q", "completion": " ", "label": true}"#, "1 empty"),
    ])
    func `every form that TRL reads is a preference`(_ line: String, _ expected: String) throws {
        #expect(try read(line + "\n") == [expected])
    }

    @Test(arguments: [
        (#"{"prompt": "Q", "chosen": "A"}"#, #"FILE:1: "rejected": expected a string, found nothing."#),
        (#"{"prompt": "Q", "chosen": "A", "rejected": 7}"#, #"FILE:1: "rejected": expected a string, found a number."#),
        (#"{"prompt": "Q", "completion": "A", "label": "good"}"#, #"FILE:1: "label": expected true or false, found a string."#),
        (#"{"completion": "A", "label": true}"#, #"FILE:1: expected "prompt", found nothing."#),
        (
            #"{"chosen": "Yes", "rejected": "No"}"#,
            #"FILE:1: expected "prompt", or "chosen" and "rejected" with the same beginning."#
        ),
        (
            #"{"chosen": [\#(question), \#(answer("A"))], "rejected": [\#(answer("B"))]}"#,
            #"FILE:1: expected "prompt", or "chosen" and "rejected" with the same first messages."#
        ),
        (
            #"{"chosen": [\#(question), \#(answer("A"))], "rejected": "B"}"#,
            #"FILE:1: "chosen" and "rejected": expected two strings or two arrays, found one of each."#
        ),
        (
            #"{"prompt": "Q", "chosen": [\#(question)], "rejected": [\#(answer("B"))]}"#,
            "FILE:1: expected an answer that begins with the assistant, found a message of the role user."
        ),
        (#"{"prompt": "", "chosen": "A", "rejected": "B"}"#, "FILE:1: an empty user message."),
        (
            #"{"prompt": [\#(answer("x"))], "chosen": "A", "rejected": "B"}"#,
            "FILE:1: expected a prompt with a message of the user, found none."
        ),
        (
            #"{"prompt": "Q", "chosen": "A", "rejected": "B"}"# + "\n" + #"{"user": "Q", "assistant": "A"}"#,
            #"FILE:2: expected "chosen" and "rejected", or "completion" and "label", found neither."#
        ),
        (
            #"{"user": "Q", "assistant": "A"}"#,
            #"FILE:1: expected preferences ("prompt", "chosen" and "rejected", or "prompt", "completion" and "label"), found chats."#
        ),
    ])
    func `a malformed preference names its line and what was expected`(_ text: String, _ expected: String) {
        #expect(failure(text + "\n") == expected)
    }

    @Test func `pairs and ratings can be mixed, and bad lines can be skipped`() throws {
        let text = #"{"prompt": "Q", "chosen": "A", "rejected": "B"}"# + "\n\n" + #"{"prompt": 7, "chosen": "A", "rejected": "B"}"# + "\n"
            + #"{"prompt": "R", "completion": "C", "label": false}"# + "\n"
        #expect(try read(text, skipsBad: true) == ["1 user: Q → assistant: A > assistant: B", "4 user: R → bad assistant: C"])
    }

    @Test func `read as chats, preferences are the preferred answers`() throws {
        let path = folder.write(
            #"{"prompt": "Q", "chosen": "A", "rejected": "B"}"# + "\n" + #"{"prompt": "R", "completion": "C", "label": false}"# + "\n"
                + #"{"prompt": "S", "completion": "D", "label": true}"# + "\n", to: "mixed.jsonl")
        #expect(try entries(of: path) == ["1 -user: Q | assistant: A", "2 empty", "3 -user: S | assistant: D"])
        #expect(try ConversationReader.isPreferences(path) && !ConversationReader.isPreferences(folder.write("Text.\n", to: "text.txt")))
    }
}
