/// Reads the values of a group, such as `configuration`. Errors name the field.
final class CheckpointFields {
    private let values: OrderedDictionary<CheckpointValue>
    private let group, path: String
    /// The names that were asked for.
    private var known: Set<String> = []

    init(_ values: OrderedDictionary<CheckpointValue>, in group: String, of path: String) {
        self.values = values
        self.group = group
        self.path = path
    }

    func value(_ name: String) -> CheckpointValue? {
        known.insert(name)
        return values[name]
    }

    func mismatch(_ name: String, _ expected: String) -> CheckpointError {
        .mismatch(path: path, name: "\(group)/\(name)", expected: expected, found: values[name].map(\.displayText) ?? "nothing")
    }

    func integer(_ name: String, else other: Int? = nil, _ range: ClosedRange<Int>) throws(CheckpointError) -> Int {
        let found = value(name)
        if let other, found == nil { return other }
        guard case .integer(let value)? = found, range.contains(value) else {
            throw mismatch(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(
        _ name: String, else other: Double? = nil, _ expected: String, _ isValid: (Double) -> Bool
    ) throws(CheckpointError) -> Double {
        let found = value(name)
        if let other, found == nil { return other }
        guard case .number(let value)? = found, isValid(value) else { throw mismatch(name, expected) }
        return value
    }

    func text(_ name: String) throws(CheckpointError) -> String {
        guard case .text(let text)? = value(name) else { throw mismatch(name, "a string") }
        return text
    }

    /// Throws if there is a field that was not asked for.
    func checkNames() throws(CheckpointError) {
        for name in values.names where !known.contains(name) {
            throw mismatch(name, "no such field in version \(CheckpointHeader.version)")
        }
    }
}
