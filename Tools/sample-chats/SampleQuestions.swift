/// Held-out questions that have one right answer, for `slm eval --task`: JSON lines with `question` and `answer`.
///
/// Whether the answer to a question is a matter of chance, as that to "Tell me a joke." is, shows when it is asked several times.
package struct SampleQuestions: Sendable {
    package let lines: [String]

    private static let count = 50
    /// How often a question must have had the same answer.
    private static let repetitions = 2

    package init() {
        var random = SplitMix64(seed: 3)
        var topics = SampleConversations.topics.map { Self.questions(on: $0, &random) }
        var lines: [String] = []
        // One of each topic, then a second one, so that frequent topics do not crowd out the others.
        while lines.count < Self.count {
            for i in topics.indices where lines.count < Self.count && !topics[i].isEmpty {
                let turn = topics[i].remove(at: random.below(topics[i].count))
                lines.append("{\"question\": \"\(turn.question)\", \"answer\": \"\(turn.answer)\"}")
            }
        }
        for i in lines.indices.dropFirst() { lines.swapAt(i, random.below(i + 1)) }
        self.lines = lines
    }

    /// The first questions of conversations on a topic, in order of their first occurrence.
    private static func questions(on topic: Topic, _ random: inout SplitMix64) -> [ChatBuilder.Turn] {
        var first: [ChatBuilder.Turn] = [], known: [String: (index: Int, count: Int, hasOneAnswer: Bool)] = [:]
        for _ in 0..<1_500 {
            var chat = ChatBuilder(.validation, SplitMix64(seed: random.next()))
            topic.write(&chat)
            guard !chat.hasFailed, let turn = chat.turns.first, !turn.hasChoice else { continue }
            let words = ChatBuilder.words(of: turn.question)
            if let entry = known[words] {
                known[words] = (entry.index, entry.count + 1, entry.hasOneAnswer && first[entry.index].answer == turn.answer)
            } else {
                known[words] = (first.count, 1, true)
                first.append(turn)
            }
        }
        let suitable = known.values.filter { $0.hasOneAnswer && $0.count >= repetitions }
        return suitable.map(\.index).sorted().map { first[$0] }
    }
}
