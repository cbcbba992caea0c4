import JSON

/// A JSON file with a path for its errors, which say the key.
struct JSONFile {
    let path: String
    /// In bytes.
    let size: Int

    init(_ path: String, size: Int) {
        self.path = path
        self.size = size
    }

    func object(_ element: JSONElement, _ key: String, at place: String) throws(TokenizeError) -> JSONElement {
        try ask(place) { () throws(JSONError) in try element.object(key) }
    }

    func array(_ element: JSONElement, _ key: String, at place: String) throws(TokenizeError) -> JSONElement.Elements {
        try ask(place) { () throws(JSONError) in try element.array(key) }
    }

    func string(_ element: JSONElement, _ key: String, else other: String? = nil, at place: String) throws(TokenizeError) -> String {
        try ask(place) { () throws(JSONError) in try element.string(key, else: other) }
    }

    func integer(_ element: JSONElement, _ key: String, at place: String) throws(TokenizeError) -> Int {
        try ask(place) { () throws(JSONError) in try element.integer(key) }
    }

    func boolean(_ element: JSONElement, _ key: String, else other: Bool, at place: String) throws(TokenizeError) -> Bool {
        try ask(place) { () throws(JSONError) in try element.boolean(key, else: other) }
    }

    func malformed(_ place: String, _ expected: String, _ found: String) -> TokenizeError {
        .malformed(path: path, place: place, expected: expected, found: found)
    }

    func mismatch(_ place: String, _ expected: String, _ element: JSONElement) -> TokenizeError {
        malformed(place, expected, element.number.map { "\($0)" } ?? element.kind.rawValue)
    }

    func unsupported(_ what: String, _ advice: String) -> TokenizeError { .unsupported(path: path, what: what, advice: advice) }

    private func ask<Value>(_ place: String, _ body: () throws(JSONError) -> Value) throws(TokenizeError) -> Value {
        do { return try body() } catch {
            switch error {
            case .mismatch(let key, let expected, let found):
                let place = [place, key].filter { !$0.isEmpty }.joined(separator: ".")
                throw .malformed(path: path, place: place.isEmpty ? nil : place, expected: expected, found: found)
            case .malformed(_, let expected, let found): throw .malformed(path: path, place: place, expected: expected, found: found)
            }
        }
    }
}

extension TokenizeError {
    /// What is wrong with the JSON itself, with its line.
    init(_ error: JSONError, in bytes: [UInt8], path: String) {
        switch error {
        case .malformed(let offset, let expected, let found):
            let line = 1 + bytes.prefix(offset).count { $0 == 10 }
            self = .malformed(path: path, place: "\(line)", expected: expected, found: found)
        case .mismatch(let key, let expected, let found):
            self = .malformed(path: path, place: key.isEmpty ? nil : key, expected: expected, found: found)
        }
    }
}
