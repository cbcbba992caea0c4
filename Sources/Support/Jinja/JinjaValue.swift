/// A value in a template. Lists and dicts cannot be changed, as in Jinja's immutable sandbox; a namespace can.
package enum JinjaValue {
    case none
    case undefined(JinjaUndefined)
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(JinjaText)
    case sequence(JinjaSequence)
    case dict(JinjaDict)
    case namespace(JinjaNamespace)
    /// A function, method, macro or type that can be called.
    case function(JinjaFunction)
    case loop(JinjaLoop)

    package static func string(_ text: String, source: Int = 0) -> JinjaValue { .string(JinjaText(text, source: source)) }

    package static func list(_ items: [JinjaValue]) -> JinjaValue { .sequence(JinjaSequence(.list, items)) }

    static func tuple(_ items: [JinjaValue]) -> JinjaValue { .sequence(JinjaSequence(.tuple, items)) }

    static func generator(_ items: [JinjaValue]) -> JinjaValue { .sequence(JinjaSequence(.generator, items)) }

    /// The value of a variable that does not exist.
    static func undefined(name: String) -> JinjaValue { .undefined(JinjaUndefined("\(PythonText.repr(name)) is undefined")) }
}

/// What Jinja calls Undefined: it prints as nothing, is false and has no elements; other operations fail with `message`.
package struct JinjaUndefined {
    let message: String

    init(_ message: String) { self.message = message }

    var error: JinjaError { .evaluation(message) }
}

/// A list, tuple, range, generator or view of a dict.
///
/// Its depth and size are bounded (`JinjaValue.checked`), so that recursion over values is bounded, too.
package final class JinjaSequence {
    enum Kind: String {
        case list
        case tuple
        case range
        case generator
        case reverseIterator = "list_reverseiterator"
        case keys = "dict_keys"
        case values = "dict_values"
        case items = "dict_items"

        /// Whether it can be iterated over only once and has no length.
        var isIterator: Bool { self == .generator || self == .reverseIterator }
        var hasIndexes: Bool { self == .list || self == .tuple || self == .range }
    }

    let kind: Kind
    package private(set) var items: [JinjaValue]
    let depth: Int
    let size: Int

    init(_ kind: Kind, _ items: [JinjaValue]) {
        self.kind = kind
        self.items = items
        depth = 1 + (items.lazy.map(\.depth).max() ?? 0)
        size = items.reduce(1) { $0.addingReportingOverflow($1.size).overflow ? .max : $0 + $1.size }
    }

    /// The items; an iterator has none left afterwards.
    func iterate() -> [JinjaValue] {
        guard kind.isIterator else { return items }
        defer { items = [] }
        return items
    }
}

/// A dict in the order in which keys were added.
package final class JinjaDict {
    private(set) var entries: [(key: JinjaValue, value: JinjaValue)] = []
    private var indexes: [JinjaValue: Int] = [:]
    private(set) var depth = 1
    private(set) var size = 1

    package init() {}

    /// Adds or replaces a value. Only while the dict is made: a template sees it when it is complete.
    package func set(_ key: JinjaValue, _ value: JinjaValue) {
        if let index = index(of: key) { entries[index].value = value } else {
            if entries.count == Self.searched {
                for (index, entry) in entries.enumerated() { indexes[entry.key] = index }
            }
            if entries.count >= Self.searched { indexes[key] = entries.count }
            entries.append((key, value))
        }
        depth = max(depth, 1 + key.depth, 1 + value.depth)
        for part in [key.size, value.size] { size = size.addingReportingOverflow(part).overflow ? .max : size + part }
    }

    package subscript(key: JinjaValue) -> JinjaValue? { index(of: key).map { entries[$0].value } }

    package subscript(key: String) -> JinjaValue? { self[.string(key)] }

    private func index(of key: JinjaValue) -> Int? {
        entries.count <= Self.searched ? entries.firstIndex { $0.key == key } : indexes[key]
    }

    /// Up to this many entries are searched one after the other.
    private static let searched = 8
}

/// The one value that a template can change: `{% set ns.found = true %}`.
package final class JinjaNamespace {
    var attributes: [String: JinjaValue] = [:]
    var names: [String] = []

    func set(_ name: String, _ value: JinjaValue) {
        if attributes.updateValue(value, forKey: name) == nil { names.append(name) }
    }
}

extension JinjaValue {
    /// Nested containers: 0 for a scalar.
    var depth: Int {
        switch self {
        case .sequence(let sequence): sequence.depth
        case .dict(let dict): dict.depth
        case .function(let function): function.depth
        default: 0
        }
    }

