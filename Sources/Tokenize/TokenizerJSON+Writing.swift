import JSON

extension TokenizerJSON {
    /// The bytes of a tokenizer.json. Hugging Face's library encodes text to the same IDs with it, if `encode_special_tokens` is set, and
    /// `read` returns the same vocabulary.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> [UInt8] {
        // ByteLevel after a Split would add a space before every word.
        guard !vocabulary.addsPrefixSpace || !hasSplit(vocabulary) && vocabulary.unit == .bytes else {
            throw .notExpressible(format: "tokenizer.json", reason: "it adds a prefix space and does not use GPT-2's pattern")
        }
        let names = try tokenNames(of: vocabulary)
        var writer = JSONWriter(.pretty)
        writer.object { file in
            file.key("version"); file.string("1.0")
            file.key("truncation"); file.null()
            file.key("padding"); file.null()
            file.key("added_tokens"); file.array { list in for token in vocabulary.specialTokens { write(token, to: &list) } }
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
                    for id in names.indices where !names.range(of: id).isEmpty { object.key(names[id]); object.integer(id) }
                }
                // "Ġt he" and not ["Ġt", "he"]: the alphabet has no space, and every version of the library reads it.
                model.key("merges"); model.array { list in
                    for merge in vocabulary.merges { list.string(names[Int(merge.left)] + [32] + names[Int(merge.right)]) }
                }
            }
        }
        writer.newline()
        return writer.bytes
    }

    /// The name of each token in the file. Throws if the file cannot represent the vocabulary.
    private static func tokenNames(of vocabulary: Vocabulary) throws(TokenizeError) -> ByteStrings {
        func error(_ reason: String) -> TokenizeError { .notExpressible(format: "tokenizer.json", reason: reason) }
        let names = vocabulary.tokenNames
        if let duplicate = TokenIndex(names).firstDuplicate(in: names) {
            throw error("token \(duplicate) has the same name as another, \(excerpt(names[Int(duplicate)]))")
        }
        if let last = names.indices.last, names.range(of: last).isEmpty { throw error("its last ID, \(last), is unused") }
        if vocabulary.unit == .characters {
            guard vocabulary.merges.isEmpty else { throw error("its tokens are characters and have merges") }
            for token in vocabulary.ordinaryTokens where (try? UTF8Span(validating: Array(token).span)) == nil {
                throw error("its tokens are characters, and one is not UTF-8")
            }
        }
        for merge in vocabulary.merges {
            let whole = vocabulary.tokens[Int(merge.left)] + vocabulary.tokens[Int(merge.right)]
            guard whole.elementsEqual(vocabulary.tokens[Int(merge.result)]) else {
                throw error("token \(merge.result) differs from the tokens that merge into it")
            }
        }
        return names
    }

    private static func write(_ token: Vocabulary.SpecialToken, to list: inout JSONWriter) {
        list.object {
            $0.key("id"); $0.integer(token.id)
            $0.key("content"); $0.string(token.text)
            for key in ["single_word", "lstrip", "rstrip", "normalized"] { $0.key(key); $0.boolean(false) }
            $0.key("special"); $0.boolean(true)
        }
    }

    /// Whether the pattern needs a Split. ByteLevel splits by GPT-2's pattern itself.
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
    /// The name of each token in Hugging Face's files: bytes in GPT-2's byte-to-unicode alphabet, special tokens unchanged.
    var tokenNames: ByteStrings {
        var names = ByteStrings()
        var name: [UInt8] = []
        names.reserveCapacity(count, bytes: 2 * tokens.bytes.count)
        let special = specialTokenIDs
        for id in tokens.indices {
            if unit == .characters || special.contains(TokenID(id)) {
                names.append(tokens[id])
                continue
            }
            name.removeAll(keepingCapacity: true)
            ByteToUnicode.append(tokens[id], to: &name)
            names.append(name)
        }
        return names
    }
}
