/// Invented islands, whose facts are in a document, and questions about them: for a model that learns to answer from passages, and for
/// one that is asked about islands that it has never read of.
///
///     let islands = Islands(count: 25, seed: 2)
///     islands.document                // "# Islands\n\n## Rovik\n\n### Ferry\n\nThe ferry to Rovik leaves at 7:40.\n…"
///     islands.questions[0]            // "When does the ferry to Rovik leave?", "The ferry to Rovik leaves at 7:40."
///
/// Names and values are chance: nothing but the document tells them.
package struct Islands: Sendable {
    package struct Question: Sendable, Equatable {
        package let text, answer: String
        /// Whether the document has the answer.
        package let isAnswered: Bool
    }

    /// Markdown with a section for each fact.
    package private(set) var document = "# Islands\n"
    /// Each fact in one question, and some facts that the document does not have.
    package private(set) var questions: [Question] = []

    private static let factsOfIsland = 4

    package init(count: Int, seed: UInt64) {
        var random = SplitMix64(seed: seed), known = Set<String>()
        while known.count < count {
            let island = Self.name(&random)
            guard known.insert(island).inserted else { continue }
            document += "\n## \(island)\n"
            var facts = Self.facts
            for i in 0...Self.factsOfIsland {
                let fact = facts.remove(at: random.below(facts.count)), isAnswered = i < Self.factsOfIsland
                // Every second island has a question without an answer; in a third of these, no document has the island either.
                guard isAnswered || random.below(2) == 0 else { continue }
                let name = isAnswered || random.below(3) > 0 ? island : Self.name(&random)
                let slots = ["island": name].merging(Self.values(&random)) { $1 }
                let sentence = Pattern(fact.sentence).text(filling: slots, &random)
                if isAnswered { document += "\n### \(fact.heading)\n\n\(sentence)\n" }
                let text = Pattern(fact.questions).text(filling: slots, &random)
                questions.append(Question(text: text, answer: sentence, isAnswered: isAnswered))
            }
        }
        for i in questions.indices.dropFirst() { questions.swapAt(i, random.below(i + 1)) }
    }

    // MARK: Facts

    private struct Fact: Sendable {
        let heading, sentence, questions: String
    }

    private static let facts = [
        Fact(heading: "Ferry", sentence: "The ferry to {island} leaves at {time}.", questions: """
            When does the ferry to {island} leave?
            When can I take the (ferry|boat) to {island}?
            What time is the ferry to {island}?
            """),
        Fact(heading: "Harbor", sentence: "The harbor of {island} is kept by {person}.", questions: """
            Who keeps the harbor of {island}?
            Who looks after the harbor of {island}?
            """),
        Fact(heading: "Lighthouse", sentence: "The lighthouse of {island} is {number} feet high.", questions: """
            How (high|tall) is the lighthouse of {island}?
            How many feet is the lighthouse of {island} high?
            """),
        Fact(heading: "Baker", sentence: "The baker of {island} is called {person}.", questions: """
            What is the name of the baker of {island}?
            Who is the baker of {island}?
            What is the baker of {island} called?
            """),
        Fact(heading: "Radio", sentence: "The radio of {island} is on channel {number}.", questions: """
            (On what|What|Which) channel is the radio of {island}?
            Where is the radio of {island}?
            """),
        Fact(heading: "Gate", sentence: "The gate of {island} opens with the code {code}.", questions: """
            What is the code of the gate of {island}?
            What code opens the gate of {island}?
            How do I open the gate of {island}?
            """),
        Fact(heading: "School", sentence: "The school of {island} has {number} children.", questions: """
            How many children (are in|go to|has) the school of {island}?
            How (big|large) is the school of {island}?
            """),
        Fact(heading: "Market", sentence: "The market of {island} is on {day} at {time}.", questions: """
            When is the market of {island}?
            On what day is the market of {island}?
            """),
        Fact(heading: "Founder", sentence: "The first house of {island} was built by {person}.", questions: """
            Who built the first house of {island}?
            Whose was the first house of {island}?
            """),
        Fact(heading: "Boat", sentence: "The fastest boat of {island} is the {color} {animal}.", questions: """
            (What|Which) is the fastest boat of {island}?
            What is the fastest boat of {island} called?
            """),
        Fact(heading: "Hill", sentence: "The hill of {island} has {number} steps.", questions: """
            How many steps (has|are there to) the hill of {island}?
            How many steps are on the hill of {island}?
            """),
        Fact(heading: "Doctor", sentence: "The doctor of {island} is {person}.", questions: """
            Who is the doctor of {island}?
            What is the name of the doctor of {island}?
            """),
    ]

    /// A value for each slot.
    private static func values(_ random: inout SplitMix64) -> [String: String] {
        let minutes = random.below(60)
        return [
            "time": "\(random.below(24)):\(minutes < 10 ? "0" : "")\(minutes)",
            "number": String(10 + random.below(990)),
            "code": String((0..<2).map { _ in letters[random.below(letters.count)] }) + String(100 + random.below(900)),
            "person": "\(name(&random)) \(name(&random))",
            "day": pick(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], &random),
            "color": pick(["Red", "Blue", "Green", "White", "Black", "Golden", "Silver", "Gray"], &random),
            "animal": pick(["Heron", "Otter", "Whale", "Seal", "Falcon", "Crab", "Swan", "Dolphin", "Gull", "Salmon"], &random),
        ]
    }

    // MARK: Names

    private static let letters = Array("ABCDEFGHKLMNPRSTUVWXYZ")
    private static let starts = "B Br D F G H J K L M N P R S St T Tr V W Z".split(separator: " ").map(String.init)
    private static let vowels = ["a", "e", "i", "o", "u"]
    private static let middles = "b d g l ll m n nd r rt s sk t v".split(separator: " ").map(String.init)
    private static let ends = ["", "k", "l", "m", "n", "r", "s", "th"]

    /// A name of two syllables, such as "Rovik". There are 56,000.
    private static func name(_ random: inout SplitMix64) -> String {
        pick(starts, &random) + pick(vowels, &random) + pick(middles, &random) + pick(vowels, &random) + pick(ends, &random)
    }

    private static func pick(_ list: [String], _ random: inout SplitMix64) -> String { list[random.below(list.count)] }
}
