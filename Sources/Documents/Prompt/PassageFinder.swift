/// Finds the passages of an index for the questions of a chat.
///
///     let finder = PassageFinder(index, limit: 4, budget: 1_024)
///     let prompt = try finder.prompt(for: "How do I reset the pump?")
package struct PassageFinder {
    package let index: DocumentIndex
    private let limit: Int
    private let budget: Int
    private let count: (String) -> Int

    /// The least score of a passage, as a share of the best one: worse passages distract a small model. Measured:
    /// Documentation/decisions/document-index.md.
    private static let leastShare = 0.5

    /// - Parameters:
    ///   - limit: The most passages of a prompt.
    ///   - budget: The most tokens of all passages of a prompt.
    ///   - count: Counts the tokens of a text.
    package init(_ index: DocumentIndex, limit: Int, budget: Int, count: @escaping (String) -> Int = TokenEstimate.count) {
        self.index = index
        self.limit = limit
        self.budget = budget
        self.count = count
    }

    /// More passages than the limit are searched, since some may be too long or repeated.
    package func prompt(for question: String) throws(DocumentError) -> PassagePrompt {
        let found = try index.search(question, limit: 2 * limit).passages
        let fitting = found.prefix { $0.score >= Self.leastShare * found[0].score }
        return PassagePrompt(question, Array(fitting), limit: limit, budget: budget, count: count)
    }
}