    /// The number of values in it, a string counted as a quarter of its length. Bounds the work of comparing, printing and hashing it.
    var size: Int {
        switch self {
        case .string(let text): 1 + text.count / 4
        case .sequence(let sequence): sequence.size
        case .dict(let dict): dict.size
        case .function(let function): function.size
        default: 1
        }
    }

    /// The largest depth and size of a container.
    static let maxDepth = 150
    static let maxSize = 4_000_000

    var isUndefined: Bool { if case .undefined = self { true } else { false } }

    var isNone: Bool { if case .none = self { true } else { false } }

    var isIterable: Bool {
        switch self {
        case .string, .sequence, .dict, .undefined, .loop: true
        default: false
        }
    }

    /// The name of the Python type, for error messages.
    var typeName: String {
        switch self {
        case .none: "NoneType"
        case .undefined: "Undefined"
        case .bool: "bool"
        case .int: "int"
        case .float: "float"
        case .string(let text): text.isMarkup ? "Markup" : "str"
        case .sequence(let sequence): sequence.kind.rawValue
        case .dict: "dict"
        case .namespace: "TemplateNamespace"
        case .function(let function): function.typeName
        case .loop: "LoopContext"
        }
    }

    /// The type as Jinja names it when an attribute is missing.
    var describedType: String {
        switch self {
        case .none: "None"
        case .string(let text) where text.isMarkup: "markupsafe.Markup object"
        case .namespace: "transformers.utils.chat_template_utils.TemplateNamespace object"
        case .loop: "jinja2.runtime.LoopContext object"
        case .undefined: "jinja2.runtime.Undefined object"
        case .function(let function): function.typeName == "Macro" ? "jinja2.runtime.Macro object" : "\(function.typeName) object"
        default: "\(typeName) object"
        }
    }

    var isTrue: Bool {
        switch self {
        case .none, .undefined: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .sequence(let sequence): sequence.kind.isIterator || !sequence.items.isEmpty
        case .dict(let dict): !dict.entries.isEmpty
        case .namespace, .function: true
        case .loop: true
        }
    }

    /// A number, if it is one; a bool is 0 or 1.
    var number: Double? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): Double(value)
        case .float(let value): value
        default: nil
        }
    }

    var integer: Int? {
        switch self {
        case .bool(let value): value ? 1 : 0
        case .int(let value): value
        default: nil
        }
    }

    /// Throws if the value is nested too deeply or too large.
    func checked() throws(JinjaError) -> JinjaValue {
        if depth > Self.maxDepth { throw .limit("a value has more than \(Self.maxDepth) levels") }
        if size > Self.maxSize { throw .limit("a value has more than \(Self.maxSize) elements") }
        return self
    }

    /// Whether it can be a key of a dict.
    var isHashable: Bool {
        switch self {
        case .dict: false
        case .sequence(let sequence):
            switch sequence.kind {
            case .list, .keys, .items: false
            case .tuple: sequence.items.allSatisfy(\.isHashable)
            default: true
            }
        default: true
        }
    }
}

extension JinjaValue: Hashable {
    /// Python's `==`.
    package static func == (a: JinjaValue, b: JinjaValue) -> Bool {
        switch (a, b) {
        case (.none, .none), (.undefined, .undefined): return true
        case (.string(let a), .string(let b)): return a == b
        case (.sequence(let a), .sequence(let b)):
            if a === b { return true }
            return a.kind == b.kind && !a.kind.isIterator && a.kind != .values && a.items == b.items
        case (.dict(let a), .dict(let b)):
            if a === b { return true }
            return a.entries.count == b.entries.count && a.entries.allSatisfy { b[$0.key] == $0.value }
        case (.namespace(let a), .namespace(let b)): return a === b
        case (.function(let a), .function(let b)): return a === b
        case (.loop(let a), .loop(let b)): return a === b
        default:
            if let a = a.integer, let b = b.integer { return a == b }
            if let a = a.number, let b = b.number { return a == b }
            return false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .none, .undefined: hasher.combine(0)
        case .bool, .int, .float: hasher.combine(number ?? 0)
        case .string(let text): hasher.combine(text)
        case .sequence(let sequence): for item in sequence.items { hasher.combine(item) }
        case .dict(let dict): hasher.combine(dict.entries.count)
        case .namespace(let namespace): hasher.combine(ObjectIdentifier(namespace))
        case .function(let function): hasher.combine(ObjectIdentifier(function))
        case .loop(let loop): hasher.combine(ObjectIdentifier(loop))
        }
    }
}
