/// Which file a conversation goes to, and so which questions it may ask.
package enum Side: Sendable { case training, validation }

/// A conversation while it is made.
///
///     var talk = Talk(.training, SplitMix64(seed: 1))
///     talk["country"] = "Peru"
///     talk.ask("What is the capital of {country}?", "It is Lima.")
///
/// A question belongs to one side for good, by a hash of its words: one in twelve is held out, but no single word. `ask` draws until a
/// question is of this
/// talk's side. When none is found the talk is stuck, and whoever made it throws it away.
struct Talk {
    struct Turn: Equatable { let question, answer: String }

    let side: Side
    var random: SplitMix64
    private(set) var turns: [Turn] = []
    private(set) var isStuck = false
    private var slots: [String: String] = [:]

    init(_ side: Side, _ random: SplitMix64) {
        self.side = side
        self.random = random
    }

    /// What fills a slot from here on.
    subscript(slot: String) -> String? {
        get { slots[slot] }
        set { slots[slot] = newValue }
    }

    /// A turn. Where the topic has made sure of the side by itself, it is not the question's words that are held out.
    mutating func ask(_ questions: String, _ answers: String, splitByWords: Bool = true) {
        guard !isStuck else { return }
        for _ in 0..<60 {
            let question = Pattern(questions).text(filling: slots, &random)
            if splitByWords, !mayAsk(question) { continue }
            let answer = Pattern(answers).text(filling: slots, &random)
            turns.append(Turn(question: typed(opened(question)), answer: answer))
            return
        }
        isStuck = true
    }

    /// Whether a question, or what it is about, is of this talk's side.
    func mayAsk(_ subject: String) -> Bool { Self.side(of: subject) == side }

    mutating func ask(_ exchange: Exchange) { ask(exchange.questions, exchange.answers) }

    /// Takes a row of the table: its columns fill the slots.
    mutating func take(_ table: Table) {
        slots.merge(pick(table.rows)) { $1 }
    }

    /// Takes another row: the one at hand is not drawn again.
    mutating func takeOther(_ table: Table, than column: String) {
        let old = slots[column]
        repeat { take(table) } while slots[column] == old
    }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[random.below(list.count)] }

    mutating func pick(_ range: ClosedRange<Int>) -> Int { range.lowerBound + random.below(range.count) }

    mutating func chance(_ percent: Int) -> Bool { random.below(100) < percent }

    /// A word before the question, now and then. It is not part of what is held out.
    private mutating func opened(_ question: String) -> String {
        let isGreeting = ["Hi", "Hello", "Hey", "Good"].contains { question.hasPrefix($0) }
        guard question.hasSuffix("?"), !isGreeting, chance(14) else { return question }
        return pick(
            turns.isEmpty
                ? ["Hi!", "Hello!", "Hey!", "A question:"] : ["OK.", "Thanks!", "Thank you.", "Good.", "I see.", "Nice!", "Great!"]) + " "
            + question
    }

    /// Not everybody types capitals and question marks.
    private mutating func typed(_ question: String) -> String {
        var question = question
        if chance(12), let last = question.last, last == "?" || last == "." { question.removeLast() }
        return chance(10) ? question.lowercased() : question
    }

    private static func side(of question: String) -> Side {
        let words = words(of: question)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325                                     // FNV-1a
        for byte in words.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return words.contains(" ") && SplitMix64.mixed(hash) % 12 == 0 ? .validation : .training
    }

    /// A question without case and punctuation: two that differ in nothing else are the same question.
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
