import Threads

/// A type that an option's text is converted to.
protocol OptionValue {
    init?(optionText: String)
    var optionText: String { get }
    /// The value of an option that stands alone, such as `--resume` beside `--resume RUN`; nil if it needs a value. The optional of such a
    /// type is nil without the option, and for `false`.
    static var standalone: Self? { get }
    static var arity: OptionInfo.Arity { get }
    /// Stands for a value in `--help`.
    static var metavariable: String { get }
    /// The texts that are accepted, if they are few.
    static var choices: [String] { get }
    /// Completes "expected …" in an error.
    static var expectation: String { get }
}

extension OptionValue {
    static var standalone: Self? { nil }
    static var arity: OptionInfo.Arity { standalone == nil ? .value : .optionalValue }
    static var choices: [String] { [] }
}

extension Int: OptionValue {
    /// Accepts 16387, 16_387 and 16,387.
    init?(optionText: String) {
        let groups = optionText.split(separator: ",", omittingEmptySubsequences: false)
        guard groups.dropFirst().allSatisfy({ $0.count == 3 }) else { return nil }
        self.init(groups.joined().filter { $0 != "_" })
    }
    var optionText: String { String(self) }
    static var metavariable: String { "N" }
    static var expectation: String { "a whole number" }
}

extension Double: OptionValue {
    init?(optionText: String) { self.init(optionText) }
    var optionText: String { self == rounded() && magnitude < 1e9 ? "\(Int(self))" : "\(self)" }
    static var metavariable: String { "X" }
    static var expectation: String { "a number" }
}

extension String: OptionValue {
    init?(optionText: String) { self = optionText }
    var optionText: String { self }
    static var metavariable: String { "TEXT" }
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
    var optionText: String { self ? "true" : "false" }
    static var arity: OptionInfo.Arity { .flag }
    static var metavariable: String { "" }
    static var expectation: String { "true or false" }
}

extension Optional: OptionValue where Wrapped: OptionValue {
    init?(optionText: String) {
        if Wrapped.standalone != nil, let isOn = Bool(optionText: optionText) {
            self = isOn ? Wrapped.standalone : nil
        } else {
            guard let value = Wrapped(optionText: optionText) else { return nil }
            self = value
        }
    }
    var optionText: String { self?.optionText ?? (Wrapped.standalone == nil ? "" : "false") }
    static var arity: OptionInfo.Arity { Wrapped.arity }
    static var metavariable: String { Wrapped.metavariable }
    static var choices: [String] { Wrapped.choices }
    static var expectation: String { Wrapped.expectation }
}

extension OptionValue where Self: RawRepresentable & CaseIterable, RawValue == String {
    init?(optionText: String) { self.init(rawValue: optionText) }
    var optionText: String { rawValue }
    static var metavariable: String { "NAME" }
    static var choices: [String] { allCases.map(\.rawValue) }
    static var expectation: String { choices.joined(separator: ", ") }
}

/// Accepts 90s, 10m, 1.5h, 7d, or a number of seconds.
extension Duration: OptionValue {
    private static let units: [(letter: Character, seconds: Double)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]

    init?(optionText: String) {
        let unit = Self.units.first { $0.letter == optionText.last }
        guard let number = Double(unit == nil ? optionText : String(optionText.dropLast())), number > 0, number < 1e9 else { return nil }
        self = .seconds(number * (unit?.seconds ?? 1))
    }

    /// In the largest unit that gives a whole number: 7d, 90s.
    var optionText: String {
        let seconds = inSeconds
        guard let unit = Self.units.first(where: { seconds.truncatingRemainder(dividingBy: $0.seconds) == 0 }), seconds > 0 else {
            return "\(seconds)s"
        }
        return "\(Int(seconds / unit.seconds))\(unit.letter)"
    }

    static var metavariable: String { "DURATION" }
    static var expectation: String { "a duration such as 90s, 10m or 2h" }
}

/// Accepts 512MB, 1.5GB, 2G, or a number of bytes. Units are powers of 1,024, as in the limits of a control group.
struct ByteCount: OptionValue, Comparable {
    let bytes: Int

    init(_ bytes: Int) { self.bytes = bytes }

    private static let units: [(letter: Character, bytes: Double)] = [
        ("T", 0x1p40), ("G", 0x1p30), ("M", 0x1p20), ("K", 0x1p10),
    ]

    init?(optionText: String) {
        var text = optionText.uppercased()[...]
        if text.hasSuffix("IB") { text.removeLast(2) } else if text.hasSuffix("B") { text.removeLast() }
        let unit = Self.units.first { $0.letter == text.last }
        if unit != nil { text.removeLast() }
        guard let number = Double(text), number > 0, number * (unit?.bytes ?? 1) < 0x1p60 else { return nil }
        bytes = Int(number * (unit?.bytes ?? 1))
    }

    /// In the largest unit that gives a whole number.
    var optionText: String {
        let unit = Self.units.first { Double(bytes).truncatingRemainder(dividingBy: $0.bytes) == 0 }
        return unit.map { "\(Int(Double(bytes) / $0.bytes))\($0.letter)B" } ?? "\(bytes)"
    }

    static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

    static var metavariable: String { "SIZE" }
    static var expectation: String { "a size such as 512MB or 2GB" }
}

/// The value of `--resume [RUN]`.
enum Resume: OptionValue, Equatable {
    /// The run that the other options name.
    case defaultRun
    case run(String)

    init?(optionText: String) { self = .run(optionText) }

    var optionText: String {
        switch self {
        case .defaultRun: "true"
        case .run(let folder): folder
        }
    }

    static var standalone: Resume? { .defaultRun }
    static var metavariable: String { "RUN" }
    static var expectation: String { "the folder of a run" }
}
