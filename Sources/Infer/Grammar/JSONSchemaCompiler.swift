import JSON

/// Makes a grammar of a JSON schema.
///
/// An object's properties are written in the order of the schema. Properties that it does not list are allowed only if
/// `additionalProperties` says so, or if it lists none. Schemas that a value has to satisfy together (`allOf`, and keywords beside `$ref`,
/// `anyOf` or `oneOf`) are merged: a schema is compiled as a list of ``SchemaPart``.
struct JSONSchemaCompiler {
    private static let maxRules = 20_000
    /// The most schemas that several others are merged to: `anyOf` in `allOf` multiplies them.
    private static let maxMerged = 20_000
    static let maxCount = 10_000
    /// The most values of an `enum`, schemas of an `anyOf`, or properties of an object: each may be a place of its own for the next byte.
    static let maxChoices = 1_000
    /// The longest name of a property that no other may have, in bytes.
    static let maxName = 256
    private static let maxDepth = 100

    /// Keywords that limit values, and that a grammar cannot express.
    private static let unsupported = [
        "uniqueItems", "contains", "minContains", "maxContains", "patternProperties", "propertyNames", "minProperties", "maxProperties",
        "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems",
    ]

    var builder = JSONGrammarBuilder()
    private let root: JSONElement
    let isStrict: Bool
    /// The rules of schemas that `$ref` names, by the keys of their parts.
    private var references: [String: Int] = [:]
    private var merged = 0
    private var depth = 0

    typealias Element = Grammar.Element

    init(root: JSONElement, isStrict: Bool) {
        self.root = root
        self.isStrict = isStrict
    }

    /// What the whole schema describes.
    mutating func element() throws(JSONSchemaError) -> Element { try element(for: [SchemaPart(root, "", at: "#")]) }

    /// What satisfies all of the parts.
    mutating func element(for parts: [SchemaPart]) throws(JSONSchemaError) -> Element {
        let path = parts.first?.path ?? ""
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maxDepth else { throw JSONSchemaError(path: path, reason: "expected at most \(Self.maxDepth) levels.") }
        guard builder.grammar.rules.count <= Self.maxRules else {
            throw JSONSchemaError(path: path, reason: "the schema is too large: expected at most \(Self.maxRules) rules.")
        }
        let (flat, hasReference) = try flattened(parts)
        if flat.count > 1 { try countMerge(at: path) }
        guard hasReference else { return try element(forFlat: flat, path) }
        let key = Set(flat.map(\.key)).sorted().joined(separator: "\n")
        if let rule = references[key] { return .rule(rule) }
        let rule = builder.grammar.newRule()
        references[key] = rule
        builder.grammar.define(rule, [[try element(forFlat: flat, path)]])
        return .rule(rule)
    }

    /// Limits the work: schemas of a few bytes can multiply.
    mutating func countMerge(at path: String) throws(JSONSchemaError) {
        merged += 1
        guard merged <= Self.maxMerged else {
            throw JSONSchemaError(path: path, reason: "the schema is too large: expected at most \(Self.maxMerged) merged schemas.")
        }
    }

    private mutating func element(forFlat parts: [SchemaPart], _ path: String) throws(JSONSchemaError) -> Element {
        for (index, part) in parts.enumerated() {
            for keyword in ["anyOf", "oneOf"] {
                guard let choices = part[keyword] else { continue }
                var others = parts
                others[index] = part.without(keyword)
                return try choice(of: choices, keyword, part, others.filter(\.isConstraint))
            }
        }
        if let values = try values(of: parts) { return builder.grammar.rule(values.map { Grammar.text($0.json) }) }
        return try element(ofTypes: parts, path)
    }

