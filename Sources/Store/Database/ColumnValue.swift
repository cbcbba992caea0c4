package enum SQLValue: Sendable, Equatable {
    case null, integer(Int64), real(Double), text(String)
}

/// A type of parameters, and of the values of columns.
package protocol ColumnValue: Sendable {
    /// nil if the value has another type.
    init?(sql value: SQLValue)
    var sql: SQLValue { get }
}

extension SQLValue: ColumnValue {
    package init?(sql value: SQLValue) { self = value }
    package var sql: SQLValue { self }
}

extension String: ColumnValue {
    package init?(sql value: SQLValue) {
        guard case .text(let text) = value else { return nil }
        self = text
    }

    package var sql: SQLValue { .text(self) }
}

extension Int: ColumnValue {
    package init?(sql value: SQLValue) {
        guard case .integer(let number) = value else { return nil }
        self = Int(number)
    }

    package var sql: SQLValue { .integer(Int64(self)) }
}

extension Double: ColumnValue {
    package init?(sql value: SQLValue) {
        switch value {
        case .real(let number): self = number
        case .integer(let number): self = Double(number)
        case .null, .text: return nil
        }
    }

    package var sql: SQLValue { .real(self) }
}

/// 0 or 1.
extension Bool: ColumnValue {
    package init?(sql value: SQLValue) {
        guard let number = Int(sql: value) else { return nil }
        self = number != 0
    }

    package var sql: SQLValue { .integer(self ? 1 : 0) }
}

extension Timestamp: ColumnValue {
    package init?(sql value: SQLValue) {
        guard case .integer(let number) = value else { return nil }
        self.init(milliseconds: number)
    }

    package var sql: SQLValue { .integer(milliseconds) }
}

extension Identifier: ColumnValue {
    package init?(sql value: SQLValue) {
        guard let text = String(sql: value) else { return nil }
        self.init(text)
    }

    package var sql: SQLValue { .text(description) }
}

/// NULL for nil.
extension Optional: ColumnValue where Wrapped: ColumnValue {
    package init?(sql value: SQLValue) {
        self = nil
        if value == .null { return }
        guard let wrapped = Wrapped(sql: value) else { return nil }
        self = wrapped
    }

    package var sql: SQLValue { self?.sql ?? .null }
}

extension ColumnValue where Self: RawRepresentable<String> {
    package init?(sql value: SQLValue) {
        guard let text = String(sql: value) else { return nil }
        self.init(rawValue: text)
    }

    package var sql: SQLValue { .text(rawValue) }
}
