extension String {
    /// Without what a terminal obeys: control characters, but for line ends and tabs, and those that turn the direction of writing around.
    ///
    ///     "a\u{1B}[31mb".printable                               // "a[31mb"
    package var printable: String {
        guard unicodeScalars.contains(where: { $0.isObeyed }) else { return self }
        var kept = UnicodeScalarView()
        for scalar in unicodeScalars where !scalar.isObeyed { kept.append(scalar) }
        return String(kept)
    }
}

extension Unicode.Scalar {
    fileprivate var isObeyed: Bool {
        switch value {
        case 0x09, 0x0A: false
        case 0x00...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069, 0x2028...0x2029: true
        default: false
        }
    }
}
