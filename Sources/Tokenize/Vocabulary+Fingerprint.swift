extension Vocabulary {
    /// 16 hexadecimal digits that identify the vocabulary. Token files and checkpoints store them, so that a model is never used with the
    /// tokens of another vocabulary.
    ///
    /// This is a file format: existing files contain these digits, so neither the hash nor its input may change.
    package var fingerprint: String {
        var hash = FNV1a()
        hash.add("slm vocabulary 1")
        hash.add(unit == .bytes ? "bytes" : "characters")
        hash.add(tokens.count)
        for id in tokens.indices {
            hash.add(tokens.range(of: id).count)
            for byte in tokens[id] { hash.add(byte) }
        }
        hash.add(merges.count)
        for merge in merges { for id in [merge.left, merge.right, merge.result] { hash.add(Int(id)) } }
        hash.add(specialTokens.count)
        for token in specialTokens {
            hash.add(Int(token.id))
            hash.add(token.text)
        }
        hash.add(pattern.identity)
        hash.add(ignoresMerges ? 1 : 0)
        hash.add(prefixSpace == .never ? 0 : 1)
        addLaterFields(to: &hash)
        return hash.digits
    }

    /// Adds what vocabularies did not have at first, only where it differs from the default, so that fingerprints of then stay the same.
    private func addLaterFields(to hash: inout FNV1a) {
        func add(_ name: String, _ numbers: [Int]) {
            hash.add(name)
            hash.add(numbers.count)
            for number in numbers { hash.add(number) }
        }
        if specialTokens.contains(where: { !$0.matching.isEmpty }) { add("special", specialTokens.map { Int($0.matching.rawValue) }) }
        if !addedTokens.isEmpty {
            add("added", addedTokens.flatMap { [Int($0.id), Int($0.matching.rawValue)] })
            for token in addedTokens { hash.add(token.text) }
        }
        if normalization != .none { hash.add("normalization " + normalization.rawValue) }
        if ![.never, .always].contains(prefixSpace) { hash.add("prefix space " + prefixSpace.rawValue) }
        if marksSpaces { hash.add("marked spaces") }
        if !byteTokens.isEmpty { add("bytes", byteTokens.map(Int.init)) }
        if let unknownToken { add("unknown", [Int(unknownToken), fusesUnknown ? 1 : 0]) }
        if !textPrefix.isEmpty { add("prefix", textPrefix.map(Int.init)) }
        if !textSuffix.isEmpty { add("suffix", textSuffix.map(Int.init)) }
    }
}

/// The 64-bit FNV-1a hash (Fowler, Noll & Vo). Only for fingerprints; everything else uses `Digest`.
///
/// A checkpoint and token files are compared by their stored fingerprints alone, and a resumed run compares the fingerprint that it started
/// with. With another hash for new files, neither would match files from before.
private struct FNV1a {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    mutating func add(_ number: Int) {
        for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> shift)) }
    }

    mutating func add(_ text: String) {
        add(text.utf8.count)
        for byte in text.utf8 { add(byte) }
    }

    var digits: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
