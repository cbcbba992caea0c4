import AdminAPI
import Dashboard
import Glibc
import Terminal

/// Prints a result on standard output at once, so that a reader of a pipe sees it, also if the program is stopped later.
func printLine(_ line: Any) {
    print(line)
    fflush(nil)
}

/// A failure that was already printed or logged. The program exits with the status 1.
struct ReportedFailure: Error {}

/// Prints a table on standard output, as wide as the terminal at most.
func printTable(_ table: TextTable) {
    for line in table.lines(columns: TerminalMode.isTerminal(1) ? TerminalMode.size(of: 1).columns : nil) { printLine(line) }
}

/// Prints a remark on standard error. Only results go to standard output.
func printNote(_ text: String) { printError("slm: \(text)") }

func printError(_ line: String, terminator: String = "\n") {
    let bytes = Array((line + terminator).utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// Prints what to do with the result of a command, on standard error.
///
///     printNextStep("Chat with it", "slm chat checkpoints/first/best.h5", unless: quiet || json)
func printNextStep(_ purpose: String, _ command: String, unless isSilent: Bool) {
    if !isSilent { printError("\(purpose): \(command)") }
}
