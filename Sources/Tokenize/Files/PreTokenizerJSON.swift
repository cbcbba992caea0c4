import JSON

/// Reads the `normalizer`, `pre_tokenizer` and `decoder` of a tokenizer.json: how a vocabulary treats text before merges.
struct PreTokenizerJSON {
    private let file: JSONFile
    private let normalizers, preTokenizers, decoders: [JSONFile.Step]

    init(_ root: JSONElement, _ file: JSONFile) throws(TokenizeError) {
        self.file = file
        normalizers = try file.steps(root, "normalizer", list: "normalizers")
        preTokenizers = try file.steps(root, "pre_tokenizer", list: "pretokenizers")
        decoders = try file.steps(root, "decoder", list: "decoders")
    }

    func apply(to vocabulary: inout Vocabulary) throws(TokenizeError) {
        for step in normalizers { try apply(normalizer: step, to: &vocabulary) }
        if vocabulary.prefixSpace == .evenBeforeSpace, !vocabulary.marksSpaces {
            throw file.unsupported("its normalizer prepends U+2581 and does not replace spaces by it", Self.normalizerAdvice)
        }
        if let last = preTokenizers.last, last.type == "ByteLevel" {
            try applyByteLevel(last, to: &vocabulary)
        } else {
            try applyCharacters(to: &vocabulary)
        }
    }

    // MARK: Normalizers

    private static let mark = "\u{2581}"
    private static let normalizerAdvice = "Supported are NFC, and SentencePiece's Prepend and Replace with U+2581."

    private func apply(normalizer step: JSONFile.Step, to vocabulary: inout Vocabulary) throws(TokenizeError) {
        switch step.type {
        case "NFC":
            vocabulary.normalization = .nfc
            return
        case "Prepend" where try file.string(step.element, "prepend", at: step.location) == Self.mark:
            vocabulary.prefixSpace = .evenBeforeSpace
            return
        case "Replace":
            let pattern = try file.object(step.element, "pattern", at: step.location)
            if pattern["String"]?.string == " ", try file.string(step.element, "content", at: step.location) == Self.mark {
                vocabulary.marksSpaces = true
                return
            }
        default: break
        }
        throw file.unsupported("it normalizes text before pre-tokenization (\(step.type) in \(step.location))", Self.normalizerAdvice)
    }

    // MARK: Pre-tokenizers

    private static let advice =
        "Supported are ByteLevel, alone or after Split or Digits, Metaspace, and neither for character-level tokenizers."

    private func applyByteLevel(_ last: JSONFile.Step, to vocabulary: inout Vocabulary) throws(TokenizeError) {
        vocabulary.unit = .bytes
        if vocabulary.marksSpaces { throw file.unsupported("it is byte-level and replaces spaces by U+2581", Self.normalizerAdvice) }
        let usesRegex = try file.boolean(last.element, "use_regex", default: true, at: last.location)
        if try file.boolean(last.element, "add_prefix_space", default: true, at: last.location) {
            guard preTokenizers.count == 1 else {
                throw file.unsupported("it adds a space before every word (\(last.location).add_prefix_space)", Self.advice)
            }
            vocabulary.prefixSpace = .always
        }
        vocabulary.pattern = try pattern(of: preTokenizers.dropLast(), usesRegex: usesRegex)
    }

    private func applyCharacters(to vocabulary: inout Vocabulary) throws(TokenizeError) {
        vocabulary.unit = .characters
        var steps = preTokenizers
        vocabulary.pattern = .none
        if let step = steps.first, step.type == "Metaspace" {
            steps.removeFirst()
            try apply(metaspace: step, to: &vocabulary)
        } else if vocabulary.marksSpaces, let step = steps.first, steps.count == 1, step.type == "Split",
            step.element["pattern"]?["String"]?.string == " " {
            steps.removeFirst()                                    // Gemma's: the normalizer leaves no spaces to split at
        }
        if vocabulary.marksSpaces, let step = steps.first {
            throw file.unsupported("it splits text by \(step.type) (\(step.location)) and replaces spaces by U+2581", Self.advice)
        }
        if !steps.isEmpty { vocabulary.pattern = try pattern(of: steps[...], usesRegex: false) }
        let known: Set = vocabulary.marksSpaces ? ["Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"] : ["Fuse", "ByteFallback"]
        if let decoder = decoders.first(where: { !known.contains($0.type) }) {
            throw file.unsupported("it is not byte-level: its decoder is \(decoder.type)", Self.advice)
        }
    }

    private func apply(metaspace step: JSONFile.Step, to vocabulary: inout Vocabulary) throws(TokenizeError) {
        guard try file.string(step.element, "replacement", default: Self.mark, at: step.location) == Self.mark else {
            throw file.unsupported("its Metaspace replaces spaces by another character than U+2581", Self.advice)
        }
        // Files from before `prepend_scheme` have `add_prefix_space`.
        let addsSpace = try file.boolean(step.element, "add_prefix_space", default: true, at: step.location)
        let scheme = try file.string(step.element, "prepend_scheme", default: addsSpace ? "always" : "never", at: step.location)
        guard let prefixSpace = ["always": Vocabulary.PrefixSpace.always, "first": .first, "never": .never][scheme] else {
            throw file.malformed("\(step.location).prepend_scheme", "always, first or never", excerpt(scheme.utf8))
        }
        if vocabulary.prefixSpace == .never { vocabulary.prefixSpace = prefixSpace }
        vocabulary.marksSpaces = true
        if try file.boolean(step.element, "split", default: true, at: step.location) { vocabulary.pattern = .spaces }
    }

    /// - Parameter usesRegex: whether GPT-2's pattern splits what the steps leave.
    private func pattern(of steps: ArraySlice<JSONFile.Step>, usesRegex: Bool) throws(TokenizeError) -> PreTokenizationPattern {
        if let step = steps.first, steps.count == 1, usesRegex, step.type == "Digits" {
            return PreTokenizationPattern(regex: PreTokenizationPattern.gpt2(betweenDigits: try digits(step)))
        }
        var patterns: [PreTokenizationPattern] = []
        for step in steps {
            switch step.type {
            case "Digits": patterns.append(.regex(try digits(step)))
            case "Split": patterns.append(try split(step))
            default: throw file.unsupported("it splits text by \(step.type) (\(step.location))", Self.advice)
            }
        }
        if usesRegex { patterns.append(.gpt2) }
        return patterns.count > 1 ? .sequence(patterns) : patterns.first ?? .none
    }

    private func digits(_ step: JSONFile.Step) throws(TokenizeError) -> String {
        try file.boolean(step.element, "individual_digits", default: false, at: step.location) ? #"\p{N}"# : #"\p{N}+"#
    }

    private func split(_ step: JSONFile.Step) throws(TokenizeError) -> PreTokenizationPattern {
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
    }

    private func splitRegex(_ step: JSONFile.Step) throws(TokenizeError) -> String {
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
    private func checkBehavior(_ step: JSONFile.Step, _ pattern: PreTokenizationPattern) throws(TokenizeError) {
        let behavior = try file.string(step.element, "behavior", at: step.location)
        let isInverted = try file.boolean(step.element, "invert", default: false, at: step.location)
        if behavior == "Isolated" { return }
        if behavior == "Removed", isInverted { if case .regex = pattern {} else { return } }
        let what = "it splits text by a Split with behavior \(behavior)\(isInverted ? ", inverted" : "") (\(step.location))"
        throw file.unsupported(what, "Supported is Isolated.")
    }
}
