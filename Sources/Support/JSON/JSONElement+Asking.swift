/// Asking for what has to be there: the error names the key, and says what is there instead.
///
///     let model = try root.object("model")
///     guard try model.string("type") == "BPE" else { … }
///     let limit = try model.integer("max_length", else: 1_024)
extension JSONElement {
    package func string(_ key: String, else other: String? = nil) throws(JSONError) -> String {
        try value(key, other, "a string", \.string)
    }

    package func integer(_ key: String, else other: Int? = nil) throws(JSONError) -> Int {
        try value(key, other, "a whole number", \.integer)
    }

    package func number(_ key: String, else other: Double? = nil) throws(JSONError) -> Double {
        try value(key, other, "a number", \.number)
    }

    package func boolean(_ key: String, else other: Bool? = nil) throws(JSONError) -> Bool {
        try value(key, other, "true or false", \.boolean)
    }

    package func object(_ key: String) throws(JSONError) -> JSONElement {
        try value(key, nil, "an object") { $0.kind == .object ? $0 : nil }
    }

    package func array(_ key: String) throws(JSONError) -> Elements { try value(key, nil, "an array", \.elements) }

    /// `other`, if there is one, stands in for a key that is not there and for null; never for a value of another kind.
    private func value<Value>(_ key: String, _ other: Value?, _ expected: String,
                              _ take: (JSONElement) -> Value?) throws(JSONError) -> Value {
        guard kind == .object else { throw .mismatch(key: "", expected: "an object with \"\(key)\"", found: kind.rawValue) }
        let element = self[key]
        if let other, element?.isNull ?? true { return other }
        guard let element else { throw .mismatch(key: key, expected: expected, found: "nothing") }
        guard let value = take(element) else {
            // A number that is not the whole number asked for is shown; what people wrote is not.
            throw .mismatch(key: key, expected: expected, found: element.number.map { "\($0)" } ?? element.kind.rawValue)
        }
        return value
    }
}
