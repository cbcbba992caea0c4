import JSON

/// One JSON object on one line, its keys in the given order. Pairs whose value is nil are left out.
///
///     print(JSONLine(["bench": "gemm", "gflops": 410.5]))
struct JSONLine: CustomStringConvertible {
    enum Value {
        case text(String), whole(Int), flag(Bool)
        /// A measurement, rounded to four digits after the point.
        case number(Double)
        /// A number with all its digits, such as a loss.
        case exact(Double)
    }

    let pairs: KeyValuePairs<String, Value?>

    init(_ pairs: KeyValuePairs<String, Value?>) { self.pairs = pairs }

    var description: String {
        JSONWriter.text { writer in
            for case (let key, let value?) in pairs {
                writer.key(key)
                switch value {
                case .text(let text): writer.string(text)
                case .number(let number): writer.number(number.rounded(toPlaces: 4))
                case .exact(let number): writer.number(number)
                case .whole(let number): writer.integer(number)
                case .flag(let flag): writer.boolean(flag)
                }
            }
        }
    }
}

extension JSONLine.Value: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    init(stringLiteral value: String) { self = .text(value) }
}

extension JSONLine.Value: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    init(floatLiteral value: Double) { self = .number(value) }
    init(integerLiteral value: Int) { self = .whole(value) }
}
