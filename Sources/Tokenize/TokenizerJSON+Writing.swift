import JSON

extension TokenizerJSON {
    /// The file's bytes. Hugging Face's library makes the same ids of the same text with it, once `encode_special_tokens` is set, and
    /// `read` the same vocabulary.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> [UInt8] {
        // ByteLevel behind a pattern of its own would put a space before every word.
        guard !vocabulary.addsPrefixSpace || !hasSplit(vocabulary) && vocabulary.unit == .bytes else {
            throw .notExpressible(format: "A tokenizer.json", reason: "it begins every text with a space, and cuts otherwise than GPT-2")
        }
        let keys = try self.keys(of: vocabulary)
        var writer = JSONWriter(.pretty)
        writer.object { file in
            file.key("version"); file.string("1.0")
            file.key("truncation"); file.null()
            file.key("padding"); file.null()
            file.key("added_tokens"); file.array { list in for special in vocabulary.specialTokens { write(special, to: &list) } }
            file.key("normalizer"); file.null()
            file.key("pre_tokenizer"); writePreTokenizer(vocabulary, to: &file)
            file.key("post_processor"); file.null()
            file.key("decoder"); file.object {
                $0.key("type"); $0.string(vocabulary.unit == .bytes ? "ByteLevel" : "Fuse")
                if vocabulary.unit == .bytes { writeByteLevel(addsPrefixSpace: false, usesRegex: false, to: &$0) }
            }
            file.key("model"); file.object { model in
                model.key("type"); model.string("BPE")
                for key in ["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"] { model.key(key); model.null() }
                model.key("fuse_unk"); model.boolean(false)
                model.key("byte_fallback"); model.boolean(false)
                model.key("ignore_merges"); model.boolean(vocabulary.ignoresMerges)
                model.key("vocab"); model.object { object in
                    for id in keys.indices where !keys.range(of: id).isEmpty { object.key(keys[id]); object.integer(id) }
                }
                // "Ġt he" and not ["Ġt", "he"]: the alphabet has no space, and every version of the library reads it.
                model.key("merges"); model.array { list in
                    for merge in vocabulary.merges { list.string(keys[Int(merge.left)] + [32] + keys[Int(merge.right)]) }
                }
            }
        }
        writer.newline()
        return writer.bytes
    }

    /// What each token is called in the file; checks that the file can hold the vocabulary.
    private static func keys(of vocabulary: Vocabulary) throws(TokenizeError) -> ByteStrings {
        func refuse(_ reason: String) -> TokenizeError { .notExpressible(format: "tokenizer.json", reason: reason) }
        let keys = vocabulary.keys
        if let double = TokenIndex(keys).firstDouble(in: keys) {
            throw refuse("token \(double) is written like another, \(shown(keys[Int(double)]))")
        }
        if let last = keys.indices.last, keys.range(of: last).isEmpty { throw refuse("its last number, \(last), is no token") }
        if vocabulary.unit == .characters {
            guard vocabulary.merges.isEmpty else { throw refuse("its tokens are characters, and merge") }
            for token in vocabulary.plainTokens where (try? UTF8Span(validating: Array(token).span)) == nil {
                throw refuse("its tokens are characters, and one is not UTF-8")
            }
        }
        for merge in vocabulary.merges {
            let whole = vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]
            guard whole.elementsEqual(vocabulary.tokens[Int(merge.result)]) else {
                throw refuse("token \(merge.result) is not what it merges from")
            }
        }
        return keys
    }

    private static func write(_ special: Vocabulary.SpecialToken, to list: inout JSONWriter) {
        list.object {
            $0.key("id"); $0.integer(special.id)
            $0.key("content"); $0.string(special.text)
            for key in ["single_word", "lstrip", "rstrip", "normalized"] { $0.key(key); $0.boolean(false) }
            $0.key("special"); $0.boolean(true)
        }
    }

    private static func hasSplit(_ vocabulary: Vocabulary) -> Bool {
        vocabulary.pattern != .none && (vocabulary.pattern != .gpt2 || vocabulary.unit == .characters)
    }

    private static func writePreTokenizer(_ vocabulary: Vocabulary, to file: inout JSONWriter) {
        let isByteLevel = vocabulary.unit == .bytes
        guard hasSplit(vocabulary), let regex = vocabulary.pattern.regex else {
            guard isByteLevel else { return file.null() }
            return file.object {
                $0.key("type"); $0.string("ByteLevel")
                writeByteLevel(addsPrefixSpace: vocabulary.addsPrefixSpace, usesRegex: vocabulary.pattern == .gpt2, to: &$0)
            }
        }
        file.object {
            $0.key("type"); $0.string("Sequence")
            $0.key("pretokenizers"); $0.array { steps in
                steps.object {
                    $0.key("type"); $0.string("Split")
                    $0.key("pattern"); $0.object { $0.key("Regex"); $0.string(regex) }
                    $0.key("behavior"); $0.string("Isolated")
                    $0.key("invert"); $0.boolean(false)
                }
                guard isByteLevel else { return }
                steps.object {
                    $0.key("type"); $0.string("ByteLevel")
                    writeByteLevel(addsPrefixSpace: false, usesRegex: false, to: &$0)
                }
            }
        }
    }

    private static func writeByteLevel(addsPrefixSpace: Bool, usesRegex: Bool, to object: inout JSONWriter) {
        object.key("add_prefix_space"); object.boolean(addsPrefixSpace)
        object.key("trim_offsets"); object.boolean(true)
        object.key("use_regex"); object.boolean(usesRegex)
    }
}

extension Vocabulary {
    /// Tokens as Hugging Face's files call them: in GPT-2's alphabet when they are bytes, special ones as they stand.
    var keys: ByteStrings {
        var keys = ByteStrings(), key: [UInt8] = []
        keys.reserveCapacity(count, bytes: 2 * tokens.bytes.count)
        let left = Set(specialTokens.map(\.id))
        for id in tokens.indices {
            if unit == .characters || left.contains(TokenID(id)) { keys.append(tokens[id]); continue }
            key.removeAll(keepingCapacity: true)
            ByteToUnicode.append(tokens[id], to: &key)
            keys.append(key)
        }
        return keys
    }
}
