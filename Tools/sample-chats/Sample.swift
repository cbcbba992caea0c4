/// Something to talk about, and how often it comes up.
struct Topic: Sendable {
    let name: String
    let share: Int
    let talk: @Sendable (inout Talk) -> Void
}

/// The conversations of one side, a line each, no two alike.
///
///     for line in Sample(.validation).lines { print(line) }
package struct Sample: Sendable {
    package let lines: [String]

    package init(_ side: Side) {
        let count = side == .training ? 32_000 : 1_800
        var random = SplitMix64(seed: side == .training ? 1 : 2), known = Set<String>(), lines: [String] = []
        let topics = Self.topics.flatMap { topic in Array(repeating: topic, count: topic.share) }
        while lines.count < count {
            var talk = Talk(side, SplitMix64(seed: random.next()))
            Self.converse(&talk, on: topics)
            let line = talk.turns.map { "[INST] \($0.question) [/INST] \($0.answer)" }.joined(separator: " ")
            if !talk.isStuck, known.insert(line).inserted { lines.append(line) }
        }
        self.lines = lines
    }

    static let topics = SmallTalk.topics + Project.topics + Countries.topics + Colours.topics + Animals.topics + Numbers.topics
        + Calendar.topics + Food.topics + Weather.topics + Feelings.topics + Jokes.topics + Stories.topics + Help.topics + Words.topics
        + Things.topics + Memory.topics

    /// One topic, sometimes two; now and then a person who says who they are, and one who takes leave.
    private static func converse(_ talk: inout Talk, on topics: [Topic]) {
        let isIntroduced = talk.chance(10)
        if isIntroduced { Memory.introduce(&talk) }
        talk.pick(topics).talk(&talk)
        if talk.chance(22) { talk.pick(topics.filter { $0.name != "greeting" }).talk(&talk) }
        if isIntroduced, talk.chance(60) { Memory.askName(&talk) }
        if talk.chance(8) { SmallTalk.leave(&talk) }
    }
}
