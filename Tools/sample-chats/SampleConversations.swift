/// A subject of conversation with its relative frequency.
struct Topic: Sendable {
    let name: String
    let share: Int
    /// Appends the topic's turns to a conversation.
    let write: @Sendable (inout ChatBuilder) -> Void

    init(name: String, share: Int, _ write: @escaping @Sendable (inout ChatBuilder) -> Void) {
        self.name = name
        self.share = share
        self.write = write
    }
}

/// The conversations of one split, one per line, without duplicates.
///
///     for line in SampleConversations(.validation).lines { print(line) }
package struct SampleConversations: Sendable {
    package let lines: [String]

    package init(_ split: Split) {
        let count = split == .training ? 32_000 : 1_800
        var random = SplitMix64(seed: split == .training ? 1 : 2), known = Set<String>(), lines: [String] = []
        let topics = Self.topics.flatMap { topic in Array(repeating: topic, count: topic.share) }
        while lines.count < count {
            var chat = ChatBuilder(split, SplitMix64(seed: random.next()))
            Self.write(&chat, on: topics)
            let line = chat.turns.map { "[INST] \($0.question) [/INST] \($0.answer)" }.joined(separator: " ")
            if !chat.hasFailed, known.insert(line).inserted { lines.append(line) }
        }
        self.lines = lines
    }

    static let topics = SmallTalk.topics + Project.topics + Countries.topics + Colors.topics + Animals.topics + Numbers.topics
        + Calendar.topics + Food.topics + Weather.topics + Feelings.topics + Jokes.topics + Stories.topics + Help.topics + Words.topics
        + Things.topics + PersonalFacts.topics

    /// Writes one topic, sometimes two, sometimes with an introduction at the start or a goodbye at the end.
    private static func write(_ chat: inout ChatBuilder, on topics: [Topic]) {
        let isIntroduced = chat.chance(10)
        if isIntroduced { PersonalFacts.introduce(&chat) }
        chat.pick(topics).write(&chat)
        if chat.chance(22) { chat.pick(topics.filter { $0.name != "greeting" }).write(&chat) }
        if isIntroduced, chat.chance(60) { PersonalFacts.askName(&chat) }
        if chat.chance(8) { SmallTalk.leave(&chat) }
    }
}
