extension String {
    /// The text without control characters, except newlines and tabs, and without bidirectional overrides, so that it is safe to print.
    ///
    ///     "a\u{1B}[31mb".printable                               // "a[31mb"
    package var printable: String {
        guard unicodeScalars.contains(where: { $0.isControl }) else { return self }
        var printable = UnicodeScalarView()
        for scalar in unicodeScalars where !scalar.isControl { printable.append(scalar) }
        return String(printable)
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool {
        switch value {
        case 0x09, 0x0A: false
        case 0x00...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069, 0x2028...0x2029: true
        default: false
        }
    }
}
