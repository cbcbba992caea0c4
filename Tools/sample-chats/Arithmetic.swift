/// An operation on two small numbers. Answers write it in steps that follow from each other, since a small model computes each of them
/// better than the result at once (Documentation/decisions/sums.md).
enum Arithmetic: String {
    case plus = "+", minus = "-", times

    func result(_ a: Int, _ b: Int) -> Int {
        switch self {
        case .plus: a + b
        case .minus: a - b
        case .times: a * b
        }
    }

    /// Equal terms, from the question to the result: `2 + 3 = 3 + 2 = 4 + 1 = 5`, `5 - 2 = 4 - 1 = 3`,
    /// `5 times 3 = 3 times 5 = 5 + 2 times 5 = 10 + 1 times 5 = 15`. The smaller number counts down.
    func steps(_ a: Int, _ b: Int) -> String {
        var terms = ["\(a) \(rawValue) \(b)"]
        let isSwapped = self == .plus && a < b || self == .times && a > b
        if isSwapped { terms.append("\(b) \(rawValue) \(a)") }
        let (first, second) = isSwapped ? (b, a) : (a, b)
        switch self {
        case .plus: for i in 1..<max(1, second) { terms.append("\(first + i) + \(second - i)") }
        case .minus: for i in 1..<max(1, second) { terms.append("\(first - i) - \(second - i)") }
        case .times: for i in 1..<max(1, first) { terms.append("\(i * second) + \(first - i) times \(second)") }
        }
        return (terms + ["\(result(a, b))"]).joined(separator: " = ")
    }
}
