package import JSON

extension JinjaValue {
    /// A value of a JSON document. Its strings come from `source`.
    package init(_ element: JSONElement, source: Int = 0) throws(JinjaError) {
        try self.init(element, source: source, levels: Self.maxDepth)
    }

    private init(_ element: JSONElement, source: Int, levels: Int) throws(JinjaError) {
        guard levels > 0 else { throw .limit("a value has more than \(Self.maxDepth) levels") }
        if let members = element.members {
            let dict = JinjaDict()
            for (key, value) in members {
                dict.set(.string(key.string ?? "", source: source), try JinjaValue(value, source: source, levels: levels - 1))
            }
            self = .dict(dict)
        } else if let elements = element.elements {
            var items: [JinjaValue] = []
            for item in elements { items.append(try JinjaValue(item, source: source, levels: levels - 1)) }
            self = .list(items)
        } else if let text = element.string {
            self = .string(text, source: source)
        } else if let integer = element.integer {
            self = .int(integer)
        } else if let number = element.number {
            self = .float(number)
        } else if let boolean = element.boolean {
            self = .bool(boolean)
        } else {
            self = .none
        }
    }
}
