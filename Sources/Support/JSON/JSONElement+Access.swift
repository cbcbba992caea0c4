/// Required values: if one is missing or of another type, the error names the key, the expected type and what was found.
///
///     let model = try root.object("model")
///     guard try model.string("type") == "BPE" else { … }
///     let limit = try model.integer("max_length", default: 1_024)
///
/// A default replaces a missing key and null, but never a value of another type.
extension JSONElement {
    package func string(_ key: String, default fallback: String? = nil) throws(JSONError) -> String {
        try value(key, fallback, "a string", \.string)
    }

    package func integer(_ key: String, default fallback: Int? = nil) throws(JSONError) -> Int {
        try value(key, fallback, "a whole number", \.integer)
    }

    package func number(_ key: String, default fallback: Double? = nil) throws(JSONError) -> Double {
        try value(key, fallback, "a number", \.number)
    }

    package func boolean(_ key: String, default fallback: Bool? = nil) throws(JSONError) -> Bool {
        try value(key, fallback, "true or false", \.boolean)
    }

    package func object(_ key: String) throws(JSONError) -> JSONElement {
        try value(key, nil, "an object") { $0.kind == .object ? $0 : nil }
    }

    package func array(_ key: String) throws(JSONError) -> Elements { try value(key, nil, "an array", \.elements) }

    private func value<Value>(
        _ key: String, _ fallback: Value?, _ expected: String, _ convert: (JSONElement) -> Value?
    ) throws(JSONError) -> Value {
        guard kind == .object else { throw .mismatch(key: "", expected: "an object with \"\(key)\"", found: kind.rawValue) }
        let element = self[key]
        if let fallback, element?.isNull ?? true { return fallback }
        guard let element else { throw .mismatch(key: key, expected: expected, found: "nothing") }
        guard let value = convert(element) else {
            // The error shows numbers, but not text, which may be private.
            throw .mismatch(key: key, expected: expected, found: element.number.map { "\($0)" } ?? element.kind.rawValue)
        }
        return value
    }
}
