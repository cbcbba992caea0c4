import Testing
import Tokenize

/// What a model thinks before it answers.
@Suite struct ThoughtParserTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let answer: String
        var isOpen = false
        var continuesAnswer = false
        let thought: String
        let content: String

        var testDescription: String { answer.debugDescription + (isOpen ? ", opened by the prompt" : "") }
    }

    static let cases = [
        Case(answer: "<think>\nTwo and two.\n</think>\n\nFour.", thought: "Two and two.", content: "Four."),
        Case(answer: " \n<think> a  b </think>c </think> <think>d</think>", thought: "a  b", content: "c </think> <think>d</think>"),
        Case(answer: "<think>\n\n</think>\n\nFour.", thought: "", content: "Four."),
        Case(answer: "Four.\n<think>no</think>", thought: "", content: "Four.\n<think>no</think>"),
        Case(answer: "<thin line", thought: "", content: "<thin line"),
        Case(answer: " <thi", thought: "", content: " <thi"),
        Case(answer: "<think>cut </thi", thought: "cut </thi", content: ""),
        Case(answer: "<think>x < y\n", thought: "x < y", content: ""),
        Case(answer: "", thought: "", content: ""),
        Case(answer: "Two\nand two.\n</think>\nFour.\n", isOpen: true, thought: "Two\nand two.", content: "Four.\n"),
        // Some models repeat the mark that the prompt has written.
        Case(answer: "<think>\nTwo.</think>Four.", isOpen: true, thought: "Two.", content: "Four."),
        Case(answer: "  never ends ", isOpen: true, thought: "never ends", content: ""),
        Case(answer: " and two.\n</think> Four.", isOpen: true, continuesAnswer: true, thought: " and two.", content: "Four."),
        Case(answer: " four. <think>", continuesAnswer: true, thought: "", content: " four. <think>"),
    ]

    @Test(arguments: cases) func `an answer is divided into its thought and the rest, in any pieces`(_ test: Case) {
        let bytes = Array(test.answer.utf8)
        for first in 0...bytes.count {
            for size in [1, 2, 7, 100] {
                var parser = ThoughtParser(.think, isOpen: test.isOpen, continuesAnswer: test.continuesAnswer)
                var thought: [UInt8] = [], content: [UInt8] = [], rest = bytes[...]
                func add(_ output: ThoughtParser.Output) {
                    thought += output.thought
                    content += output.content
                }
                add(parser.add(Array(rest.prefix(first))))
                rest = rest.dropFirst(first)
                while !rest.isEmpty {
                    add(parser.add(Array(rest.prefix(size))))
                    rest = rest.dropFirst(size)
                }
                add(parser.finish())
                #expect(String(decoding: thought, as: UTF8.self) == test.thought, "\(first) bytes, then \(size)")
                #expect(String(decoding: content, as: UTF8.self) == test.content, "\(first) bytes, then \(size)")
            }
        }
    }

    @Test func `a thought is shown while it is generated`() {
        var parser = ThoughtParser(.think, isOpen: false)
        #expect(parser.add(Array("<think>\nTwo ".utf8)).thought == Array("Two".utf8))
        #expect(parser.add(Array("and".utf8)).thought == Array(" and".utf8))
    }

    @Test(arguments: [("a <think>b", true), ("<think>a</think>b", false), ("</think><think>", true), ("a", false)])
    func `a text that has begun a thought is recognized`(text: String, isOpen: Bool) {
        #expect(ThoughtMarks.think.isOpen(atEndOf: Array(text.utf8)) == isOpen)
    }
}

/// The number of tokens inside a thought.
@Suite struct ThoughtTokenTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let tokens: [String]
        var isOpen = false
        var continuesAnswer = false
        let count: Int

        var testDescription: String { tokens.joined(separator: "|").debugDescription + (isOpen ? ", opened by the prompt" : "") }
    }

    static let cases = [
        Case(tokens: ["<think>", "Two", " and", "</think>", "Four"], count: 2),
        Case(tokens: ["\n", "<think>", "\n", "Two", "\n\n", "</think>", "\n\n", "Four"], count: 3),
        // A mark of several tokens, of which one has text of the thought, too.
        Case(tokens: ["<", "think", ">\n", "Two", ".</", "think", ">", "Four"], count: 2),
        Case(tokens: ["<think>", "a <", "/b", "</th", "e", "</think>", "Four"], count: 4),
        Case(tokens: ["<think>", "</think>", "Four"], count: 0),
        Case(tokens: ["Four", "<think>", "no", "</think>"], count: 0),
        Case(tokens: ["<thin", " line"], count: 0),
        Case(tokens: [" ", "<thi"], count: 0),
        Case(tokens: [], count: 0),
        Case(tokens: ["<think>", "cut", " </thi"], count: 2),
        Case(tokens: ["Two", ".", "</think>", "Four"], isOpen: true, count: 2),
        Case(tokens: ["\n", "Two"], isOpen: true, count: 2),
        // Some models repeat the mark that the prompt has written.
        Case(tokens: ["<think>", "Two", "</think>", "Four"], isOpen: true, count: 1),
        Case(tokens: [" and", " two", "</think>", "Four"], isOpen: true, continuesAnswer: true, count: 2),
        Case(tokens: [" four", "<think>", "no"], continuesAnswer: true, count: 0),
    ]

    @Test(arguments: cases) func `tokens are counted that begin between the marks`(_ test: Case) {
        var parser = ThoughtParser(.think, isOpen: test.isOpen, continuesAnswer: test.continuesAnswer)
        for token in test.tokens { _ = parser.add(Array(token.utf8)) }
        #expect(parser.thoughtPieces == test.count)
    }

    @Test func `a thought is counted while it is generated`() {
        var parser = ThoughtParser(.think, isOpen: false)
        for (token, count) in [("<think>", 0), ("Two", 1), (" <", 2), ("/think", 3), ("ing", 4), ("</think>", 4), ("Four", 4)] {
            _ = parser.add(Array(token.utf8))
            #expect(parser.thoughtPieces == count, "\(token)")
        }
    }
}
