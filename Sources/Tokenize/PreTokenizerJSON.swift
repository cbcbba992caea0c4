import JSON

/// Reads the `normalizer`, `pre_tokenizer` and `decoder` of a tokenizer.json: a vocabulary's `unit`, `pattern` and `addsPrefixSpace`.
struct PreTokenizerJSON {
    private let file: JSONFile
    /// The pre-tokenizers in order, sequences flattened.
    private var steps: [Step] = []
    private let decoder: String

    private struct Step {
        let type: String
        let element: JSONElement
        let location: String
    }

    init(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        self.file = file
        decoder = try root["decoder"].map { element throws(TokenizeError) in
            element.isNull ? "" : try file.string(element, "type", at: "decoder")
        } ?? ""
        if let normalizer = root["normalizer"], !normalizer.isNull { try checkNormalizer(normalizer) }
        if let preTokenizer = root["pre_tokenizer"], !preTokenizer.isNull { try flatten(preTokenizer, "pre_tokenizer", depth: 0) }
    }

    func apply(to vocabulary: inout Vocabulary) throws(TokenizeError) {
        vocabulary.addsPrefixSpace = false
        guard let last = steps.last, last.type == "ByteLevel" else {
            vocabulary.unit = .characters
            vocabulary.pattern = try pattern(of: steps, usesRegex: false)
            guard decoder.isEmpty || decoder == "Fuse" else {
                throw file.unsupported("it is not byte-level: its decoder is \(decoder)", Self.advice)
            }
            return
        }
        let usesRegex = try file.boolean(last.element, "use_regex", default: true, at: last.location)
        if try file.boolean(last.element, "add_prefix_space", default: true, at: last.location) {
            guard steps.count == 1 else {
                throw file.unsupported("it adds a space before every word (\(last.location).add_prefix_space)", Self.advice)
            }
            vocabulary.addsPrefixSpace = true
        }
        vocabulary.unit = .bytes
        vocabulary.pattern = try pattern(of: steps.dropLast(), usesRegex: usesRegex)
    }

    private static let advice = "Supported are ByteLevel alone, one Split or Digits before it, and neither for character-level tokenizers."

    private func checkNormalizer(_ normalizer: JSONElement) throws(TokenizeError) {
        let type = try file.string(normalizer, "type", at: "normalizer")
        if type == "Sequence", normalizer["normalizers"]?.elements?.first(where: { _ in true }) == nil { return }
        throw file.unsupported(
            "it normalizes text before pre-tokenization (normalizer \(type))",
            "Normalize your texts yourself, and set normalizer to null."
        )
    }

    private mutating func flatten(_ element: JSONElement, _ location: String, depth: Int) throws(TokenizeError) {
        let type = try file.string(element, "type", at: location)
        guard type == "Sequence", depth < 8 else { return steps.append(Step(type: type, element: element, location: location)) }
        for (i, inner) in try file.array(element, "pretokenizers", at: location).enumerated() {
            try flatten(inner, "\(location).pretokenizers[\(i)]", depth: depth + 1)
        }
    }

    private func pattern(of steps: some Collection<Step>, usesRegex: Bool) throws(TokenizeError) -> PreTokenizationPattern {
        guard let step = steps.first else { return usesRegex ? .gpt2 : .none }
        guard steps.count == 1 else { throw file.unsupported("it splits text in \(steps.count) steps", Self.advice) }
        switch (step.type, usesRegex) {
        case ("Digits", _):
            let isIndividual = try file.boolean(step.element, "individual_digits", default: false, at: step.location)
            let digits = isIndividual ? #"\p{N}"# : #"\p{N}+"#
            return usesRegex ? .gpt2(betweenDigits: digits) : .regex(digits)
        case ("Split", false):
            let pattern = PreTokenizationPattern(regex: try splitRegex(step))
            try checkBehavior(step, pattern)
            if case .regex(let text) = pattern {
                do { _ = try RegexPreTokenizer(text) } catch {
                    guard case .badPattern(_, let offset, let reason) = error else { throw error }
                    let found = "\(excerpt(text.utf8)), at character \(offset): \(reason)"
                    throw file.malformed("\(step.location).pattern", "a regular expression", found)
                }
            }
            return pattern
        default:
            let what = "it splits text by \(step.type)\(usesRegex ? " and then by GPT-2's pattern" : "") (\(step.location))"
            throw file.unsupported(what, Self.advice)
        }
    }

    private func splitRegex(_ step: Step) throws(TokenizeError) -> String {
        let pattern = try file.object(step.element, "pattern", at: step.location)
        if let text = pattern["String"]?.string {
            // A literal string: everything that may be a metacharacter is escaped.
            return text.unicodeScalars.map { character in
                let isPlain = character.properties.isAlphabetic || character.value >= 0x80 || character == " "
                return isPlain ? String(character) : #"\x{"# + String(character.value, radix: 16) + "}"
            }.joined()
        }
        return try file.string(pattern, "Regex", at: "\(step.location).pattern")
    }

    /// Accepts "Isolated": matches are words, and so is the text between them. Of the other behaviors it accepts only an equivalent one:
    /// "Removed" with `invert` discards the text between matches, and the built-in patterns leave none.
    private func checkBehavior(_ step: Step, _ pattern: PreTokenizationPattern) throws(TokenizeError) {
        let behavior = try file.string(step.element, "behavior", at: step.location)
        let isInverted = try file.boolean(step.element, "invert", default: false, at: step.location)
        if behavior == "Isolated" { return }
        if behavior == "Removed", isInverted { if case .regex = pattern {} else { return } }
        let what = "it splits text by a Split with behavior \(behavior)\(isInverted ? ", inverted" : "") (\(step.location))"
        throw file.unsupported(what, "Supported is Isolated.")
    }
}
