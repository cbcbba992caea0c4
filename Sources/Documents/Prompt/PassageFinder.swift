/// Finds the passages of an index for the questions of a chat.
///
///     let finder = PassageFinder(index, limit: 4, budget: 1_024)
///     let prompt = try finder.prompt(for: "How do I reset the pump?")
package struct PassageFinder {
    package let index: DocumentIndex
    private let embedder: TextEmbedder?
    private let limit: Int
    private let budget: Int
    private let count: (String) -> Int

    /// The least score of a passage, as a share of the best one's: worse passages distract a small model. Measured:
    /// Documentation/decisions/document-index.md.
    private static let leastShare = 0.5

    /// - Parameters:
    ///   - embedder: The model of the index's vectors.
    ///   - limit: The most passages of a prompt.
    ///   - budget: The most tokens of all passages of a prompt.
    ///   - count: Counts the tokens of a text.
    package init(
        _ index: DocumentIndex, _ embedder: TextEmbedder? = nil, limit: Int, budget: Int,
        count: @escaping (String) -> Int = TokenEstimate.count
    ) {
        self.embedder = embedder
        self.index = index
        self.limit = limit
        self.budget = budget
        self.count = count
    }

    /// More passages than the limit are searched, since some may be too long or repeated.
    package func prompt(for question: String) throws(DocumentError) -> PassagePrompt {
        let found = try index.search(question, limit: 2 * limit, embedder).passages.filter { $0.share >= Self.leastShare }
        return PassagePrompt(question, found, limit: limit, budget: budget, count: count)
    }
}
