extension String {
    /// Quoted for a shell where needed, so that a printed command can be pasted.
    var shellWord: String {
        let isPlain = { (c: Unicode.Scalar) in
            c.value >= 0x80 || c.properties.isAlphabetic || ("0"..."9").contains(c) || "_./:=@%+,-".unicodeScalars.contains(c)
        }
        return !isEmpty && unicodeScalars.allSatisfy(isPlain) ? self : "'" + replacing("'", with: #"'\''"#) + "'"
    }
}

extension [String] {
    var shellWords: String { map(\.shellWord).joined(separator: " ") }
}
