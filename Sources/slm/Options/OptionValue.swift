/// What can stand behind an option.
protocol OptionValue {
    init?(optionText: String)
    var optionText: String { get }
    /// Shown in `--help`; empty for a switch.
    static var hint: String { get }
    static var expectation: String { get }
}

extension Int: OptionValue {
    /// 16387, 16_387 or 16,387.
    init?(optionText: String) {
        let groups = optionText.split(separator: ",", omittingEmptySubsequences: false)
        guard groups.dropFirst().allSatisfy({ $0.count == 3 }) else { return nil }
        self.init(groups.joined().filter { $0 != "_" })
    }
    var optionText: String { String(self) }
    static var hint: String { "N" }
    static var expectation: String { "a whole number" }
}

extension Double: OptionValue {
    init?(optionText: String) { self.init(optionText) }
    var optionText: String { "\(self)" }
    static var hint: String { "X" }
    static var expectation: String { "a number" }
}

extension String: OptionValue {
    init?(optionText: String) { self = optionText }
    var optionText: String { self }
    static var hint: String { "TEXT" }
    static var expectation: String { "a text" }
}

extension Bool: OptionValue {
    init?(optionText: String) {
        switch optionText.lowercased() {
        case "true", "yes", "on", "1": self = true
        case "false", "no", "off", "0": self = false
        default: return nil
        }
    }
    var optionText: String { "" }
    static var hint: String { "" }
    static var expectation: String { "true or false" }
}

extension Optional: OptionValue where Wrapped: OptionValue {
    init?(optionText: String) {
        guard let value = Wrapped(optionText: optionText) else { return nil }
        self = value
    }
    var optionText: String { self?.optionText ?? "" }
    static var hint: String { Wrapped.hint }
    static var expectation: String { Wrapped.expectation }
}

extension OptionValue where Self: RawRepresentable & CaseIterable, RawValue == String {
    init?(optionText: String) { self.init(rawValue: optionText) }
    var optionText: String { rawValue }
    static var hint: String { allCases.map(\.rawValue).joined(separator: "|") }
    static var expectation: String { hint.replacing("|", with: ", ") }
}
