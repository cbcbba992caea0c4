import JSON

/// Schemas that list their values (`enum`, `const`).
extension JSONSchemaCompiler {
    /// The listed values that satisfy all parts; nil if none lists any.
    mutating func values(of parts: [SchemaPart]) throws(JSONSchemaError) -> [JSONElement]? {
        var listed: (values: [JSONElement], path: String)?
        for part in parts {
            for keyword in ["const", "enum"] {
                guard let value = part[keyword] else { continue }
                let path = "\(part.path).\(keyword)", values = keyword == "const" ? [value] : value.elements.map(Array.init) ?? []
                guard 1...Self.maxChoices ~= values.count else {
                    throw JSONSchemaError(path: path, reason: "expected a list of 1 to \(Self.maxChoices) values.")
                }
                guard let earlier = listed else {
                    listed = (values, path)
                    continue
                }
                let texts = Set(values.map(\.json))
                listed?.values = earlier.values.filter { texts.contains($0.json) }
            }
        }
        guard let (values, path) = listed else { return nil }
        var valid: [JSONElement] = []
        for value in values where try satisfiesStructure(value, parts) { valid.append(value) }
        if valid.isEmpty {
            throw JSONSchemaError(path: path, reason: "no value that the rest of the schema allows, too.", isConflict: true)
        }
        return valid
    }

    private mutating func satisfies(_ value: JSONElement, _ parts: [SchemaPart]) throws(JSONSchemaError) -> Bool {
        try countMerge(at: parts.first?.path ?? "")
        do throws(JSONSchemaError) {
            let parts = try flattened(parts).parts
            for part in parts where try !satisfiesChoices(value, of: part) { return false }
            return try satisfiesStructure(value, parts)
        } catch {
            if error.isConflict { return false }
            throw error
        }
    }

    /// What `type` and the keywords of each type say.
    private mutating func satisfiesStructure(_ value: JSONElement, _ parts: [SchemaPart]) throws(JSONSchemaError) -> Bool {
        if let types = try types(of: parts), !types.contains(where: { Self.isValue(value, of: $0) }) { return false }
        return switch value.kind {
        case .string: try satisfiesText(value.string ?? "", parts)
        case .number: try limits(of: parts).allow(value)
        case .array: try satisfyItems(value.elements.map(Array.init) ?? [], parts)
        case .object: try satisfyMembers(value, parts)
        default: true
        }
    }

    /// What `const`, `enum`, `anyOf` and `oneOf` say.
    private mutating func satisfiesChoices(_ value: JSONElement, of part: SchemaPart) throws(JSONSchemaError) -> Bool {
        if let expected = part["const"], expected.json != value.json { return false }
        if let list = part["enum"]?.elements {
            let json = value.json
            if !list.contains(where: { $0.json == json }) { return false }
        }
        for keyword in ["anyOf", "oneOf"] {
            guard let choices = part[keyword]?.elements else { continue }
            var isChosen = false
            for (index, schema) in choices.enumerated() where !isChosen {
                isChosen = try satisfies(value, [part.part(schema, keyword, index)])
            }
            if !isChosen { return false }
        }
        return true
    }

    private static func isValue(_ value: JSONElement, of type: ValueType) -> Bool {
        switch type {
        case .object: value.kind == .object
        case .array: value.kind == .array
        case .string: value.kind == .string
        case .number: value.kind == .number
        case .integer: value.number.map { $0.rounded() == $0 } ?? false
        case .boolean: value.kind == .boolean
        case .null: value.isNull
        }
    }

    private func isCount(
        _ count: Int, of parts: [SchemaPart], _ least: String, _ most: String
    ) throws(JSONSchemaError) -> Bool {
        let (least, most) = try counts(parts, least, most)
        return least...(most ?? .max) ~= count
    }

    private mutating func satisfiesText(_ text: String, _ parts: [SchemaPart]) throws(JSONSchemaError) -> Bool {
        guard try isCount(text.unicodeScalars.count, of: parts, "minLength", "maxLength") else { return false }
        return try automaton(ofStrings: parts)?.accepts(text.unicodeScalars) ?? true
    }

    private mutating func satisfyItems(_ items: [JSONElement], _ parts: [SchemaPart]) throws(JSONSchemaError) -> Bool {
        guard try isCount(items.count, of: parts, "minItems", "maxItems") else { return false }
        for part in parts {
            let list = try ListParts(part)
            if list.endsAfterFirst, items.count > list.first.count { return false }
            for (index, item) in items.enumerated() {
                guard let schema = index < list.first.count ? list.first[index] : list.further else { continue }
                if try !satisfies(item, [schema]) { return false }
            }
        }
        return true
    }

    private mutating func satisfyMembers(_ value: JSONElement, _ parts: [SchemaPart]) throws(JSONSchemaError) -> Bool {
        for part in parts {
            for name in part["required"]?.elements?.compactMap(\.string) ?? [] where value[name] == nil { return false }
            guard let members = value.members else { continue }
            for (key, member) in members {
                let name = key.string ?? ""
                if let schema = part["properties"]?[name] {
                    if try !satisfies(member, [part.part(schema, "properties", property: name)]) { return false }
                } else if let schema = part["additionalProperties"] {
                    if try !satisfies(member, [part.part(schema, "additionalProperties")]) { return false }
                }
            }
        }
        return true
    }
}
