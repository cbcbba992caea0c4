/// Collects the tokens of a file by ID, in any order.
///
///     var slots = TokenSlots(fileSize: bytes.count)
///     try slots.insert(Array("b".utf8), at: 1)
///     slots.tokens                     // "" and "b": ID 0 is unused
struct TokenSlots {
    /// IDs must be below this. A token takes more than one byte of its file, so IDs far above the file's size would only waste memory on
    /// unused IDs, 12 bytes each.
    let limit: Int

    /// In the order of the file.
    private var strings = ByteStrings()
    /// By ID: the index in `strings`, or -1 if the ID is unused.
    private var indices: [Int32] = []

    /// Why a token cannot be inserted.
    enum Failure: Error { case outOfRange(limit: Int), duplicateID, empty }

    init(fileSize: Int) { limit = Self.limit(fileSize: fileSize) }

    static func limit(fileSize: Int) -> Int { max(1 << 17, min(1 << 22, fileSize)) }

    mutating func insert(_ token: some Collection<UInt8>, at id: Int) throws(Failure) {
        guard id >= 0, id < limit else { throw .outOfRange(limit: limit) }
        guard !token.isEmpty else { throw .empty }
        if id >= indices.count { indices.append(contentsOf: repeatElement(-1, count: id + 1 - indices.count)) }
        guard indices[id] < 0 else { throw .duplicateID }
        replace(id, by: token)
    }

    /// Replaces the bytes of a token.
    mutating func replace(_ id: Int, by token: some Collection<UInt8>) {
        indices[id] = Int32(strings.count)
        strings.append(token)
    }

    var count: Int { indices.count }

    var tokens: ByteStrings {
        var tokens = ByteStrings()
        tokens.reserveCapacity(indices.count, bytes: strings.bytes.count)
        for index in indices { tokens.append(index < 0 ? [] : strings[Int(index)]) }
        return tokens
    }
}

extension TokenSlots.Failure {
    /// The error to report for token `id` of a file.
    func error(path: String, location: String, id: Int) -> TokenizeError {
        switch self {
        case .outOfRange(let limit):
            .malformed(path: path, location: location, expected: "an ID from 0 to \(limit - 1) in a file of this size", found: "\(id)")
        case .duplicateID:
            .malformed(path: path, location: location, expected: "a unique ID for each token", found: "\(id) again")
        case .empty:
            .malformed(path: path, location: location, expected: "a token", found: "nothing")
        }
    }
}

/// A short excerpt of a file for an error message, on one line and in quotation marks.
func excerpt(_ bytes: some Collection<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(40), as: UTF8.self).debugDescription.dropFirst().dropLast()
    return "'\(text)'" + (bytes.count > 40 ? "…" : "")
}
