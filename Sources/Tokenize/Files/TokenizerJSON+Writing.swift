import JSON

extension TokenizerJSON {
    /// The bytes of a tokenizer.json. Hugging Face's library encodes text to the same IDs with it, if `encode_special_tokens` is set, and
    /// `read` returns the same vocabulary.
    package static func bytes(of vocabulary: Vocabulary) throws(TokenizeError) -> [UInt8] {
        if let reason = incompatibility(vocabulary) { throw .notExpressible(format: "tokenizer.json", reason: reason) }
        let names = try tokenNames(of: vocabulary)
        let areMergesPairs = vocabulary.unit == .characters && !vocabulary.marksSpaces
        return JSONWriter.file { file in
            file["version"] = "1.0"
            file.null("truncation")
            file.null("padding")
            file.array("added_tokens") { list in
                for token in vocabulary.specialTokens { write(token, isSpecial: true, to: &list) }
                for token in vocabulary.addedTokens { write(token, isSpecial: false, to: &list) }
            }
            file.key("normalizer"); writeNormalizer(vocabulary, to: &file)
            file.key("pre_tokenizer"); writePreTokenizer(vocabulary, to: &file)
            file.key("post_processor"); PostProcessorJSON.write(vocabulary, names, to: &file)
            file.key("decoder"); writeDecoder(vocabulary, to: &file)
            file.object("model") { model in
                model["type"] = "BPE"
                model.null("dropout")
                model["unk_token"] = vocabulary.unknownToken.map { names[Int($0)] }
                for key in ["continuing_subword_prefix", "end_of_word_suffix"] { model.null(key) }
                model["fuse_unk"] = vocabulary.fusesUnknown
                model["byte_fallback"] = !vocabulary.byteTokens.isEmpty
                model["ignore_merges"] = vocabulary.ignoresMerges
                model.object("vocab") { write(names, to: &$0) }
                // "Ġt he" and not ["Ġt", "he"]: neither alphabet has a space, and every version of the library reads it.
                model.array("merges") { list in
                    for merge in vocabulary.merges {
                        let (left, right) = (names[Int(merge.left)], names[Int(merge.right)])
                        if areMergesPairs { list.array { $0.string(left); $0.string(right) } } else { list.string(left + [32] + right) }
                    }
                }
            }
        }
    }

    /// Why the file cannot represent the vocabulary; nil if it can.
    private static func incompatibility(_ vocabulary: Vocabulary) -> String? {
        if vocabulary.marksSpaces {
            guard vocabulary.unit == .characters else { return "it is byte-level and marks spaces" }
            return [.none, .spaces].contains(vocabulary.pattern) ? nil : "it is a SentencePiece vocabulary with a pattern"
        }
        // ByteLevel after a Split would add a space before every word.
        let canPrepend = vocabulary.prefixSpace == .always && !hasSplit(vocabulary) && vocabulary.unit == .bytes
        return vocabulary.prefixSpace == .never || canPrepend ? nil : "it adds a prefix space and does not use GPT-2's pattern"
    }

    /// The name of each token in the file. Throws if the file cannot represent the vocabulary.
    private static func tokenNames(of vocabulary: Vocabulary) throws(TokenizeError) -> ByteStrings {
        func error(_ reason: String) -> TokenizeError { .notExpressible(format: "tokenizer.json", reason: reason) }
        let names = try vocabulary.uniqueTokenNames(error)
        if vocabulary.unit == .characters {
            for token in vocabulary.ordinaryTokens where (try? UTF8Span(validating: Array(token).span)) == nil {
                throw error("its tokens are characters, and one is not UTF-8")
            }
        }
        try vocabulary.checkMerges(error)
        return names
    }

    /// The ID of each token.
    static func write(_ names: ByteStrings, to object: inout JSONWriter) {
        for id in names.indices where !names.range(of: id).isEmpty { object.key(names[id]); object.integer(id) }
    }

    private static func write(_ token: Vocabulary.AddedToken, isSpecial: Bool, to list: inout JSONWriter) {
        list.object {
            $0["id"] = token.id
            $0["content"] = token.text
            for (key, option) in matchingOptions { $0[key] = token.matching.contains(option) }
            $0["special"] = isSpecial
        }
    }

