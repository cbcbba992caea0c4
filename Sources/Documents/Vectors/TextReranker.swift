/// A reranker, as a search uses it: it reads a question and a passage together, which compares them more exactly than their words and
/// vectors do, and takes longer.
///
///     let reranker = TextReranker { question, passages in … }
///     try index.search("how do I reset the pump", limit: 5, embedder, reranker)
///
/// The module knows no models: the caller has one.
package struct TextReranker {
    /// How probable it is that each passage answers a question. Empty if the model cannot say so now.
    package let probabilities: (_ question: String, _ passages: [String]) -> [Double]

    /// How many passages of a search are read, at least.
    private static let candidates = 30

    package init(probabilities: @escaping (_ question: String, _ passages: [String]) -> [Double]) { self.probabilities = probabilities }

    /// How many passages to find, so that the best `limit` of them can be chosen.
    func candidates(for limit: Int) -> Int { max(limit, Self.candidates) }

    /// The passages with the highest probabilities, which become their scores, best first.
    func best(_ limit: Int, of passages: [Passage], for question: String) -> [Passage] {
        Array(ranked(passages, for: question).prefix(limit))
    }

    private func ranked(_ passages: [Passage], for question: String) -> [Passage] {
        let scores = probabilities(question, passages.map(\.embeddedText))
        guard scores.count == passages.count, let best = scores.max(), best > 0 else { return passages }
        return scores.indices.sorted { scores[$0] > scores[$1] }.map { i in
            var passage = passages[i]
            passage.score = scores[i]
            passage.share = scores[i] / best
            passage.coverage = nil
            return passage
        }
    }
}
