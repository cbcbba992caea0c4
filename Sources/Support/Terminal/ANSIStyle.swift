import Glibc

/// Colours, for who wants them.
///
///     let paint = ANSIStyle(for: STDOUT_FILENO, environment)       // none where it is no terminal, or with NO_COLOR
///     paint("slm", .bold)
package struct ANSIStyle: Sendable {
    package enum Colour: String, Sendable {
        case bold = "1", dim = "2", cyan = "1;36", yellow = "33"
    }

    package let isOn: Bool

    package init(isOn: Bool) { self.isOn = isOn }

    package init(for descriptor: Int32, _ environment: [String: String]) {
        isOn = TerminalMode.isTerminal(descriptor) && environment["NO_COLOR", default: ""].isEmpty && environment["TERM"] != "dumb"
    }

    package func callAsFunction(_ text: String, _ colour: Colour) -> String { isOn ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text }
}
