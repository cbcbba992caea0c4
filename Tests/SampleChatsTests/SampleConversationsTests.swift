import Files
import Testing
import sample_chats

/// The sample's size, format and held-out questions; and that the committed files match the generator.
@Suite struct SampleConversationsTests {
    @Test(arguments: [
        ("sample.txt", Chats.lines(of: .training)), ("sample-val.txt", Chats.lines(of: .validation)),
        ("sample-questions.jsonl", Chats.questions),
    ])
    func `the committed file matches the generator's output`(name: String, lines: [String]) throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let file = try InputFile.contents(of: root + "/data/" + name)
        // Of two unequal arrays of megabytes, the macro would look for the differences, which takes hours.
        let isSame = file == Array(lines.map { $0 + "\n" }.joined().utf8)
        #expect(isSame, "data/\(name) is outdated: make sample")
    }

    @Test func `the questions are held out, and validation chats answer them in one way only`() {
        let known = Set(Chats.training.joined().map { Chats.words(of: $0.question) })
        let lines = Chats.questions
        #expect(lines.count == 50 && Set(lines).count == 50)
        for line in lines {
            let parts = line.split(separator: "\"")
            let (question, answer) = (String(parts[3]), String(parts[7]))
            #expect(line == "{\"question\": \"\(question)\", \"answer\": \"\(answer)\"}")
            #expect(!known.contains(Chats.words(of: question)), "\(question)")
            let answers = Chats.validation.compactMap(\.first).filter { Chats.words(of: $0.question) == Chats.words(of: question) }
            #expect(answers.allSatisfy { $0.answer == answer }, "\(line)")
        }
    }

    @Test func `the sample is large enough for training and small enough to ship`() {
        #expect(Chats.training.count + Chats.validation.count >= 30_000)
        #expect(Set(Chats.training.joined().map(\.answer)).count >= 3_000)
        #expect(Chats.training.filter { $0.count > 1 }.count >= 10_000)
        let lines = Chats.lines(of: .training) + Chats.lines(of: .validation)
        #expect(lines.reduce(0) { $0 + $1.utf8.count + 1 } <= 10_000_000)
        let words = Set(Chats.training.joined().flatMap { Chats.words(of: $0.question + " " + $0.answer) })
        #expect(words.count < 4_000)
    }

    @Test(arguments: [Split.training, .validation])
    func `every line is a well-formed conversation, without duplicates`(split: Split) {
        let lines = Chats.lines(of: split), brackets = Set("[](){}|".utf8)
        #expect(Set(lines).count == lines.count)
        for line in lines {
            let turns = Chats.turns(of: line)
            let formatted = turns.map { "[INST] \($0.question) [/INST] \($0.answer)" }.joined(separator: " ")
            #expect(formatted == line && !turns.isEmpty)
            for text in turns.flatMap({ [$0.question, $0.answer] }) {
                let isClean = !text.isEmpty && text.first != " " && text.last != " " && !text.contains("  ")
                #expect(isClean && text.utf8.allSatisfy { (32..<127).contains($0) && !brackets.contains($0) }, "\(line)")
            }
            // The steps of a sum are up to 60 words.
            #expect(turns.allSatisfy { $0.answer.split(separator: " ").count <= ($0.answer.contains(" = ") ? 60 : 30) }, "\(line)")
        }
    }

    @Test func `no validation question occurs in the training split`() {
        let known = Set(Chats.training.joined().map { Chats.words(of: $0.question) })
        // A held-out sum does not occur in any wording.
        func sum(_ words: [String]) -> [String]? {
            let words = words.filter { ["plus", "minus", "times"].contains($0) || Int($0) != nil }
            return words.count == 3 && Int(words[1]) == nil ? words : nil
        }
        let sums = Set(known.compactMap(sum))
        let heldOut = Set(Chats.validation.joined().compactMap { sum(Chats.words(of: $0.question)) })
        #expect(heldOut.count > 10 && sums.isDisjoint(with: heldOut))
        for turn in Chats.validation.joined() { #expect(!known.contains(Chats.words(of: turn.question)), "\(turn.question)") }
    }
}

/// Both splits, parsed independently of the generator, so that they do not share its bugs.
enum Chats {
    typealias Turn = (question: String, answer: String)

    private static let trainingLines = SampleConversations(.training).lines
    private static let validationLines = SampleConversations(.validation).lines
    static let training = trainingLines.map(turns)
    static let validation = validationLines.map(turns)
    static let questions = SampleQuestions().lines

    static func lines(of split: Split) -> [String] { split == .training ? trainingLines : validationLines }

    static func turns(of line: String) -> [Turn] {
        // The text from each "[INST] " to the next one.
        let parts = pieces(of: " " + line, at: " [INST] ")
        return parts.dropFirst().compactMap { part in
            let halves = pieces(of: part, at: " [/INST] ")
            return halves.count == 2 ? (halves[0], halves[1]) : nil
        }
    }

    /// The words in lower case, without punctuation.
    static func words(of text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    private static func pieces(of text: String, at separator: String) -> [String] {
        text.split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
