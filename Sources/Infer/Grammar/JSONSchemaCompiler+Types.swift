import JSON

/// Values by their types. Each function merges what all parts say.
extension JSONSchemaCompiler {
    mutating func element(ofTypes parts: [SchemaPart], _ path: String) throws(JSONSchemaError) -> Element {
        func have(_ keywords: String...) -> Bool { parts.contains { part in keywords.contains { part[$0] != nil } } }
        guard let types = try types(of: parts) else {
            if have("properties", "additionalProperties", "required") { return try object(parts) }
            if have("items", "prefixItems") { return try array(parts, path) }
            if have("minLength", "maxLength", "pattern") || parts.contains(where: \.hasKnownFormat) { return try string(parts, path) }
            if parts.contains(where: { part in NumberLimits.keywords.contains { part[$0] != nil } }) {
                return try number(parts, path, isInteger: false)
            }
            return builder.value
        }
        var alternatives: [[Element]] = []
        for type in types {
            let element = switch type {
            case .object: try object(parts)
            case .array: try array(parts, path)
            case .string: try string(parts, path)
            case .integer: try number(parts, path, isInteger: true)
            case .number: try number(parts, path, isInteger: false)
            case .boolean: builder.boolean
            case .null: builder.grammar.rule([Grammar.text("null")])
            }
            alternatives.append([element])
        }
        return alternatives.count == 1 ? alternatives[0][0] : builder.grammar.rule(alternatives)
    }

    enum ValueType: String {
        case object, array, string, integer, number, boolean, null
    }

    /// The types that all parts allow; nil if none names any.
    func types(of parts: [SchemaPart]) throws(JSONSchemaError) -> [ValueType]? {
        var types: (list: [ValueType], path: String)?
        for part in parts {
            guard let value = part["type"] else { continue }
            let path = "\(part.path).type"
            let names = value.string.map { [$0] } ?? value.elements?.compactMap(\.string) ?? []
            guard !names.isEmpty else { throw JSONSchemaError(path: path, reason: "expected a type, or a list of types.") }
            var list: [ValueType] = []
            for name in names {
                guard let type = ValueType(rawValue: name) else {
                    let expected = "expected object, array, string, integer, number, boolean or null, found '\(name.prefix(40))'."
                    throw JSONSchemaError(path: path, reason: expected)
                }
                list.append(type)
            }
            if let earlier = types {
                let common = earlier.list.flatMap { type in list.compactMap { Self.common(type, $0) } }
                list = common.enumerated().filter { !common[..<$0.offset].contains($0.element) }.map(\.element)
                guard !list.isEmpty else {
                    throw JSONSchemaError(path: path, reason: "no type that \(earlier.path) allows, too.", isConflict: true)
                }
            }
            types = (list, types?.path ?? path)
        }
        return types?.list
    }

    private static func common(_ a: ValueType, _ b: ValueType) -> ValueType? {
        a == b ? a : [a, b] == [.integer, .number] || [a, b] == [.number, .integer] ? .integer : nil
    }

    // MARK: Lists

    private mutating func array(_ parts: [SchemaPart], _ path: String) throws(JSONSchemaError) -> Element {
        let (least, most) = try counts(parts, "minItems", "maxItems")
        var described: [ListParts] = []
        for part in parts { described.append(try ListParts(part)) }
        var first: [Element] = []
        for index in 0..<(described.map(\.first.count).max() ?? 0) {
            if described.contains(where: { $0.first.count <= index && $0.endsAfterFirst }) { break }
            let item = described.compactMap { $0.first.count > index ? $0.first[index] : $0.further }
            first.append(try element(for: item))
        }
        // Without a schema for further items, a list of first ones has no others.
        let items = described.compactMap(\.further)
        var further: Element?
        if described.contains(where: \.endsAfterFirst) {
            further = nil
        } else if !items.isEmpty {
            further = try element(for: items)
        } else if first.isEmpty {
            further = builder.value
        }
        let limit = further == nil ? min(most ?? first.count, first.count) : most
        guard least <= limit ?? .max else {
            throw JSONSchemaError(path: path, reason: "expected minItems of at most maxItems.", isConflict: parts.count > 1)
        }
        return list(first, further, least, limit)
    }

