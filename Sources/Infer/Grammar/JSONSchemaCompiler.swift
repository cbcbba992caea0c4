import JSON

/// Makes a grammar of a JSON schema.
///
/// An object's properties are written in the order of the schema. Properties that it does not list are allowed only if
/// `additionalProperties` says so, or if it lists none.
struct JSONSchemaCompiler {
    private static let maxRules = 20_000
    private static let maxCount = 10_000
    /// Of an `enum`, an `anyOf`, or the properties of an object: each may be a place of its own where a text can go on.
    private static let maxChoices = 1_000
    /// Of a property whose name no other may have, in bytes.
    private static let maxName = 256
    private static let maxDepth = 100

    /// Keywords that limit values, and that a grammar cannot express. Not `format`, which only describes a text.
    private static let unsupported = [
        "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "contains",
        "minContains", "maxContains", "patternProperties", "propertyNames", "minProperties", "maxProperties", "not", "if", "then", "else",
        "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems",
    ]

    /// Keywords that would limit a value further beside one that describes it as a whole.
    private static let structure = ["properties", "required", "additionalProperties", "items", "prefixItems", "enum", "const"]

    var builder = JSONGrammarBuilder()
    private let root: JSONElement
    private let isStrict: Bool
    /// The rules of schemas that `$ref` names.
    private var references: [String: Int] = [:]
    private var depth = 0

    typealias Element = Grammar.Element

    init(root: JSONElement, isStrict: Bool) {
        self.root = root
        self.isStrict = isStrict
    }

    /// What a schema describes.
    mutating func element(for schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maxDepth else { throw JSONSchemaError(path: path, reason: "expected at most \(Self.maxDepth) levels.") }
        guard builder.grammar.rules.count <= Self.maxRules else {
            throw JSONSchemaError(path: path, reason: "the schema is too large: expected at most \(Self.maxRules) rules.")
        }
        if schema.boolean == true { return builder.value }
        guard schema.kind == .object else {
            let found = schema.boolean == false ? "false, which nothing satisfies" : schema.kind.rawValue
            throw JSONSchemaError(path: path, reason: "expected a schema, found \(found).")
        }
        if isStrict, let keyword = Self.unsupported.first(where: { schema[$0] != nil }) {
            throw JSONSchemaError(path: "\(path).\(keyword)", reason: "not supported in a strict schema.")
        }
        if isStrict, let whole = ["$ref", "anyOf", "oneOf", "allOf"].first(where: { schema[$0] != nil }),
            let keyword = Self.structure.first(where: { schema[$0] != nil }) {
            throw JSONSchemaError(path: "\(path).\(keyword)", reason: "not supported beside \(whole) in a strict schema.")
        }
        if let reference = schema["$ref"] { return try element(ofReference: reference, path) }
        if let value = schema["const"] { return builder.grammar.rule([Grammar.text(value.json)]) }
        if let values = schema["enum"] {
            let elements = values.elements.map(Array.init) ?? []
            guard 1...Self.maxChoices ~= elements.count else {
                throw JSONSchemaError(path: "\(path).enum", reason: "expected a list of 1 to \(Self.maxChoices) values.")
            }
            return builder.grammar.rule(elements.map { Grammar.text($0.json) })
        }
        for keyword in ["anyOf", "oneOf"] {
            if let choices = schema[keyword] { return try choice(of: choices, "\(path).\(keyword)") }
        }
        if let all = schema["allOf"] {
            let schemas = all.elements.map(Array.init) ?? []
            guard schemas.count == 1 else { throw JSONSchemaError(path: "\(path).allOf", reason: "expected a list of one schema.") }
            return try element(for: schemas[0], "\(path).allOf[0]")
        }
        return try element(ofTypes: schema, path)
    }

    private mutating func choice(of schemas: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        let list = schemas.elements.map(Array.init) ?? []
        guard 1...Self.maxChoices ~= list.count else {
            throw JSONSchemaError(path: path, reason: "expected a list of 1 to \(Self.maxChoices) schemas.")
        }
        var alternatives: [[Element]] = []
        for (index, schema) in list.enumerated() { alternatives.append([try element(for: schema, "\(path)[\(index)]")]) }
        return builder.grammar.rule(alternatives)
    }

