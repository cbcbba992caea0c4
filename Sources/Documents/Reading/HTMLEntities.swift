/// The characters of HTML that are written as names or numbers, such as `&eacute;` and `&#233;`.
enum HTMLEntities {
    /// The UTF-8 of the entity that a text begins with, and its length. An unknown one is its own text.
    static func decoded(_ text: ArraySlice<UInt8>) -> (characters: [UInt8], length: Int) {
        let literal: ([UInt8], Int) = ([UInt8(ascii: "&")], 1)
        guard let end = text.prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return literal }
        let name = String(decoding: text[(text.startIndex + 1)..<end], as: UTF8.self), length = end + 1 - text.startIndex
        if name.hasPrefix("#") {
            let digits = name.dropFirst(), isHexadecimal = digits.first == "x" || digits.first == "X"
            guard let number = UInt32(isHexadecimal ? digits.dropFirst() : digits, radix: isHexadecimal ? 16 : 10) else { return literal }
            return (character(number), length)
        }
        if let text = named[name] { return (Array(text.utf8), length) }
        return literal
    }

    private static func character(_ number: UInt32) -> [UInt8] {
        if number == 160 { return [32] }
        // Control characters and the soft hyphen are not text.
        guard number > 31 || number == 9 || number == 10, !(0x7F...0x9F).contains(number), number != 0xAD,
            let scalar = Unicode.Scalar(number) else { return [] }
        return Array(String(scalar).utf8)
    }

    private static let named: [String: String] = {
        var table: [String: String] = [
            "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "ensp": " ", "emsp": " ", "thinsp": " ",
            "ndash": "–", "mdash": "—", "lsquo": "‘", "rsquo": "’", "sbquo": "‚", "ldquo": "“", "rdquo": "”", "bdquo": "„",
            "lsaquo": "‹", "rsaquo": "›", "hellip": "…", "bull": "•", "dagger": "†", "Dagger": "‡", "permil": "‰", "prime": "′",
            "Prime": "″", "euro": "€", "trade": "™", "larr": "←", "uarr": "↑", "rarr": "→", "darr": "↓", "harr": "↔", "rArr": "⇒",
            "lArr": "⇐", "hArr": "⇔", "minus": "−", "le": "≤", "ge": "≥", "ne": "≠", "asymp": "≈", "equiv": "≡", "infin": "∞",
            "radic": "√", "sum": "∑", "prod": "∏", "int": "∫", "part": "∂", "nabla": "∇", "isin": "∈", "notin": "∉", "cap": "∩",
            "cup": "∪", "sub": "⊂", "sup": "⊃", "and": "∧", "or": "∨", "forall": "∀", "exist": "∃", "empty": "∅", "lowast": "∗",
            "lang": "⟨", "rang": "⟩", "check": "✓", "star": "☆", "OElig": "Œ", "oelig": "œ", "Scaron": "Š", "scaron": "š", "Yuml": "Ÿ",
            "fnof": "ƒ", "circ": "ˆ", "tilde": "˜",
        ]
        // U+00A1 to U+00FF, in their order.
        let latin = """
            iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot \
            cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml \
            Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig \
            agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute \
            ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml
            """
        for (i, name) in latin.split(separator: " ").enumerated() { table[String(name)] = String(Unicode.Scalar(UInt8(0xA1 + i))) }
        // Greek capital letters from U+0391 and small ones from U+03B1; U+03A2 is not a letter.
        let greek = """
            Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho - Sigma Tau Upsilon Phi Chi Psi Omega
            """
        for (i, name) in greek.split(separator: " ").enumerated() where name != "-" {
            for (key, base) in [(String(name), 0x391), (name.lowercased(), 0x3B1)] {
                if let scalar = Unicode.Scalar(base + i) { table[key] = String(scalar) }
            }
        }
        table["sigmaf"] = "ς"
        table["shy"] = ""                                            // where a word may be divided
        return table
    }()
}
