import JSON

/// Reads the merges of a vocabulary file one at a time.
///
///     var reader = MergeReader(tokens, index: TokenIndex(tokens), .byteLevel)
///     try reader.add("Ġt he".utf8.span)
///     reader.merges                    // " t" and "he" make " the"
struct MergeReader {
    private(set) var merges: [Vocabulary.Merge] = []
    private let index: TokenIndex
    private let names: TokenNames
    private var bytes: [UInt8] = []
    /// By token: the last merge that makes it. By merge: the previous merge that makes the same token. -1 for none.
    private var lastMaking: [Int32]
    private var previous: [Int32] = []

    /// A merge that is malformed.
    struct Mismatch: Error { let expected, found: String }

    init(_ tokens: ByteStrings, index: TokenIndex, _ names: TokenNames = .byteLevel) {
        self.index = index
        self.names = names
        lastMaking = Array(repeating: -1, count: tokens.count)
    }

    /// Adds a merge of a tokenizer.json: `"Ġt he"`, or `["Ġt", "he"]` in newer files.
    mutating func add(_ element: JSONElement) throws(Mismatch) {
        if try element.withBytes({ text throws(Mismatch) in try add(text) }) != nil { return }
        let halves = element.elements.map { Array($0.prefix(3)) } ?? []
        guard halves.count == 2, halves.allSatisfy({ $0.kind == .string }) else {
            throw Mismatch(expected: "two tokens", found: element.kind.rawValue)
        }
        bytes.removeAll(keepingCapacity: true)
        let isLeftValid = halves[0].withBytes { names.appendBytes(of: $0, to: &bytes) } ?? false
        let middle = bytes.count
        let isRightValid = halves[1].withBytes { names.appendBytes(of: $0, to: &bytes) } ?? false
        guard isLeftValid, isRightValid else {
            let invalid = isLeftValid ? halves[1] : halves[0]
            throw Mismatch(expected: names.description, found: excerpt(invalid.bytes ?? []))
        }
        try add(splitAt: middle)
    }

    /// Adds a merge of a merges.txt: two tokens separated by a space.
    mutating func add(_ text: Span<UInt8>) throws(Mismatch) {
        var space = -1
        var spaces = 0
        for i in text.indices where text[i] == 32 {
            space = i
            spaces += 1
        }
        guard spaces == 1 else { throw Mismatch(expected: "two tokens separated by a space", found: excerpt(text)) }
        bytes.removeAll(keepingCapacity: true)
        let isLeftValid = names.appendBytes(of: text.extracting(..<space), to: &bytes)
        let middle = bytes.count
        guard isLeftValid, names.appendBytes(of: text.extracting((space + 1)...), to: &bytes) else {
            throw Mismatch(expected: names.description, found: excerpt(text))
        }
        try add(splitAt: middle)
    }

    private mutating func add(splitAt middle: Int) throws(Mismatch) {
        let left = try token(0..<middle)
        let right = try token(middle..<bytes.count)
        let result = try token(0..<bytes.count)
        var other = lastMaking[Int(result)]
        while other >= 0 {
            if merges[Int(other)].left == left {
                throw Mismatch(expected: "each merge once", found: excerpt(names.name(of: bytes)) + " again")
            }
            other = previous[Int(other)]
        }
        previous.append(lastMaking[Int(result)])
        lastMaking[Int(result)] = Int32(merges.count)
        merges.append(Vocabulary.Merge(left, right, result))
    }

    private func token(_ range: Range<Int>) throws(Mismatch) -> TokenID {
        guard !range.isEmpty, let id = index[bytes.span.extracting(range)] else {
            throw Mismatch(expected: "tokens of the vocabulary", found: excerpt(names.name(of: bytes[range])))
        }
        return id
    }
}

private func excerpt(_ text: Span<UInt8>) -> String { excerpt((0..<min(text.count, 41)).map { text[$0] }) }
