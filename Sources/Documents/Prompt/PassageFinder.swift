/// Finds passages for the questions of a chat, in one index or in several.
///
///     let finder = PassageFinder(index, limit: 4, budget: 1_024)
///     let prompt = try finder.prompt(for: "How do I reset the pump?")
package struct PassageFinder {
    private let indexes: [any SearchedIndex]
    private let limit: Int
    private let budget: Int
    private let count: (String) throws -> Int

    /// The least score of a passage, as a share of the best one's of its index: worse passages distract a small model. Measured:
    /// Documentation/decisions/document-index.md.
    private static let leastShare = 0.5
    /// The least share of a question that one of an index's first passages must have: otherwise none answers it. Measured: the same page.
    private static let leastCoverage = 1.0 / 3

    /// - Parameters:
    ///   - limit: The most passages of a prompt.
    ///   - budget: The most tokens of all passages of a prompt.
    ///   - count: Counts the tokens of a text. If it throws, they are estimated.
    package init(
        _ indexes: [any SearchedIndex], limit: Int, budget: Int, count: @escaping (String) throws -> Int = TokenEstimate.count
    ) {
        self.indexes = indexes
        self.limit = limit
        self.budget = budget
        self.count = count
    }

    /// - Parameters:
    ///   - embedder: The model of the index's vectors.
    ///   - reranker: Decides on the order of what is found.
    package init(
        _ index: DocumentIndex, _ embedder: TextEmbedder? = nil, _ reranker: TextReranker? = nil, limit: Int, budget: Int,
        count: @escaping (String) throws -> Int = TokenEstimate.count
    ) {
        self.init([OpenIndex(index: index, embedder: embedder, reranker: reranker)], limit: limit, budget: budget, count: count)
    }

    /// What is searched, for users.
    package var source: String { indexes.map(\.name).joined(separator: ", ") }

    /// The budget for a model whose prompt and answer have so many tokens; nil if that is not known.
    package static func budget(ofContext context: Int?) -> Int { (context ?? 4_096) / 2 }

    /// More passages than the limit are searched, since some may be too long or repeated. An index whose passages have too little of the
    /// question is left out.
    ///
    /// - Parameter earlier: The questions before it in a chat, the latest last: it may refer to them.
    package func prompt(for question: String, after earlier: [String] = []) throws(DocumentError) -> PassagePrompt {
        let lists = try lists(for: question, after: earlier, limit: 2 * limit).filter { list in
            let coverages = list.compactMap(\.coverage)
            return coverages.isEmpty || coverages.contains { $0 >= Self.leastCoverage }
        }
        return PassagePrompt(question, Self.inTurns(lists), limit: limit, budget: budget) { text in
            (try? count(text)) ?? TokenEstimate.count(text)
        }
    }

    /// The passages for a question, best first. Scores of different indexes cannot be compared, so that their passages take turns.
    ///
    /// - Parameter limit: The most of each index.
    package func passages(for question: String, limit: Int) throws(DocumentError) -> [Passage] {
        Self.inTurns(try lists(for: question, after: [], limit: limit))
    }

    /// What each index has.
    private func lists(for question: String, after earlier: [String], limit: Int) throws(DocumentError) -> [[Passage]] {
        var lists: [[Passage]] = []
        for index in indexes {
            lists.append(try index.passages(for: question, after: earlier, limit: limit).filter { $0.share >= Self.leastShare })
        }
        return lists
    }

    private static func inTurns(_ lists: [[Passage]]) -> [Passage] {
        let ranks = 0..<(lists.map(\.count).max() ?? 0)
        return ranks.flatMap { rank in lists.compactMap { $0.indices.contains(rank) ? $0[rank] : nil } }
    }
}

/// An index, and how it is searched.
package protocol SearchedIndex {
    /// For users.
    var name: String { get }
    /// The passages that fit a question, best first.
    ///
    /// - Parameter earlier: The questions before it in a chat, the latest last.
    func passages(for question: String, after earlier: [String], limit: Int) throws(DocumentError) -> [Passage]
}

/// An index that one thread uses.
private struct OpenIndex: SearchedIndex {
    let index: DocumentIndex
    let embedder: TextEmbedder?
    let reranker: TextReranker?

    var name: String { index.path }

    func passages(for question: String, after earlier: [String], limit: Int) throws(DocumentError) -> [Passage] {
        try index.search(question, after: earlier, limit: limit, embedder, reranker).passages
    }
}
