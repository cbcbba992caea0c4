extension Vocabulary {
    /// 16 hexadecimal digits that are the same wherever the vocabulary is, and others for another: what files of tokens carry, so that nobody reads them with
    /// the wrong one. FNV-1a, 64 bits; it guards against mistakes, not against malice.
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
        hash.add(specials.count)
        for special in specials {
            hash.add(Int(special.id))
            hash.add(special.text)
        }
        hash.add(pattern.regex ?? "none")
        hash.add(takesWholeWords ? 1 : 0)
        hash.add(addsPrefixSpace ? 1 : 0)
        let digits = String(hash.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

private struct FNV1a {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    mutating func add(_ number: Int) { for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> shift)) } }

    mutating func add(_ text: String) {
        add(text.utf8.count)
        for byte in text.utf8 { add(byte) }
    }
}
