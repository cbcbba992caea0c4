/// A string as Python sees it, a sequence of code points, in which each code point knows where it came from.
///
///     var text = JinjaText("<|im_start|>")                     // written by the template
///     text.append(JinjaText("Hi", source: 3))                  // written by the source that the caller calls 3
///     text.units[12]                                           // "H" with source 3
///
/// Operations on strings keep the origin of each code point: after `content.strip().upper()` it is still known which source wrote it.
/// Comparisons and hashes ignore it.
package struct JinjaText: Sendable {
    /// Bits 0–20: the code point. Bits 21–30: the source, 0 for the template. Bit 31: rendered inside of `{% generation %}`.
    package private(set) var units: [UInt32]
    /// A `Markup` of Jinja's `safe` filter: strings that are added to it are escaped for HTML.
    var isMarkup = false

    package static let scalarMask: UInt32 = 0x1F_FFFF
    package static let generationBit: UInt32 = 1 << 31
    /// Sources are 1 to 1,023.
    package static let sources = 1...1_023

    package static func source(of unit: UInt32) -> Int { Int(unit >> 21 & 0x3FF) }

    init(units: [UInt32], isMarkup: Bool = false) {
        self.units = units
        self.isMarkup = isMarkup
    }

    init(units: ArraySlice<UInt32>, isMarkup: Bool = false) { self.init(units: Array(units), isMarkup: isMarkup) }

    package init(_ string: String, source: Int = 0) {
        precondition(source == 0 || Self.sources.contains(source))
        let tag = UInt32(source) << 21
        units = string.unicodeScalars.map { $0.value | tag }
    }

    var count: Int { units.count }
    var isEmpty: Bool { units.isEmpty }

    /// The code point at an index.
    subscript(index: Int) -> UInt32 { units[index] & Self.scalarMask }

    func slice(_ range: Range<Int>) -> JinjaText { JinjaText(units: units[range], isMarkup: isMarkup) }

    mutating func append(_ other: JinjaText) { units += other.units }

    /// The text without origins. Surrogates, which a template can write as escapes, become U+FFFD.
    package var string: String {
        var result = String.UnicodeScalarView()
        for unit in units { result.append(Self.scalar(unit)) }
        return String(result)
    }

    static func scalar(_ unit: UInt32) -> Unicode.Scalar { Unicode.Scalar(unit & scalarMask) ?? "\u{FFFD}" }

    /// The same text, rendered inside of `{% generation %}`.
    mutating func markGenerated(from start: Int) {
        for index in start..<units.count { units[index] |= Self.generationBit }
    }
}

extension JinjaText: Hashable {
    package static func == (a: JinjaText, b: JinjaText) -> Bool {
        guard a.count == b.count else { return false }
        for index in a.units.indices where a[index] != b[index] { return false }
        return true
    }

    package func hash(into hasher: inout Hasher) {
        for index in units.indices { hasher.combine(self[index]) }
    }
}

extension JinjaText: Comparable {
    package static func < (a: JinjaText, b: JinjaText) -> Bool {
        a.units.lazy.map { $0 & scalarMask }.lexicographicallyPrecedes(b.units.lazy.map { $0 & scalarMask })
    }
}

extension JinjaText: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) { self.init(value) }
}

// Searching and trimming.
extension JinjaText {
    /// The first occurrence that starts in `range` and ends in it. Linear in both lengths (Knuth, Morris, Pratt).
    func firstRange(of needle: JinjaText, in range: Range<Int>) -> Range<Int>? { SearchTable(needle).first(in: self, range) }

    func firstRange(of needle: JinjaText) -> Range<Int>? { firstRange(of: needle, in: 0..<count) }

    /// The occurrences from left to right that do not overlap. `needle` is not empty.
    func ranges(of needle: JinjaText, atMost limit: Int = .max) -> [Range<Int>] {
        let table = SearchTable(needle)
        var result: [Range<Int>] = [], start = 0
        while result.count < limit, let range = table.first(in: self, start..<count) {
            result.append(range)
            start = range.upperBound
        }
        return result
    }

