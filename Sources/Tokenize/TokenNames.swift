/// How a vocabulary file writes the bytes of its ordinary tokens.
///
///     TokenNames(vocabulary).name(of: Array(" the".utf8))        // "Ġthe", or "▁the" in a SentencePiece vocabulary
enum TokenNames: Sendable {
    /// In GPT-2's byte-to-unicode alphabet.
    case byteLevel
    /// As they are.
    case plain
    /// With U+2581 for a space.
    case marked

    init(_ vocabulary: Vocabulary) { self = vocabulary.unit == .bytes ? .byteLevel : vocabulary.marksSpaces ? .marked : .plain }

    /// The names in error messages.
    var description: String {
        switch self {
        case .byteLevel: "tokens in GPT-2's byte-to-unicode alphabet"
        case .plain: "tokens"
        case .marked: "tokens with U+2581 in place of spaces"
        }
    }

    /// Appends the bytes of a token. Returns false and appends nothing if no token has this name.
    func appendBytes(of name: Span<UInt8>, to bytes: inout [UInt8]) -> Bool {
        switch self {
        case .byteLevel: return ByteToUnicode.append(name, to: &bytes)
        case .plain: bytes.append(name)
        case .marked:
            for i in name.indices where name[i] == 0x20 { return false }
            var text = Array(name)
            TextNormalizer.replaceMarks(in: &text)
            bytes += text
        }
        return true
    }

    func name(of token: some Sequence<UInt8>) -> [UInt8] {
        var name: [UInt8] = []
        switch self {
        case .byteLevel: ByteToUnicode.append(token, to: &name)
        case .plain: name.append(contentsOf: token)
        case .marked: for byte in token { if byte == 0x20 { name += [0xE2, 0x96, 0x81] } else { name.append(byte) } }
        }
        return name
    }

    /// The byte of a byte token's name, such as `<0x0A>`.
    static func byte(of name: Span<UInt8>) -> UInt8? {
        guard name.count == 6 else { return nil }
        let text = Array(name)
        guard text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        let digits = String(decoding: text[3..<5], as: UTF8.self)
        guard digits.allSatisfy({ $0.isHexDigit }), digits == digits.uppercased() else { return nil }
        return UInt8(digits, radix: 16)
    }

    static func byteName(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array("<0x\(digits.count == 1 ? "0" : "")\(digits)>".utf8)
    }
}

extension Vocabulary {
    /// The name of each token in tokenizer files: special tokens unchanged, byte tokens as `<0x0A>`.
    var tokenNames: ByteStrings {
        var result = ByteStrings()
        result.reserveCapacity(count, bytes: 2 * tokens.bytes.count)
        let names = TokenNames(self)
        var fixed: [TokenID: [UInt8]] = [:]
        for token in specialTokens { fixed[token.id] = Array(token.text.utf8) }
        for token in addedTokens where !token.matching.contains(.mergeable) { fixed[token.id] = Array(token.text.utf8) }
        for (byte, id) in byteTokens.enumerated() where id >= 0 { fixed[id] = TokenNames.byteName(UInt8(byte)) }
        for id in tokens.indices {
            if let name = fixed[TokenID(id)] { result.append(name) } else { result.append(names.name(of: tokens[id])) }
        }
        return result
    }

    /// `tokenNames`, for a file.
    ///
    /// - Parameters:
    ///   - canEndUnused: Whether the last ID may be that of no token, which needs a format with a list of all IDs.
    ///   - error: Makes the error that is thrown if two names are the same or the last one is empty.
    func uniqueTokenNames(
        canEndUnused: Bool = false, _ error: (_ reason: String) -> TokenizeError
    ) throws(TokenizeError) -> ByteStrings {
        let names = tokenNames
        if let duplicate = TokenIndex(names).firstDuplicate(in: names) {
            throw error("token \(duplicate) has the same name as another, \(excerpt(names[Int(duplicate)]))")
        }
        if !canEndUnused, let last = names.indices.last, names.range(of: last).isEmpty {
            throw error("its last ID, \(last), is unused")
        }
        return names
    }

    /// Checks that each merge makes the token that its two parts spell, which files of merges imply.
    func checkMerges(_ error: (_ reason: String) -> TokenizeError) throws(TokenizeError) {
        for merge in merges {
            let whole = tokens[Int(merge.left)] + tokens[Int(merge.right)]
            guard whole.elementsEqual(tokens[Int(merge.result)]) else {
                throw error("token \(merge.result) differs from the tokens that merge into it")
            }
        }
    }
}
