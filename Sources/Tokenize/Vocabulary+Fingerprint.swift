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
        hash.add(pattern.regex ?? "none")
        hash.add(ignoresMerges ? 1 : 0)
        hash.add(addsPrefixSpace ? 1 : 0)
        return hash.digits
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