    /// A schema inside of the whole one, such as `#/$defs/city`.
    private mutating func element(ofReference reference: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        let path = "\(path).$ref"
        guard let text = reference.string, text == "#" || text.hasPrefix("#/") else {
            throw JSONSchemaError(path: path, reason: "expected a reference to a part of this schema, such as #/$defs/city.")
        }
        if let rule = references[text] { return .rule(rule) }
        var schema = root
        for part in text.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) where text != "#" {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            let list = schema.elements.map(Array.init) ?? []
            guard let member = schema[name] ?? Int(name).flatMap({ list.indices.contains($0) ? list[$0] : nil }) else {
                throw JSONSchemaError(path: path, reason: "\(text.prefix(100)) is not in the schema.")
            }
            schema = member
        }
        let rule = builder.grammar.newRule()
        references[text] = rule
        let element = try element(for: schema, path)
        if element == .rule(rule) { throw JSONSchemaError(path: path, reason: "\(text.prefix(100)) refers to itself.") }
        builder.grammar.define(rule, [[element]])
        return .rule(rule)
    }

    private mutating func element(ofTypes schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        guard let type = schema["type"] else {
            if schema["properties"] != nil || schema["additionalProperties"] != nil || schema["required"] != nil {
                return try object(schema, path)
            }
            if schema["items"] != nil || schema["prefixItems"] != nil { return try array(schema, path) }
            if schema["minLength"] != nil || schema["maxLength"] != nil { return try string(schema, path) }
            return builder.value
        }
        let names = type.string.map { [$0] } ?? type.elements?.compactMap(\.string) ?? []
        guard !names.isEmpty else { throw JSONSchemaError(path: "\(path).type", reason: "expected a type, or a list of types.") }
        var alternatives: [[Element]] = []
        for name in names { alternatives.append([try element(ofType: name, schema, path)]) }
        return alternatives.count == 1 ? alternatives[0][0] : builder.grammar.rule(alternatives)
    }

    private mutating func element(ofType name: String, _ schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        switch name {
        case "object": return try object(schema, path)
        case "array": return try array(schema, path)
        case "string": return try string(schema, path)
        case "integer": return builder.integer
        case "number": return builder.number
        case "boolean": return builder.boolean
        case "null": return builder.grammar.rule([Grammar.text("null")])
        default:
            let expected = "expected object, array, string, integer, number, boolean or null, found '\(name.prefix(40))'."
            throw JSONSchemaError(path: "\(path).type", reason: expected)
        }
    }

    // MARK: Types

    private mutating func string(_ schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        let (least, most) = try counts(schema, "minLength", "maxLength", path)
        if least == 0, most == nil { return builder.string }
        let characters = builder.grammar.repeated([builder.character], atLeast: least, atMost: most)
        return builder.grammar.rule([Grammar.text("\"") + [characters] + Grammar.text("\"")])
    }

    private mutating func array(_ schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        let (least, most) = try counts(schema, "minItems", "maxItems", path)
        var first: [Element] = []
        if let items = schema["prefixItems"] {
            guard let elements = items.elements else {
                throw JSONSchemaError(path: "\(path).prefixItems", reason: "expected a list of schemas.")
            }
            for item in elements { first.append(try element(for: item, "\(path).prefixItems[\(first.count)]")) }
        }
        // Without a schema for further items, a list of first ones has no others.
        var further: Element?
        if let items = schema["items"] {
            if items.boolean != false { further = try element(for: items, "\(path).items") }
        } else if first.isEmpty {
            further = builder.value
        }
        let limit = further == nil ? min(most ?? first.count, first.count) : most
        guard least <= limit ?? .max else { throw JSONSchemaError(path: path, reason: "expected minItems of at most maxItems.") }
        return list(first, further, least, limit)
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

    private mutating func object(_ schema: JSONElement, _ path: String) throws(JSONSchemaError) -> Element {
        var required: Set<String> = []
        if let names = schema["required"] {
            guard let elements = names.elements else {
                throw JSONSchemaError(path: "\(path).required", reason: "expected a list of names.")
            }
            required = Set(elements.compactMap(\.string))
        }
        var members: [(member: [Element], isRequired: Bool)] = [], names: [[UInt8]] = []
        if let properties = schema["properties"] {
            guard let list = properties.members else {
                throw JSONSchemaError(path: "\(path).properties", reason: "expected an object, found \(properties.kind.rawValue).")
            }
            for (key, value) in list {
                guard names.count < Self.maxChoices else {
                    throw JSONSchemaError(path: "\(path).properties", reason: "expected at most \(Self.maxChoices) properties.")
                }
                names.append(key.json)
                let name = key.string ?? "", value = try element(for: value, "\(path).properties.\(name.prefix(64))")
                members.append((Grammar.text(key.json) + Grammar.text(":") + [builder.space, value], required.remove(name) != nil))
            }
        }
        // Required names that are not listed: members of any value.
        let unlisted = required.sorted()
        for name in unlisted {
            var key = JSONWriter()
            key.string(name)
            names.append(key.bytes)
            members.append((Grammar.text(key.bytes) + Grammar.text(":") + [builder.space, builder.value], true))
        }
        let further = try furtherMember(of: schema, names, path)
        if further == nil, let name = unlisted.first {
            throw JSONSchemaError(path: "\(path).required", reason: "'\(name.prefix(64))' is not in properties.")
        }
        return object(of: members, further)
    }

    /// A member that an object may have beside those of the given names; nil if it may have none.
    private mutating func furtherMember(of schema: JSONElement, _ names: [[UInt8]], _ path: String) throws(JSONSchemaError) -> Element? {
        let additional = schema["additionalProperties"]
        guard additional == nil ? schema["properties"] == nil : additional?.boolean != false else { return nil }
        var value = builder.value
        if let additional { value = try element(for: additional, "\(path).additionalProperties") }
        // A second member of the same name would replace the first.
        guard names.allSatisfy({ $0.count <= Self.maxName }) else {
            throw JSONSchemaError(path: "\(path).properties", reason: "expected names of at most \(Self.maxName) bytes.")
        }
        let key = names.isEmpty ? builder.string : builder.string(otherThan: names)
        return builder.grammar.rule([[key] + Grammar.text(":") + [builder.space, value]])
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

    private func counts(
        _ schema: JSONElement, _ least: String, _ most: String, _ path: String
    ) throws(JSONSchemaError) -> (least: Int, most: Int?) {
        func count(_ name: String) throws(JSONSchemaError) -> Int? {
            guard let value = schema[name] else { return nil }
            guard let count = value.integer, 0...Self.maxCount ~= count else {
                throw JSONSchemaError(path: "\(path).\(name)", reason: "expected a whole number from 0 to \(Self.maxCount).")
            }
            return count
        }
        let low = try count(least) ?? 0, high = try count(most)
        guard low <= high ?? .max else { throw JSONSchemaError(path: "\(path).\(least)", reason: "expected at most \(most).") }
        return (low, high)
    }
}
