import JSON

/// How a tokenizer.json cuts texts: the part of it that becomes `unit`, `pattern` and `addsPrefixSpace`.
struct PreTokenizerJSON {
    private let file: JSONFile
    private var steps: [(type: String, element: JSONElement, place: String)] = []
    private var addsPrefixSpace = false
    private let decoder: String

    init(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        self.file = file
        decoder = try root["decoder"].map { element throws(TokenizeError) in
            element.isNull ? "" : try file.string(element, "type", at: "decoder")
        } ?? ""
        if let normalizer = root["normalizer"], !normalizer.isNull { try readNormalizer(normalizer) }
        if let first = root["pre_tokenizer"], !first.isNull { try flatten(first, "pre_tokenizer", depth: 0) }
    }

    func apply(to vocabulary: inout Vocabulary) throws(TokenizeError) {
        vocabulary.addsPrefixSpace = addsPrefixSpace
        guard let last = steps.last, last.type == "ByteLevel" else {
            vocabulary.unit = .characters
            vocabulary.pattern = try pattern(of: steps, usesRegex: false)
            guard decoder.isEmpty || decoder == "Fuse" else {
                throw file.unsupported("it is not byte-level: it is decoded by \(decoder)", Self.advice)
            }
            return
        }
        let usesRegex = try file.boolean(last.element, "use_regex", else: true, at: last.place)
        if try file.boolean(last.element, "add_prefix_space", else: true, at: last.place) {
            guard steps.count == 1 else {
                throw file.unsupported("it puts a space before every word (\(last.place).add_prefix_space)", Self.advice)
            }
            vocabulary.addsPrefixSpace = true
        }
        vocabulary.unit = .bytes
        vocabulary.pattern = try pattern(of: steps.dropLast(), usesRegex: usesRegex)
    }

    private static let advice = "Supported are ByteLevel alone, one Split or Digits before it, and neither for characters."

    private func readNormalizer(_ normalizer: JSONElement) throws(TokenizeError) {
        let type = try file.string(normalizer, "type", at: "normalizer")
        if type == "Sequence", normalizer["normalizers"]?.elements?.first(where: { _ in true }) == nil { return }
        throw file.unsupported(
            "it changes texts before they are cut (normalizer \(type))", "Change the texts yourself, and set normalizer to null.")
    }

    private mutating func flatten(_ element: JSONElement, _ place: String, depth: Int) throws(TokenizeError) {
        let type = try file.string(element, "type", at: place)
        guard type == "Sequence", depth < 8 else { return steps.append((type, element, place)) }
        for (i, inner) in try file.array(element, "pretokenizers", at: place).enumerated() {
            try flatten(inner, "\(place).pretokenizers[\(i)]", depth: depth + 1)
        }
    }

    private func pattern(
        of steps: some Collection<(type: String, element: JSONElement, place: String)>, usesRegex: Bool
    ) throws(TokenizeError) -> PreTokenizationPattern {
        guard let first = steps.first else { return usesRegex ? .gpt2 : .none }
        guard steps.count == 1 else { throw file.unsupported("it cuts texts in \(steps.count) steps", Self.advice) }
        switch (first.type, usesRegex) {
        case ("Digits", _):
            let digits = try file.boolean(first.element, "individual_digits", else: false, at: first.place) ? #"\p{N}"# : #"\p{N}+"#
            return usesRegex ? .gpt2(betweenDigits: digits) : .regex(digits)
        case ("Split", false):
            let regex = try splitPattern(first.element, first.place), pattern = PreTokenizationPattern(regex: regex)
            try checkBehaviour(first.element, first.place, pattern)
            if case .regex(let text) = pattern {
                do { _ = try Regex(text) } catch { throw file.malformed("\(first.place).pattern", "a regular expression", "\(error)") }
            }
            return pattern
        default:
            throw file.unsupported(
                "it cuts texts by \(first.type)\(usesRegex ? " and then GPT-2's pattern" : "") (\(first.place))", Self.advice)
        }
    }

    private func splitPattern(_ split: JSONElement, _ place: String) throws(TokenizeError) -> String {
        let pattern = try file.object(split, "pattern", at: place)
        if let text = pattern["String"]?.string {
            // A string that is meant as it stands.
            return text.unicodeScalars.map { character in
                let isPlain = character.properties.isAlphabetic || character.value >= 0x80 || character == " "
                return isPlain ? String(character) : #"\x{"# + String(character.value, radix: 16) + "}"
            }.joined()
        }
        return try file.string(pattern, "Regex", at: "\(place).pattern")
    }

    /// Isolated: matches are words, and what lies between them. Of the others, only one that comes to the same is taken: `Removed` with
    /// `invert` throws
    /// away what lies between matches, and the known patterns leave nothing there.
    private func checkBehaviour(_ split: JSONElement, _ place: String, _ pattern: PreTokenizationPattern) throws(TokenizeError) {
        let behaviour = try file.string(split, "behavior", at: place)
        let isInverted = try file.boolean(split, "invert", else: false, at: place)
        if behaviour == "Isolated" { return }
        if behaviour == "Removed", isInverted { if case .regex = pattern {} else { return } }
        throw file.unsupported(
            "it cuts texts by a Split that is \(behaviour)\(isInverted ? " and inverted" : "") (\(place))", "Supported is Isolated.")
    }
}
