import Testing
import Tokenize

/// The number of tokens inside a thought.
@Suite struct ThoughtTokenCounterTests {
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
        var counter = ThoughtTokenCounter(.think, isOpen: test.isOpen, continuesAnswer: test.continuesAnswer)
        for token in test.tokens { counter.add(Array(token.utf8)) }
        #expect(counter.count == test.count)
    }

    @Test func `a thought is counted while it is generated`() {
        var counter = ThoughtTokenCounter(.think, isOpen: false)
        for (token, count) in [("<think>", 0), ("Two", 1), (" <", 2), ("/think", 3), ("ing", 4), ("</think>", 4), ("Four", 4)] {
            counter.add(Array(token.utf8))
            #expect(counter.count == count, "\(token)")
        }
    }
}
