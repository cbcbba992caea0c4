import Glibc

/// Styles text with ANSI escape sequences, unless the output is not a terminal, NO_COLOR is set, or TERM is dumb.
///
///     let style = ANSIStyle(for: STDOUT_FILENO, environment)
///     style("slm", .bold)
package struct ANSIStyle: Sendable {
    package enum Attribute: String, Sendable {
        case bold = "1", dim = "2", cyan = "1;36", yellow = "33"
    }

    package let isEnabled: Bool

    package init(isEnabled: Bool) { self.isEnabled = isEnabled }

    package init(for descriptor: Int32, _ environment: [String: String]) {
        isEnabled = TerminalMode.isTerminal(descriptor) && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    package func callAsFunction(_ text: String, _ attribute: Attribute) -> String {
        isEnabled ? "\u{1B}[\(attribute.rawValue)m\(text)\u{1B}[0m" : text
    }
}
