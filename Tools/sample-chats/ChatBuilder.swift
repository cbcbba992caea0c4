/// The part of the sample that a conversation belongs to. It determines the questions that may occur in it.
package enum Split: Sendable { case training, validation }

/// Builds one conversation.
///
///     var chat = ChatBuilder(.training, SplitMix64(seed: 1))
///     chat["country"] = "Peru"
///     chat.ask("What is the capital of {country}?", "It is Lima.")
///
/// A hash of a question's words assigns it to a split: one question in twelve is held out for validation, except single words. `ask`
/// samples wordings until it finds one of this split. If there is none, `hasFailed` is set and the conversation is discarded.
struct ChatBuilder {
    struct Turn: Equatable {
        let question, answer: String
        /// Whether the answer could have been worded in another way.
        let hasChoice: Bool
    }

    let split: Split
    var random: SplitMix64
    private(set) var turns: [Turn] = []
    private(set) var hasFailed = false
    private var slots: [String: String] = [:]

    init(_ split: Split, _ random: SplitMix64) {
        self.split = split
        self.random = random
    }

    /// The text that replaces `{slot}` in the next questions and answers.
    subscript(slot: String) -> String? {
        get { slots[slot] }
        set { slots[slot] = newValue }
    }

    /// Appends a turn.
    ///
    /// - Parameter splitByWords: false if the topic has checked the split itself, by something else than the question's words.
    mutating func ask(_ questions: String, _ answers: String, splitByWords: Bool = true) {
        guard !hasFailed else { return }
        for _ in 0..<60 {
            let question = Pattern(questions).text(filling: slots, &random)
            if splitByWords, !isInSplit(question) { continue }
            let answer = Pattern(answers).text(filling: slots, &random)
            let hasChoice = answers.contains { "(\n".contains($0) }
            turns.append(Turn(question: typedCasually(withOpening(question)), answer: answer, hasChoice: hasChoice))
            return
        }
        hasFailed = true
    }

    /// Returns whether a question belongs to the split of this conversation.
    func isInSplit(_ question: String) -> Bool { Self.split(of: question) == split }

    mutating func ask(_ exchange: Exchange) { ask(exchange.questions, exchange.answers) }

    /// Fills the slots named like the table's columns from a random row.
    mutating func fillSlots(from table: Table) {
        slots.merge(pick(table.rows)) { $1 }
    }

    /// Fills the slots from a row with another value in a column.
    mutating func fillSlots(fromAnotherRowOf table: Table, changing column: String) {
        let old = slots[column]
        repeat { fillSlots(from: table) } while slots[column] == old
    }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[random.below(list.count)] }

    mutating func pick(_ range: ClosedRange<Int>) -> Int { range.lowerBound + random.below(range.count) }

    mutating func chance(_ percent: Int) -> Bool { random.below(100) < percent }

    /// Sometimes prepends a greeting or an acknowledgement, which does not count for the split.
    private mutating func withOpening(_ question: String) -> String {
        let isGreeting = ["Hi", "Hello", "Hey", "Good"].contains { question.hasPrefix($0) }
        guard question.hasSuffix("?"), !isGreeting, chance(14) else { return question }
        let greetings = ["Hi!", "Hello!", "Hey!", "A question:"]
        let acknowledgements = ["OK.", "Thanks!", "Thank you.", "Good.", "I see.", "Nice!", "Great!"]
        return pick(turns.isEmpty ? greetings : acknowledgements) + " " + question
    }

    /// Sometimes drops the final punctuation or the capitals, as users do.
    private mutating func typedCasually(_ question: String) -> String {
        var question = question
        if chance(12), let last = question.last, last == "?" || last == "." { question.removeLast() }
        return chance(10) ? question.lowercased() : question
    }

    private static func split(of question: String) -> Split {
        let words = words(of: question)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325                                     // FNV-1a
        for byte in words.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return words.contains(" ") && SplitMix64.mixed(hash) % 12 == 0 ? .validation : .training
    }

    /// A question in lower case without punctuation. Questions that differ only in these belong to the same split.
    static func words(of question: String) -> String {
        var words: [UInt8] = []
        for byte in question.lowercased().utf8 {
            let isWord = byte >= 128 || (48...57).contains(byte) || (97...122).contains(byte)
            if isWord { words.append(byte) } else if let last = words.last, last != 32 { words.append(32) }
        }
        if words.last == 32 { words.removeLast() }
        return String(decoding: words, as: UTF8.self)
    }
}
