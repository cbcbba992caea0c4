extension Vocabulary {
    /// 16 hexadecimal digits that are the same wherever the vocabulary is, and others for another: what files of tokens carry, so that
    /// nobody reads them with
    /// the wrong one.
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
        for special in specialTokens {
            hash.add(Int(special.id))
            hash.add(special.text)
        }
        hash.add(pattern.regex ?? "none")
        hash.add(ignoresMerges ? 1 : 0)
        hash.add(addsPrefixSpace ? 1 : 0)
        return hash.digits
    }
}
