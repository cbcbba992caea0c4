import Files
import Testing
import sample_chats

/// The sample as a model meets it: its size, its form, what is held out, and that it is made from the grammar as it stands.
@Suite struct SampleTests {
    @Test(arguments: [(Side.training, "sample.txt"), (.validation, "sample-val.txt")])
    func `the file is what the program makes`(side: Side, name: String) throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let file = try InputFile.contents(of: root + "/data/" + name), again = Sample(side).lines.map { $0 + "\n" }.joined()
        #expect(file == Array(again.utf8), "data/\(name) is another one: make sample")
    }

    @Test func `it is large enough to learn from, and small enough to ship`() {
        #expect(Chats.training.count + Chats.validation.count >= 30_000)
        #expect(Set(Chats.training.joined().map(\.answer)).count >= 3_000)
        #expect(Chats.training.filter { $0.count > 1 }.count >= 10_000)
        #expect((Sample(.training).lines + Sample(.validation).lines).reduce(0) { $0 + $1.utf8.count + 1 } <= 10_000_000)
        let words = Set(Chats.training.joined().flatMap { Chats.words(of: $0.question + " " + $0.answer) })
        #expect(words.count < 4_000)
    }

    @Test(arguments: [Side.training, .validation])
    func `every line is a conversation, and no two are alike`(side: Side) {
        let lines = Sample(side).lines
        #expect(Set(lines).count == lines.count)
        for line in lines {
            let turns = Chats.turns(of: line), again = turns.map { "[INST] \($0.question) [/INST] \($0.answer)" }.joined(separator: " ")
            #expect(again == line && !turns.isEmpty)
            for text in turns.flatMap({ [$0.question, $0.answer] }) {
                let isClean =
                    !text.isEmpty && text.first != " " && text.last != " " && !text.contains("  ")
                    && !text.contains { "[](){}|".contains($0) }
                #expect(isClean && text.utf8.allSatisfy { (32..<127).contains($0) }, "\(line)")
            }
            #expect(turns.allSatisfy { $0.answer.split(separator: " ").count <= 30 }, "\(line)")
        }
    }

    @Test func `no question that is held out can be learned by heart`() {
        let known = Set(Chats.training.joined().map { Chats.words(of: $0.question) })
        // A plain sum is not asked for in any wording.
        func sum(_ words: [String]) -> [String]? {
            let words = words.filter { ["plus", "minus", "times"].contains($0) || Int($0) != nil }
            return words.count == 3 && Int(words[1]) == nil ? words : nil
        }
        let sums = Set(known.compactMap(sum)), heldOut = Set(Chats.validation.joined().compactMap { sum(Chats.words(of: $0.question)) })
        #expect(heldOut.count > 10 && sums.isDisjoint(with: heldOut))
        for turn in Chats.validation.joined() { #expect(!known.contains(Chats.words(of: turn.question)), "\(turn.question)") }
    }
}

/// Both files, parsed. Written apart from the program, so that it cannot share a mistake with it.
enum Chats {
    typealias Turn = (question: String, answer: String)

    static let training = Sample(.training).lines.map(turns), validation = Sample(.validation).lines.map(turns)

    static func turns(of line: String) -> [Turn] {
        // What follows each "[INST] " up to the next one.
        let parts = pieces(of: " " + line, at: " [INST] ")
        return parts.dropFirst().compactMap { part in
            let halves = pieces(of: part, at: " [/INST] ")
            return halves.count == 2 ? (halves[0], halves[1]) : nil
        }
    }

    /// Lower case, without punctuation.
    static func words(of text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    private static func pieces(of text: String, at separator: String) -> [String] {
        text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