    /// What one part says about the items of a list.
    struct ListParts {
        var first: [SchemaPart] = []
        var further: SchemaPart?
        var endsAfterFirst = false

        init(_ part: SchemaPart) throws(JSONSchemaError) {
            if let items = part["prefixItems"] {
                guard let elements = items.elements else {
                    throw JSONSchemaError(path: "\(part.path).prefixItems", reason: "expected a list of schemas.")
                }
                first = elements.enumerated().map { part.part($0.element, "prefixItems", $0.offset) }
            }
            if let items = part["items"] {
                endsAfterFirst = items.boolean == false
                further = endsAfterFirst ? nil : part.part(items, "items")
            }
        }
    }

    /// A list of `least` to `most` items. The n-th rest follows n items.
    private mutating func list(_ first: [Element], _ further: Element?, _ least: Int, _ most: Int?) -> Element {
        let space = builder.space, listed = max(first.count, least, most ?? 0)
        let close = [space] + Grammar.text("]")
        var rest: [Element]
        if most == nil, let further {
            rest = [builder.grammar.repeated(Grammar.text(",") + [space, further])] + close
        } else {
            rest = close
        }
        for index in (0..<listed).reversed() {
            if let most, index >= most { continue }
            guard let item = index < first.count ? first[index] : further else { continue }
            let comma = index == 0 ? [] : Grammar.text(",")
            let next = comma + [space, item] + rest
            rest = index >= least ? [builder.grammar.rule([next, close])] : next
        }
        if listed == 0, most == nil, let further {
            rest = [builder.grammar.rule([[space, further] + rest, close])]
        }
        return builder.grammar.rule([Grammar.text("[") + rest])
    }

    // MARK: Objects

    private mutating func object(_ parts: [SchemaPart]) throws(JSONSchemaError) -> Element {
        var properties = try ObjectParts(parts)
        var members: [(member: [Element], isRequired: Bool)] = []
        for (key, name) in properties.order {
            let value = try element(for: properties.schemas[name] ?? [])
            let isRequired = properties.required.removeValue(forKey: name) != nil
            members.append((Grammar.text(key) + Grammar.text(":") + [builder.optionalSpace, value], isRequired))
        }
        // Required names that are not listed: members of any value.
        let unlisted = properties.required.keys.sorted()
        var names = properties.order.map(\.key)
        for name in unlisted {
            var key = JSONWriter()
            key.string(name)
            names.append(key.bytes)
            members.append((Grammar.text(key.bytes) + Grammar.text(":") + [builder.optionalSpace, builder.value], true))
        }
        let further = try furtherMember(properties, names, parts)
        if further == nil, let name = unlisted.first, let path = properties.required[name] {
            throw JSONSchemaError(path: path, reason: "'\(name.prefix(64))' is not in properties.", isConflict: parts.count > 1)
        }
        return object(of: members, further)
    }

    /// What all parts say about the members of an object.
    private struct ObjectParts {
        /// The names of the listed properties, as JSON and as texts.
        var order: [(key: [UInt8], name: String)] = []
        var schemas: [String: [SchemaPart]] = [:]
        /// Names, and where they are required.
        var required: [String: String] = [:]
        /// Schemas of further members.
        var additional: [SchemaPart] = []
        var allowsFurther: Bool

        init(_ parts: [SchemaPart]) throws(JSONSchemaError) {
            allowsFurther = !parts.contains { $0["additionalProperties"]?.boolean == false }
            for part in parts {
                for name in try Self.requiredNames(of: part) where required[name] == nil { required[name] = "\(part.path).required" }
            }
            var listed: [Set<String>] = []
            for part in parts { listed.append(try addProperties(of: part)) }
            let isOpen = parts.contains { $0["additionalProperties"] != nil } || !parts.contains { $0["properties"] != nil }
            allowsFurther = allowsFurther && isOpen
            // What a part says about properties that only others list.
            for (part, names) in zip(parts, listed) {
                guard let value = part["additionalProperties"] else { continue }
                if value.boolean != false { additional.append(part.part(value, "additionalProperties")) }
                for (_, name) in order where !names.contains(name) {
                    if value.boolean != false {
                        schemas[name]?.append(part.part(value, "additionalProperties"))
                    } else if let path = required[name] {
                        let reason = "'\(name.prefix(64))' is excluded by \(part.path).additionalProperties."
                        throw JSONSchemaError(path: path, reason: reason, isConflict: true)
                    } else {
                        schemas[name] = nil
                    }
                }
            }
            order.removeAll { schemas[$0.name] == nil }
        }

