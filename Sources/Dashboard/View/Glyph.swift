import Terminal

/// A character as a cell of the screen shows it.
///
/// What users wrote is untrusted: control characters are shown as pictures (␛), and invisible characters, among them those that reverse the
/// direction of the text, as �. Terminals disagree on the width of joined emoji, so only the first of them is shown, and flags are shown as
/// letters.
package struct Glyph: Sendable, Equatable {
    /// A visible character and at most four combining marks.
    package let text: String
    /// 1 or 2.
    package let columns: Int

    private static let maxMarks = 4

    /// Returns nothing for a character that is shown as nothing, such as a zero-width joiner.
    static func glyphs(of character: Character) -> [Glyph] {
        var scalars = Array(character.unicodeScalars)
        if scalars.allSatisfy({ 0x1F1E6...0x1F1FF ~= $0.value }) {
            return scalars.map { Glyph(text: letter(ofRegion: $0), columns: 1) }
        }
        guard let first = scalars.first else { return [] }
        if character == "\r\n" || character == "\n" { return [Glyph(text: " ", columns: 1)] }
        if scalars.count == 1, let shown = replacement(of: first) { return shown }
        if first.isCombining { scalars.insert("\u{25CC}", at: 0) }               // ◌ carries a mark without a letter
        // A combining mark of an emoji sequence (joiner, variation selector, skin tone) would change the width.
        let marks = scalars.dropFirst().prefix { !$0.isJoiner }.filter { $0.isCombining && !$0.isVariation }.prefix(maxMarks)
        var text = String.UnicodeScalarView([scalars[0]])
        text.append(contentsOf: marks)
        var glyphs = replacement(of: scalars[0]) ?? [Glyph(text: String(text), columns: max(1, Character(scalars[0]).columns))]
        // A cluster may hide control characters, and Hangul syllables may be written as several letters.
        for scalar in scalars.dropFirst() where !scalar.isCombining && !scalar.isJoiner {
            if let shown = replacement(of: scalar) { glyphs += shown }
        }
        return glyphs
    }

    /// How a scalar is shown that must not reach the terminal; nil for any other.
    private static func replacement(of scalar: Unicode.Scalar) -> [Glyph]? {
        switch scalar.value {
        case 0x09: [Glyph(text: " ", columns: 1)]
        case 0x00...0x1F: [Glyph(text: picture(0x2400 + scalar.value), columns: 1)]
        case 0x7F: [Glyph(text: picture(0x2421), columns: 1)]
        // C1 controls; marks, embeddings, overrides and isolates of direction; line separators; tags.
        case 0x80...0x9F, 0x061C, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x206F, 0x2028...0x2029, 0xE0000...0xE0FFF,
            0xFFF9...0xFFFB, 0xFFFE...0xFFFF:
            [Glyph(text: "\u{FFFD}", columns: 1)]
        case 0x00AD, 0x180E, 0x200B...0x200D, 0x2060...0x2065, 0xFEFF, 0xFE00...0xFE0F: []
        default: scalar.properties.generalCategory == .unassigned || scalar.properties.generalCategory == .privateUse
            ? [Glyph(text: "\u{FFFD}", columns: 1)] : nil
        }
    }

    private static func picture(_ value: UInt32) -> String { Unicode.Scalar(value).map { String(Character($0)) } ?? "\u{FFFD}" }

    private static func letter(ofRegion scalar: Unicode.Scalar) -> String { picture(scalar.value - 0x1F1E6 + 0x41) }
}

extension Unicode.Scalar {
    fileprivate var isCombining: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }

    /// Zero-width joiners, variation selectors and skin tones.
    fileprivate var isJoiner: Bool { value == 0x200D || 0x1F3FB...0x1F3FF ~= value }
    fileprivate var isVariation: Bool { 0xFE00...0xFE0F ~= value || 0xE0100...0xE01EF ~= value }
}

extension StringProtocol {
    package var glyphs: [Glyph] { flatMap { Glyph.glyphs(of: $0) } }
}

extension Collection where Element == Glyph {
    package var columns: Int { reduce(0) { $0 + $1.columns } }
    package var text: String { map(\.text).joined() }
}

extension Array where Element == Glyph {
    /// At most `limit` columns; a shortened text ends with an ellipsis.
    package func clipped(to limit: Int) -> [Glyph] {
        if columns <= limit { return self }
        guard limit > 0 else { return [] }
        var kept: [Glyph] = []
        var width = 0
        for glyph in self {
            if width + glyph.columns > limit - 1 { break }
            kept.append(glyph)
            width += glyph.columns
        }
        return kept + [Glyph(text: "…", columns: 1)]
    }
}

extension String {
    /// The text in lines of at most `limit` columns, broken at spaces where there are some and before wide characters.
    package func wrappedGlyphs(to limit: Int) -> [[Glyph]] {
        split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.flatMap { Self.wrap($0, max(2, limit)) }
    }

    private static func wrap(_ paragraph: Substring, _ limit: Int) -> [[Glyph]] {
        var lines: [[Glyph]] = []
        var line: [Glyph] = []
        var width = 0
        /// The index after the last space of the line, where it may be broken.
        var lastBreak: Int?
        for character in paragraph {
            let spaces = Array(repeating: Glyph(text: " ", columns: 1), count: 4 - width % 4)
            let glyphs = character == "\t" ? spaces : Glyph.glyphs(of: character)
            for glyph in glyphs {
                if width + glyph.columns > limit {
                    if glyph.text == " " {
                        lines.append(line)
                        line = []
                        width = 0
                        lastBreak = nil
                        continue
                    }
                    let rest = lastBreak.map { Array(line[$0...]) } ?? []
                    // A break at the very start would give an empty line.
                    let isUseful = lastBreak.map { $0 > 0 && rest.columns + glyph.columns <= limit } ?? false
                    lines.append(isUseful ? Array(line[..<(lastBreak ?? 0)]) : line)
                    line = isUseful ? rest : []
                    width = line.columns
                    lastBreak = nil
                }
                line.append(glyph)
                width += glyph.columns
                if glyph.text == " " || glyph.columns == 2 { lastBreak = line.count }
            }
        }
        return lines + [line]
    }
}