    /// - Parameter others: what has to be satisfied, too.
    private mutating func choice(
        of schemas: JSONElement, _ keyword: String, _ part: SchemaPart, _ others: [SchemaPart]
    ) throws(JSONSchemaError) -> Element {
        let list = schemas.elements.map(Array.init) ?? []
        guard 1...Self.maxChoices ~= list.count else {
            throw JSONSchemaError(path: "\(part.path).\(keyword)", reason: "expected a list of 1 to \(Self.maxChoices) schemas.")
        }
        var alternatives: [[Element]] = [], conflict: JSONSchemaError?
        for (index, schema) in list.enumerated() {
            do throws(JSONSchemaError) {
                alternatives.append([try element(for: others + [part.part(schema, keyword, index)])])
            } catch {
                guard error.isConflict else { throw error }
                conflict = conflict ?? error
            }
        }
        if alternatives.isEmpty, let conflict { throw conflict }
        return builder.grammar.rule(alternatives)
    }

    // MARK: Parts

    /// The parts that `allOf` and `$ref` consist of, in the order of the schema, without those that allow any value.
    ///
    /// - Returns: also whether there was a reference, through which a schema may be part of itself.
    func flattened(_ parts: [SchemaPart]) throws(JSONSchemaError) -> (parts: [SchemaPart], hasReference: Bool) {
        var flat: [SchemaPart] = [], visited: Set<String> = [], hasReference = false
        for part in parts { try flatten(part, [], &visited, &hasReference, into: &flat) }
        return (flat, hasReference)
    }

    /// - Parameter chain: the keys of the schemas that this one is part of.
    private func flatten(
        _ part: SchemaPart, _ chain: [String], _ visited: inout Set<String>, _ hasReference: inout Bool, into flat: inout [SchemaPart]
    ) throws(JSONSchemaError) {
        if !visited.insert(part.key).inserted { return }
        if part.schema.boolean == true { return }
        guard let members = part.schema.members else {
            let isFalse = part.schema.boolean == false, found = isFalse ? "false, which nothing satisfies" : part.schema.kind.rawValue
            throw JSONSchemaError(path: part.path, reason: "expected a schema, found \(found).", isConflict: isFalse)
        }
        guard chain.count < Self.maxDepth else {
            throw JSONSchemaError(path: part.path, reason: "expected at most \(Self.maxDepth) levels.")
        }
        if isStrict, let keyword = Self.unsupported.first(where: { part.schema[$0] != nil }) {
            throw JSONSchemaError(path: "\(part.path).\(keyword)", reason: "not supported in a strict schema.")
        }
        let chain = chain + [part.key]
        var isAdded = !part.isConstraint
        for (key, _) in members {
            switch key.string {
            case "$ref":
                hasReference = true
                let target = try target(of: part)
                if chain.contains(target.key) {
                    throw JSONSchemaError(path: target.path, reason: "\(target.location.prefix(100)) refers to itself.")
                }
                try flatten(target, chain, &visited, &hasReference, into: &flat)
            case "allOf":
                guard let all = part["allOf"]?.elements.map(Array.init), !all.isEmpty else {
                    throw JSONSchemaError(path: "\(part.path).allOf", reason: "expected a list of schemas.")
                }
                for (index, schema) in all.enumerated() {
                    try flatten(part.part(schema, "allOf", index), chain, &visited, &hasReference, into: &flat)
                }
            case "properties" where !isAdded:
                flat.append(part)
                isAdded = true
            default: break
            }
        }
        if !isAdded { flat.append(part) }
    }

    /// A schema inside of the whole one, such as `#/$defs/city`.
    private func target(of part: SchemaPart) throws(JSONSchemaError) -> SchemaPart {
        let path = "\(part.path).$ref"
        guard let text = part["$ref"]?.string, text == "#" || text.hasPrefix("#/") else {
            throw JSONSchemaError(path: path, reason: "expected a reference to a part of this schema, such as #/$defs/city.")
        }
        var schema = root
        for part in text.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) where text != "#" {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            let list = schema.elements.map(Array.init) ?? []
            guard let member = schema[name] ?? Int(name).flatMap({ list.indices.contains($0) ? list[$0] : nil }) else {
                throw JSONSchemaError(path: path, reason: "\(text.prefix(100)) is not in the schema.")
            }
            schema = member
        }
        return SchemaPart(schema, path, at: text)
    }
}
