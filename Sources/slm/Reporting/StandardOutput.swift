import Files
import Glibc

/// Buffered bytes for standard output.
///
///     var output = StandardOutput()
///     try output.write("12 7".utf8)
///     try output.flush()
struct StandardOutput: ~Copyable {
    private var bytes: [UInt8] = []

    init() { fflush(nil) }

    mutating func write(_ more: some Sequence<UInt8>) throws(FileError) {
        bytes.append(contentsOf: more)
        if bytes.count >= 1 << 16 { try flush() }
    }

    /// Writes a number in decimal digits.
    mutating func write(_ number: some FixedWidthInteger) throws(FileError) {
        var digits: [UInt8] = []
        var rest = number.magnitude
        repeat {
            digits.append(48 + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        if number < 0 { digits.append(45) }
        try write(digits.reversed())
    }

    mutating func flush() throws(FileError) {
        guard writeAll(bytes, by: { Glibc.write(STDOUT_FILENO, $0, $1) }) else {
            throw .notWritten(path: "standard output", reason: systemErrorMessage())
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
