import JSON

/// Reads values of a JSON file and throws errors that name the file and the key.
struct JSONFile {
    let path: String
    /// In bytes.
    let size: Int

    init(_ path: String, size: Int) {
        self.path = path
        self.size = size
    }

    /// The whole file.
    static func root(_ bytes: [UInt8], _ path: String) throws(TokenizeError) -> JSONElement {
        do { return try JSONElement(parsing: bytes) } catch { throw TokenizeError(error, in: bytes, path: path) }
    }

    func object(_ element: JSONElement, _ key: String, at location: String) throws(TokenizeError) -> JSONElement {
        try read(location) { () throws(JSONError) in try element.object(key) }
    }

    func array(_ element: JSONElement, _ key: String, at location: String) throws(TokenizeError) -> JSONElement.Elements {
        try read(location) { () throws(JSONError) in try element.array(key) }
    }

    func string(_ element: JSONElement, _ key: String, default other: String? = nil, at location: String) throws(TokenizeError) -> String {
        try read(location) { () throws(JSONError) in try element.string(key, default: other) }
    }

    func integer(_ element: JSONElement, _ key: String, at location: String) throws(TokenizeError) -> Int {
        try read(location) { () throws(JSONError) in try element.integer(key) }
    }

    func boolean(_ element: JSONElement, _ key: String, default other: Bool, at location: String) throws(TokenizeError) -> Bool {
        try read(location) { () throws(JSONError) in try element.boolean(key, default: other) }
    }

    /// A normalizer, pre-tokenizer, decoder or post-processor of a tokenizer.json.
    struct Step {
        let type: String
        let element: JSONElement
        let location: String
    }

    /// The steps that a key names, with sequences flattened; none if the key is null or missing.
    ///
    /// - Parameter list: The key of the steps of a sequence.
    func steps(_ root: JSONElement, _ key: String, list: String) throws(TokenizeError) -> [Step] {
        guard let element = root[key], !element.isNull else { return [] }
        return try steps(element, at: key, list, depth: 0)
    }

    private func steps(_ element: JSONElement, at location: String, _ list: String, depth: Int) throws(TokenizeError) -> [Step] {
        let type = try string(element, "type", at: location)
        guard type == "Sequence", depth < 8 else { return [Step(type: type, element: element, location: location)] }
        var steps: [Step] = []
        for (i, inner) in try array(element, list, at: location).enumerated() {
            steps += try self.steps(inner, at: "\(location).\(list)[\(i)]", list, depth: depth + 1)
        }
        return steps
    }

    func malformed(_ location: String, _ expected: String, _ found: String) -> TokenizeError {
        .malformed(path: path, location: location, expected: expected, found: found)
    }

    func mismatch(_ location: String, _ expected: String, _ element: JSONElement) -> TokenizeError {
        malformed(location, expected, element.number.map { "\($0)" } ?? element.kind.rawValue)
    }

    func unsupported(_ what: String, _ advice: String) -> TokenizeError { .unsupported(path: path, what: what, advice: advice) }

    private func read<Value>(_ location: String, _ body: () throws(JSONError) -> Value) throws(TokenizeError) -> Value {
        do { return try body() } catch {
            switch error {
            case .mismatch(let key, let expected, let found):
                let location = [location, key].filter { !$0.isEmpty }.joined(separator: ".")
                throw .malformed(path: path, location: location.isEmpty ? nil : location, expected: expected, found: found)
            case .malformed(_, let expected, let found):
                throw malformed(location, expected, found)
            }
        }
    }
}

extension TokenizeError {
    /// An error in the JSON itself, located by its line.
    init(_ error: JSONError, in bytes: [UInt8], path: String) {
        switch error {
        case .malformed(let offset, let expected, let found):
            let line = 1 + bytes.prefix(offset).count { $0 == 10 }
            self = .malformed(path: path, location: "\(line)", expected: expected, found: found)
        case .mismatch(let key, let expected, let found):
            self = .malformed(path: path, location: key.isEmpty ? nil : key, expected: expected, found: found)
        }
    }
}
