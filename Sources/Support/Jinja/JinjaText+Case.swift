// Upper and lower case with the full mappings of Unicode, as in Python. Each code point of a mapping keeps the origin of its original.
extension JinjaText {
    private func mapped(_ mapping: (Int) -> String) -> JinjaText {
        var result: [UInt32] = []
        result.reserveCapacity(count)
        for (index, unit) in units.enumerated() {
            let origin = unit & ~Self.scalarMask
            if self[index] < 0x80 {
                result.append(mapping(index).unicodeScalars.first.map { $0.value | origin } ?? unit)
            } else {
                for scalar in mapping(index).unicodeScalars { result.append(scalar.value | origin) }
            }
        }
        return JinjaText(units: result, isMarkup: isMarkup)
    }

    var uppercased: JinjaText { mapped { Self.scalar(units[$0]).properties.uppercaseMapping } }

    var lowercased: JinjaText { mapped(lower) }

    /// The first letter in title case, all others in lower case.
    var capitalized: JinjaText {
        mapped { $0 == 0 ? Self.scalar(units[$0]).properties.titlecaseMapping : lower($0) }
    }

    /// Python's `str.title`: a letter after a letter in lower case, all others in title case.
    var pythonTitle: JinjaText {
        mapped { index in
            index > 0 && PythonCharacter.isCased(self[index - 1])
                ? lower(index) : Self.scalar(units[index]).properties.titlecaseMapping
        }
    }

    /// Jinja's `title` filter: the first letter of each word in upper case, the rest in lower case. Words start after white space, a
    /// hyphen and opening brackets.
    var jinjaTitle: JinjaText {
        mapped { index in
            let startsWord = index == 0 || PythonCharacter.isSpace(self[index - 1]) || [45, 40, 123, 91, 60].contains(self[index - 1])
            return startsWord ? Self.scalar(units[index]).properties.uppercaseMapping : lower(index)
        }
    }

    private func lower(_ index: Int) -> String {
        // A final sigma has a form of its own.
        if self[index] == 0x3A3 { return isFinalSigma(index) ? "ς" : "σ" }
        return Self.scalar(units[index]).properties.lowercaseMapping
    }

    private func isFinalSigma(_ index: Int) -> Bool {
        func isIgnored(_ index: Int) -> Bool { Self.scalar(units[index]).properties.isCaseIgnorable }
        var before = index - 1
        while before >= 0, isIgnored(before) { before -= 1 }
        guard before >= 0, PythonCharacter.isCased(self[before]) else { return false }
        var after = index + 1
        while after < count, isIgnored(after) { after += 1 }
        return after == count || !PythonCharacter.isCased(self[after])
    }
}