        private static func requiredNames(of part: SchemaPart) throws(JSONSchemaError) -> [String] {
            guard let names = part["required"] else { return [] }
            guard let elements = names.elements else {
                throw JSONSchemaError(path: "\(part.path).required", reason: "expected a list of names.")
            }
            return elements.compactMap(\.string)
        }

        private mutating func addProperties(of part: SchemaPart) throws(JSONSchemaError) -> Set<String> {
            guard let properties = part["properties"] else { return [] }
            guard let list = properties.members else {
                throw JSONSchemaError(path: "\(part.path).properties", reason: "expected an object, found \(properties.kind.rawValue).")
            }
            var names: Set<String> = []
            for (key, value) in list {
                let name = key.string ?? ""
                if schemas[name] == nil {
                    guard order.count < maxChoices else {
                        throw JSONSchemaError(path: "\(part.path).properties", reason: "expected at most \(maxChoices) properties.")
                    }
                    order.append((key.json, name))
                }
                schemas[name, default: []].append(part.part(value, "properties", property: name))
                names.insert(name)
            }
            return names
        }
    }

    /// A member that an object may have beside those of the given names; nil if it may have none.
    private mutating func furtherMember(
        _ properties: ObjectParts, _ names: [[UInt8]], _ parts: [SchemaPart]
    ) throws(JSONSchemaError) -> Element? {
        guard properties.allowsFurther else { return nil }
        let value = try element(for: properties.additional)
        // A second member of the same name would replace the first.
        guard names.allSatisfy({ $0.count <= Self.maxName }) else {
            let path = parts.first { $0["properties"] != nil }?.path ?? parts.first?.path ?? ""
            throw JSONSchemaError(path: "\(path).properties", reason: "expected names of at most \(Self.maxName) bytes.")
        }
        let key = names.isEmpty ? builder.string : builder.string(otherThan: names)
        return builder.grammar.rule([[key] + Grammar.text(":") + [builder.optionalSpace, value]])
    }

    /// Two rules for each member, from the last one to the first: what can follow other members, and what can begin the object.
    private mutating func object(of members: [(member: [Element], isRequired: Bool)], _ further: Element?) -> Element {
        let space = builder.space, close = [space] + Grammar.text("}")
        var following = close, beginning = close
        if let further {
            let more = builder.grammar.repeated(Grammar.text(",") + [space, further])
            following = [more] + close
            beginning = [builder.grammar.rule([close, [space, further, more] + close])]
        }
        for (member, isRequired) in members.reversed() {
            let asNext = Grammar.text(",") + [space] + member + following, asFirst = [space] + member + following
            beginning = [builder.grammar.rule(isRequired ? [asFirst] : [asFirst, beginning])]
            following = [builder.grammar.rule(isRequired ? [asNext] : [asNext, following])]
        }
        return builder.grammar.rule([Grammar.text("{") + beginning])
    }

    // MARK: Counts

    /// The largest least and the smallest most count of all parts.
    func counts(
        _ parts: [SchemaPart], _ least: String, _ most: String
    ) throws(JSONSchemaError) -> (least: Int, most: Int?) {
        var low: (count: Int, path: String) = (0, ""), high: Int?
        for part in parts {
            if let count = try count(part, least), count > low.count { low = (count, part.path) }
            if let count = try count(part, most) { high = min(high ?? count, count) }
        }
        guard low.count <= high ?? .max else {
            throw JSONSchemaError(path: "\(low.path).\(least)", reason: "expected at most \(most).", isConflict: parts.count > 1)
        }
        return (low.count, high)
    }

    private func count(_ part: SchemaPart, _ name: String) throws(JSONSchemaError) -> Int? {
        guard let value = part[name] else { return nil }
        guard let count = value.integer, 0...Self.maxCount ~= count else {
            throw JSONSchemaError(path: "\(part.path).\(name)", reason: "expected a whole number from 0 to \(Self.maxCount).")
        }
        return count
    }
}
