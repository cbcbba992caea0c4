import JSON

/// A JSON schema, as one of several that a value has to satisfy together.
///
///     {"$ref": "#/$defs/a", "properties": {…}}                 // two parts: what #/$defs/a says, and the properties
struct SchemaPart {
    /// Keywords that describe values. A schema without them allows any.
    private static let constraints = [
        "type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems",
        "minLength", "maxLength", "pattern", "anyOf", "oneOf",
    ] + NumberLimits.keywords

    let schema: JSONElement
    /// Where it was found, for messages: `.properties.city.$ref`.
    let path: String
    /// Where it is in the whole schema: the same for all references to it.
    let location: String
    /// Keywords that are treated as if they were missing.
    private var hidden: Set<String> = []

    init(_ schema: JSONElement, _ path: String, at location: String) {
        self.schema = schema
        self.path = path
        self.location = location
    }

    /// Tells parts apart.
    var key: String { hidden.isEmpty ? location : location + " " + hidden.sorted().joined(separator: " ") }

    subscript(keyword: String) -> JSONElement? { hidden.contains(keyword) ? nil : schema[keyword] }

    var isConstraint: Bool { schema.boolean == false || hasKnownFormat || Self.constraints.contains { self[$0] != nil } }
    var hasKnownFormat: Bool { self["format"]?.string.flatMap(StringFormat.init) != nil }

    /// A schema inside of this one.
    ///
    /// - Parameter names: the keys that lead to it, which messages abbreviate.
    func part(_ schema: JSONElement, _ keyword: String, property name: String) -> SchemaPart {
        let escaped = name.replacing("~", with: "~0").replacing("/", with: "~1")
        return SchemaPart(schema, "\(path).\(keyword).\(name.prefix(64))", at: "\(location)/\(keyword)/\(escaped)")
    }

    func part(_ schema: JSONElement, _ keyword: String, _ index: Int) -> SchemaPart {
        SchemaPart(schema, "\(path).\(keyword)[\(index)]", at: "\(location)/\(keyword)/\(index)")
    }

    func part(_ schema: JSONElement, _ keyword: String) -> SchemaPart {
        SchemaPart(schema, "\(path).\(keyword)", at: "\(location)/\(keyword)")
    }

    func without(_ keyword: String) -> SchemaPart {
        var part = self
        part.hidden.insert(keyword)
        return part
    }
}
