import JSON

/// Texts and numbers with limits.
extension JSONSchemaCompiler {
    mutating func string(_ parts: [SchemaPart], _ path: String) throws(JSONSchemaError) -> Element {
        let (least, most) = try counts(parts, "minLength", "maxLength")
        if let automaton = try automaton(ofStrings: parts) {
            let counted: Automaton
            do throws(RegularExpressionError) { counted = try automaton.counting(atLeast: least, atMost: most) } catch {
                throw JSONSchemaError(path: "\(path).pattern", reason: "together with minLength and maxLength \(error.reason)")
            }
            if counted.isEmpty {
                throw JSONSchemaError(path: path, reason: "no text satisfies pattern, format, minLength and maxLength.", isConflict: true)
            }
            let rest = builder.grammar.add(counted, .json, end: Grammar.text("\""))
            return builder.grammar.rule([Grammar.text("\"") + [rest]])
        }
        if least == 0, most == nil { return builder.string }
        let characters = builder.grammar.repeated([builder.character], atLeast: least, atMost: most)
        return builder.grammar.rule([Grammar.text("\"") + [characters] + Grammar.text("\"")])
    }

    /// The texts that `pattern` and `format` of all parts allow; nil if there are none of these keywords.
    mutating func automaton(ofStrings parts: [SchemaPart]) throws(JSONSchemaError) -> Automaton? {
        var result: Automaton?
        for part in parts {
            for (keyword, source) in try expressions(of: part) {
                do throws(RegularExpressionError) {
                    let automaton = try Automaton(RegularExpression(source), isWhole: false)
                    result = try result.map { other throws(RegularExpressionError) in try other.intersection(automaton) } ?? automaton
                } catch {
                    if isStrict { throw JSONSchemaError(path: "\(part.path).\(keyword)", reason: error.reason) }
                }
            }
        }
        return result
    }

    private func expressions(of part: SchemaPart) throws(JSONSchemaError) -> [(keyword: String, source: String)] {
        var sources: [(String, String)] = []
        if let pattern = part["pattern"] {
            guard let source = pattern.string else {
                throw JSONSchemaError(path: "\(part.path).pattern", reason: "expected a string, found \(pattern.kind.rawValue).")
            }
            sources.append(("pattern", source))
        }
        if let format = part["format"]?.string.flatMap(StringFormat.init) { sources.append(("format", format.expression)) }
        return sources
    }

    mutating func number(_ parts: [SchemaPart], _ path: String, isInteger: Bool) throws(JSONSchemaError) -> Element {
        let limits = try limits(of: parts)
        if limits.isEmpty { return isInteger ? builder.integer : builder.number }
        let automaton: Automaton
        do throws(RegularExpressionError) { automaton = try limits.automaton(integersOnly: isInteger) } catch {
            throw JSONSchemaError(path: path, reason: "the limits of the number are \(error.reason)")
        }
        if automaton.isEmpty {
            let reason = "no number of at most \(NumberLimits.maxDigits) digits is within the limits."
            throw JSONSchemaError(path: path, reason: reason, isConflict: true)
        }
        return builder.grammar.add(automaton, .plain)
    }

    func limits(of parts: [SchemaPart]) throws(JSONSchemaError) -> NumberLimits { try NumberLimits(parts) }
}
