/// Recovers the merges of a vocabulary from its tokens and their ranks, for formats that do not store merges.
///
///     var recovery = MergeRecovery(tokens, index: TokenIndex(tokens))
///     recovery.merges()                // th is t and h; the is th and e; …
///
/// tiktoken repeatedly merges the adjacent pair in a word whose concatenation is the token of the lowest rank. For the token "the":
/// t h e → th e → the. So its merge is th and e, which is what remains when its bytes are merged without the token itself. These two halves
/// are the same in every text: when the last merge makes the token, no earlier merge has crossed the token's ends, so all merges between
/// them are those of its bytes alone. Hence one merge per token, in the order of ranks, gives tiktoken's IDs for every text. If more than
/// two parts remain, no text is ever merged into the token.
struct MergeRecovery {
    private let tokens: ByteStrings
    private let index: TokenIndex
    private let byteIDs: [TokenID]
    // The parts of a token as a linked list. A part is identified by the offset of its first byte.
    private var next: [Int] = []
    private var previous: [Int] = []
    private var part: [TokenID] = []
    /// The token that a part and the next one make; -1 for none.
    private var pair: [TokenID] = []
    /// The token in the upper 32 bits, the part in the lower ones: the lowest rank first, and of equal ranks the leftmost.
    private var queue = MinHeap<UInt64>()

    init(_ tokens: ByteStrings, index: TokenIndex) {
        self.tokens = tokens
        self.index = index
        byteIDs = (UInt8.min...UInt8.max).map { index[[$0].span] ?? -1 }
    }

    mutating func merges(except excluded: Set<TokenID> = []) -> [Vocabulary.Merge] {
        var merges: [Vocabulary.Merge] = []
        for id in tokens.indices where tokens.range(of: id).count > 1 && !excluded.contains(TokenID(id)) {
            if let (left, right) = halves(of: tokens.range(of: id)) { merges.append(Vocabulary.Merge(left, right, TokenID(id))) }
        }
        return merges
    }

    private mutating func halves(of range: Range<Int>) -> (TokenID, TokenID)? {
        let tokens = tokens
        let bytes = tokens.bytes.span.extracting(range)
        next.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        part.removeAll(keepingCapacity: true)
        pair.removeAll(keepingCapacity: true)
        for i in bytes.indices {
            guard byteIDs[Int(bytes[i])] >= 0 else { return nil }
            next.append(i + 1)
            previous.append(i - 1)
            part.append(byteIDs[Int(bytes[i])])
            pair.append(-1)
        }
        queue.removeAll()
        var count = bytes.count
        if count > 2 { for i in 0..<count - 1 { consider(i, range) } }
        while count > 2, let first = queue.pop() {
            let i = Int(first & 0xFFFF_FFFF)
            let id = TokenID(first >> 32)
            guard pair[i] == id else { continue }                       // one of the two parts has merged with another
            let removed = next[i]
            let following = next[removed]
            part[i] = id
            pair[removed] = -1
            next[i] = following
            if following < bytes.count { previous[following] = i }
            count -= 1
            consider(i, range)
            if previous[i] >= 0 { consider(previous[i], range) }
        }
        return count == 2 ? (part[0], part[next[0]]) : nil
    }

    /// Looks up the token that the part at `i` and the next one make, and queues the pair.
    private mutating func consider(_ i: Int, _ range: Range<Int>) {
        pair[i] = -1
        guard next[i] < range.count else { return }
        let end = next[next[i]]
        guard i > 0 || end < range.count else { return }                // the whole token
        guard let id = index[tokens.bytes.span.extracting(range.lowerBound + i..<range.lowerBound + end)] else { return }
        pair[i] = id
        queue.push(UInt64(id) << 32 | UInt64(i))
    }
}