    private static func writeNormalizer(_ vocabulary: Vocabulary, to file: inout JSONWriter) {
        let hasNFC = vocabulary.normalization == .nfc
        let prepends = vocabulary.prefixSpace == .evenBeforeSpace
        let replaces = vocabulary.marksSpaces && !vocabulary.usesMetaspace || prepends
        guard hasNFC || prepends || replaces else { return file.null() }
        writeSequence("normalizers", to: &file, count: [hasNFC, prepends, replaces].count { $0 }) { list in
            if hasNFC { list.object { $0["type"] = "NFC" } }
            if prepends { list.object { $0["type"] = "Prepend"; $0["prepend"] = "\u{2581}" } }
            if replaces { writeReplace(" ", "\u{2581}", to: &list) }
        }
    }

    /// Writes an element, or a Sequence of several.
    private static func writeSequence(
        _ key: String, to file: inout JSONWriter, count: Int, _ body: (inout JSONWriter) -> Void
    ) {
        if count == 1 { return body(&file) }
        file.object { object in
            object["type"] = "Sequence"
            object.array(key) { body(&$0) }
        }
    }

    private static func writeReplace(_ text: String, _ content: String, to list: inout JSONWriter) {
        list.object {
            $0["type"] = "Replace"
            $0.object("pattern") { $0["String"] = text }
            $0["content"] = content
        }
    }

    private static func writeDecoder(_ vocabulary: Vocabulary, to file: inout JSONWriter) {
        if vocabulary.marksSpaces {
            return writeSequence("decoders", to: &file, count: 4) { list in
                writeReplace("\u{2581}", " ", to: &list)
                list.object { $0["type"] = "ByteFallback" }
                list.object { $0["type"] = "Fuse" }
                guard vocabulary.dropsLeadingSpace else { return }
                list.object {
                    $0["type"] = "Strip"
                    $0["content"] = " "
                    $0["start"] = 1
                    $0["stop"] = 0
                }
            }
        }
        file.object {
            $0["type"] = vocabulary.unit == .bytes ? "ByteLevel" : vocabulary.byteTokens.isEmpty ? "Fuse" : "ByteFallback"
            if vocabulary.unit == .bytes { writeByteLevel(addsPrefixSpace: false, usesRegex: false, to: &$0) }
        }
    }

    /// Whether the pattern needs a Split. ByteLevel splits by GPT-2's pattern itself.
    private static func hasSplit(_ vocabulary: Vocabulary) -> Bool {
        vocabulary.pattern != .none && (vocabulary.pattern != .gpt2 || vocabulary.unit == .characters)
    }

    private static func writePreTokenizer(_ vocabulary: Vocabulary, to file: inout JSONWriter) {
        if vocabulary.marksSpaces {
            guard vocabulary.usesMetaspace else { return file.null() }
            return file.object {
                $0["type"] = "Metaspace"
                $0["replacement"] = "\u{2581}"
                $0["prepend_scheme"] = vocabulary.prefixSpace == .evenBeforeSpace ? "never" : vocabulary.prefixSpace.rawValue
                $0["split"] = vocabulary.pattern == .spaces
            }
        }
        let isByteLevel = vocabulary.unit == .bytes
        guard hasSplit(vocabulary) else {
            guard isByteLevel else { return file.null() }
            return file.object {
                $0["type"] = "ByteLevel"
                writeByteLevel(addsPrefixSpace: vocabulary.prefixSpace == .always, usesRegex: vocabulary.pattern == .gpt2, to: &$0)
            }
        }
        let patterns = if case .sequence(let patterns) = vocabulary.pattern { patterns } else { [vocabulary.pattern] }
        file.object {
            $0["type"] = "Sequence"
            $0.array("pretokenizers") { steps in
                for regex in patterns.compactMap(\.regex) {
                    steps.object {
                        $0["type"] = "Split"
                        $0.object("pattern") { $0["Regex"] = regex }
                        $0["behavior"] = "Isolated"
                        $0["invert"] = false
                    }
                }
                guard isByteLevel else { return }
                steps.object {
                    $0["type"] = "ByteLevel"
                    writeByteLevel(addsPrefixSpace: false, usesRegex: false, to: &$0)
                }
            }
        }
    }

    private static func writeByteLevel(addsPrefixSpace: Bool, usesRegex: Bool, to object: inout JSONWriter) {
        object["add_prefix_space"] = addsPrefixSpace
        object["trim_offsets"] = true
        object["use_regex"] = usesRegex
    }
}
