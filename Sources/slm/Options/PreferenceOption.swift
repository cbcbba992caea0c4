import Train

/// The value of `--preferences [METHOD]`.
enum PreferenceOption: OptionValue, Equatable {
    case off
    /// The method that suits the data.
    case auto
    case method(PreferenceMethod)

    init?(optionText: String) {
        if let method = PreferenceMethod(rawValue: optionText) {
            self = .method(method)
        } else if optionText == "auto" || Bool(optionText: optionText) == true {
            self = .auto
        } else if Bool(optionText: optionText) == false {
            self = .off
        } else {
            return nil
        }
    }

    var optionText: String {
        switch self {
        case .off: "false"
        case .auto: "auto"
        case .method(let method): method.rawValue
        }
    }

    var method: PreferenceMethod? { if case .method(let method) = self { method } else { nil } }

    static var arity: OptionInfo.Arity { .optionalValue }
    static var metavariable: String { "METHOD" }
    static var choices: [String] { ["auto"] + PreferenceMethod.allCases.map(\.rawValue) }
    static var expectation: String { "one of " + choices.joined(separator: ", ") }
}
