import JSON

/// Reads and writes the `post_processor` of a tokenizer.json: the special tokens before and after every text.
enum PostProcessorJSON {
    /// Reads TemplateProcessing, alone or in a Sequence. ByteLevel and those of BERT only concern offsets and pairs of texts.
    static func read(_ root: JSONElement, _ file: JSONFile, into vocabulary: inout Vocabulary) throws(TokenizeError) {
        for step in try file.steps(root, "post_processor", list: "processors") where step.type == "TemplateProcessing" {
            let template = try template(step.element, step.location, file, vocabulary.tokens)
            vocabulary.textPrefix = template.prefix
            vocabulary.textSuffix = template.suffix
        }
    }

    /// The special tokens around a text, and those between what ends the first text of a pair and the second text.
    static func template(
        _ element: JSONElement, _ location: String, _ file: JSONFile, _ tokens: ByteStrings
    ) throws(TokenizeError) -> TokensAroundText {
        let single = try specials(element, "single", location, file, tokens)
        var result = TokensAroundText(prefix: single.first ?? [], suffix: single.dropFirst().flatMap { $0 })
        let pair = element["pair"] == nil ? [] : try specials(element, "pair", location, file, tokens)
        let isEnded = pair.count == 3 && pair[1].starts(with: result.suffix)
        if isEnded { result.between = Array(pair[1].dropFirst(result.suffix.count)) }
        return result
    }

    /// The special tokens of a template before, between and after its texts.
    private static func specials(
        _ element: JSONElement, _ key: String, _ location: String, _ file: JSONFile, _ tokens: ByteStrings
    ) throws(TokenizeError) -> [[TokenID]] {
        var groups: [[TokenID]] = [[]]
        for (i, piece) in try file.array(element, key, at: location).enumerated() {
            guard let special = piece["SpecialToken"] else {
                groups.append([])
                continue
            }
            let name = try file.string(special, "id", at: "\(location).\(key)[\(i)].SpecialToken")
            let entry = try file.object(file.object(element, "special_tokens", at: location), name, at: "\(location).special_tokens")
            for id in try file.array(entry, "ids", at: "\(location).special_tokens") {
                guard let id = id.integer, tokens.indices.contains(id), !tokens.range(of: id).isEmpty else {
                    throw file.mismatch("\(location).special_tokens.ids", "the ID of a token", id)
                }
                groups[groups.count - 1].append(TokenID(id))
            }
        }
        return groups
    }

    static func write(_ vocabulary: Vocabulary, _ names: ByteStrings, to file: inout JSONWriter) {
        let prefix = vocabulary.textPrefix
        let suffix = vocabulary.textSuffix
        guard !prefix.isEmpty || !suffix.isEmpty else { return file.null() }
        func write(_ sequences: [String], to list: inout JSONWriter) {
            for id in prefix { writeToken(names[Int(id)], to: &list) }
            for (type, name) in sequences.enumerated() {
                list.object { $0.object("Sequence") { $0["id"] = name; $0["type_id"] = type } }
            }
            for id in suffix { writeToken(names[Int(id)], to: &list) }
        }
        file.object { object in
            object["type"] = "TemplateProcessing"
            object.array("single") { write(["A"], to: &$0) }
            object.array("pair") { write(["A", "B"], to: &$0) }
            object.object("special_tokens") { map in
                for id in Set(prefix + suffix).sorted() {
                    let name = names[Int(id)]
                    map.key(name)
                    map.object {
                        $0["id"] = name
                        $0.array("ids") { $0.integer(id) }
                        $0.array("tokens") { $0.string(name) }
                    }
                }
            }
        }
    }

    private static func writeToken(_ name: ArraySlice<UInt8>, to list: inout JSONWriter) {
        list.object { $0.object("SpecialToken") { $0["id"] = name; $0["type_id"] = 0 } }
    }
}
