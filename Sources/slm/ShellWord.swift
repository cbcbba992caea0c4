extension String {
    /// As a shell takes it for one word, so that a command that is printed can be copied.
    var shellWord: String {
        let plain = { (c: Unicode.Scalar) in
            c.value >= 0x80 || c.properties.isAlphabetic || ("0"..."9").contains(c) || "_./:=@%+,-".unicodeScalars.contains(c)
        }
        return !isEmpty && unicodeScalars.allSatisfy(plain) ? self : "'" + replacing("'", with: #"'\''"#) + "'"
    }
}

extension [String] {
    var shellWords: String { map(\.shellWord).joined(separator: " ") }
}
