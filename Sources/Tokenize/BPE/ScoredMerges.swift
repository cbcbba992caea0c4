/// Makes merges of the scores of a SentencePiece vocabulary: in SentencePiece the pair merges first whose token has the highest score.
///
///     let merges = ScoredMerges(tokens, index: index, except: special).merges(scores: scores)
///
/// Each way to split a token into two others is a merge, in the order of Hugging Face's conversion: by descending score, then the longer
/// left half, then the longer right half.
struct ScoredMerges {
    private let tokens: ByteStrings
    private let index: TokenIndex
    private let excluded: Set<TokenID>

    init(_ tokens: ByteStrings, index: TokenIndex, except excluded: Set<TokenID>) {
        self.tokens = tokens
        self.index = index
        self.excluded = excluded
    }

    private struct Candidate {
        let merge: Vocabulary.Merge
        let score: Float
        /// In characters.
        let leftLength, rightLength: Int
    }

    func merges(scores: [Float]) -> [Vocabulary.Merge] {
        var candidates: [Candidate] = []
        for id in tokens.indices where !excluded.contains(TokenID(id)) {
            let first = candidates.count
            appendSplits(of: id, score: scores[id].isNaN ? -.infinity : scores[id], to: &candidates)
            // If scores and lengths are equal, the merge of the lower IDs comes first.
            if candidates.count - first > 1 {
                candidates[first...].sort { ($0.merge.left, $0.merge.right) < ($1.merge.left, $1.merge.right) }
            }
        }
        let order = candidates.indices.sorted { i, j in
            let (a, b) = (candidates[i], candidates[j])
            if a.score != b.score { return a.score > b.score }
            if a.leftLength != b.leftLength { return a.leftLength > b.leftLength }
            return a.rightLength != b.rightLength ? a.rightLength > b.rightLength : i < j
        }
        return order.map { candidates[$0].merge }
    }

    private func appendSplits(of id: Int, score: Float, to candidates: inout [Candidate]) {
        let range = tokens.range(of: id)
        let bytes = tokens.bytes.span.extracting(range)
        let length = bytes.indices.count { bytes[$0] & 0xC0 != 0x80 }
        var left = 0
        for end in bytes.indices.dropFirst() where bytes[end] & 0xC0 != 0x80 {
            left += 1
            guard let first = index[bytes.extracting(..<end)], let second = index[bytes.extracting(end...)] else { continue }
            candidates.append(Candidate(
                merge: Vocabulary.Merge(first, second, TokenID(id)), score: score, leftLength: left, rightLength: length - left))
        }
    }
}
