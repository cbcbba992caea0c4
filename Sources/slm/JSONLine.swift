/// One JSON object on a line, its keys in the order they were given.
///
///     print(JSONLine(["bench": "gemm", "gflops": 410.5]))
struct JSONLine: CustomStringConvertible {
    enum Value {
        case text(String), number(Double), whole(Int)
    }

    let pairs: KeyValuePairs<String, Value?>

    init(_ pairs: KeyValuePairs<String, Value?>) { self.pairs = pairs }

    var description: String {
        "{" + pairs.compactMap { key, value in value.map { "\(quoted(key)):\($0.json)" } }.joined(separator: ",") + "}"
    }
}

extension JSONLine.Value: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    init(stringLiteral value: String) { self = .text(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(integerLiteral value: Int) { self = .whole(value) }

    fileprivate var json: String {
        switch self {
        case .text(let text): quoted(text)
        case .number(let number): number.isFinite ? "\((number * 1e4).rounded() / 1e4)" : "null"
        case .whole(let number): "\(number)"
        }
    }
}

private func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map { scalar in
        switch scalar {
        case "\"": "\\\""
        case "\\": "\\\\"
        case "\n": "\\n"
        case let control where control.value < 32:
            "\\u" + String(repeating: "0", count: 4 - String(control.value, radix: 16).count) + String(control.value, radix: 16)
        default: String(scalar)
        }
    }.joined() + "\""
}
