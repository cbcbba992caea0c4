import JSON

/// The merges of a file in GPT-2's alphabet, one after the other.
///
///     var reader = MergeReader(tokens, index: TokenIndex(tokens))
///     try reader.add("Ġt he".utf8)
///     reader.merges                    // " t" and "he" make " the"
struct MergeReader {
    private(set) var merges: [Vocabulary.Merge] = []
    private let index: TokenIndex
    private var bytes: [UInt8] = []
    /// For each token, the last merge that makes it; for each merge, the one before that makes the same token; -1 for none.
    private var lastMaking: [Int32], previous: [Int32] = []

    struct Refusal: Error { let expected, found: String }

    init(_ tokens: ByteStrings, index: TokenIndex) {
        self.index = index
        lastMaking = Array(repeating: -1, count: tokens.count)
    }

    /// `"Ġt he"`, or `["Ġt", "he"]` as newer files have it.
    mutating func add(_ element: JSONElement) throws(Refusal) {
        if try element.withBytes({ text throws(Refusal) in try add(text) }) != nil { return }
        let halves = element.elements.map { Array($0.prefix(3)) } ?? []
        guard halves.count == 2, halves.allSatisfy({ $0.kind == .string }) else {
            throw Refusal(expected: "two tokens", found: element.kind.rawValue)
        }
        bytes.removeAll(keepingCapacity: true)
        let first = halves[0].withBytes { ByteToUnicode.append($0, to: &bytes) } ?? false
        let middle = bytes.count
        let second = halves[1].withBytes { ByteToUnicode.append($0, to: &bytes) } ?? false
        guard first, second else {
            throw Refusal(expected: "tokens in GPT-2's alphabet for bytes", found: shown((first ? halves[1] : halves[0]).bytes ?? []))
        }
        try add(splitAt: middle)
    }

    /// Two tokens with a space between.
    mutating func add(_ text: Span<UInt8>) throws(Refusal) {
        var space = -1, spaces = 0
        for i in text.indices where text[i] == 32 {
            space = i
            spaces = spaces + 1
        }
        guard spaces == 1 else { throw Refusal(expected: "two tokens with a space between them", found: shown(text)) }
        bytes.removeAll(keepingCapacity: true)
        let isFirst = ByteToUnicode.append(text.extracting(..<space), to: &bytes), middle = bytes.count
        guard isFirst, ByteToUnicode.append(text.extracting((space + 1)...), to: &bytes) else {
            throw Refusal(expected: "tokens in GPT-2's alphabet for bytes", found: shown(text))
        }
        try add(splitAt: middle)
    }

    private mutating func add(splitAt middle: Int) throws(Refusal) {
        let left = try token(0..<middle), right = try token(middle..<bytes.count), result = try token(0..<bytes.count)
        var other = lastMaking[Int(result)]
        while other >= 0 {
            if merges[Int(other)].left == left {
                throw Refusal(expected: "each merge once", found: shown(ByteToUnicode.text(of: bytes).utf8) + " again")
            }
            other = previous[Int(other)]
        }
        previous.append(lastMaking[Int(result)])
        lastMaking[Int(result)] = Int32(merges.count)
        merges.append(Vocabulary.Merge(left, right, result))
    }

    private func token(_ range: Range<Int>) throws(Refusal) -> TokenID {
        guard !range.isEmpty, let id = index[bytes.span.extracting(range)] else {
            throw Refusal(expected: "tokens that the vocabulary has", found: shown(ByteToUnicode.text(of: bytes[range]).utf8))
        }
        return id
    }
}

private func shown(_ text: Span<UInt8>) -> String { shown((0..<min(text.count, 41)).map { text[$0] }) }