    /// The same from right to left, in that order.
    func rangesFromEnd(of needle: JinjaText, atMost limit: Int = .max) -> [Range<Int>] {
        let reversed = JinjaText(units: Array(units.reversed()))
        return reversed.ranges(of: JinjaText(units: Array(needle.units.reversed())), atMost: limit).map {
            count - $0.upperBound..<count - $0.lowerBound
        }
    }

    func hasPrefix(_ prefix: JinjaText) -> Bool { count >= prefix.count && slice(0..<prefix.count) == prefix }

    func hasSuffix(_ suffix: JinjaText) -> Bool { count >= suffix.count && slice(count - suffix.count..<count) == suffix }

    /// The text without code points at its ends. `nil` means white space, as in Python.
    func trimmed(_ set: Set<UInt32>?, left: Bool = true, right: Bool = true) -> JinjaText {
        func drops(_ index: Int) -> Bool { set.map { $0.contains(self[index]) } ?? PythonCharacter.isSpace(self[index]) }
        var start = 0, end = count
        if left { while start < end, drops(start) { start += 1 } }
        if right { while end > start, drops(end - 1) { end -= 1 } }
        return start == 0 && end == count ? self : slice(start..<end)
    }

    var scalars: Set<UInt32> { Set(units.map { $0 & Self.scalarMask }) }

    private struct SearchTable {
        let needle: JinjaText
        /// For each prefix of the needle, the length of its longest proper prefix that is also its suffix.
        private var borders: [Int]

        init(_ needle: JinjaText) {
            self.needle = needle
            borders = [Int](repeating: 0, count: needle.count)
            var length = 0
            for index in needle.units.indices.dropFirst() {
                while length > 0, needle[index] != needle[length] { length = borders[length - 1] }
                if needle[index] == needle[length] { length += 1 }
                borders[index] = length
            }
        }

        func first(in text: JinjaText, _ range: Range<Int>) -> Range<Int>? {
            if needle.isEmpty { return range.lowerBound..<range.lowerBound }
            var matched = 0
            for index in range {
                while matched > 0, text[index] != needle[matched] { matched = borders[matched - 1] }
                if text[index] == needle[matched] { matched += 1 }
                if matched == needle.count { return index + 1 - matched..<index + 1 }
            }
            return nil
        }
    }
}

/// Classes of code points as Python's `str` methods define them.
enum PythonCharacter {
    static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 9...13, 28...32, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    static func isLineEnd(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 10...13, 28...30, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    private static func properties(_ scalar: UInt32) -> Unicode.Scalar.Properties? { Unicode.Scalar(scalar)?.properties }

    static func isAlphabetic(_ scalar: UInt32) -> Bool {
        switch properties(scalar)?.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    static func isDecimal(_ scalar: UInt32) -> Bool { properties(scalar)?.generalCategory == .decimalNumber }

    static func isDigit(_ scalar: UInt32) -> Bool {
        properties(scalar)?.numericType == .decimal || properties(scalar)?.numericType == .digit
    }

    static func isNumeric(_ scalar: UInt32) -> Bool { properties(scalar)?.numericType != nil }

    static func isUpper(_ scalar: UInt32) -> Bool { properties(scalar)?.isUppercase ?? false }

    static func isLower(_ scalar: UInt32) -> Bool { properties(scalar)?.isLowercase ?? false }

    static func isTitle(_ scalar: UInt32) -> Bool { properties(scalar)?.generalCategory == .titlecaseLetter }

    static func isCased(_ scalar: UInt32) -> Bool { isUpper(scalar) || isLower(scalar) || isTitle(scalar) }

    /// Whether `repr` shows the code point as it is.
    static func isPrintable(_ scalar: UInt32) -> Bool {
        switch properties(scalar)?.generalCategory {
        case nil, .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == 32
        default: true
        }
    }

    static func canStartName(_ scalar: UInt32) -> Bool {
        scalar == 95 || (properties(scalar)?.isXIDStart ?? false)
    }

    static func canContinueName(_ scalar: UInt32) -> Bool { properties(scalar)?.isXIDContinue ?? false }
}
