/// A class such as `\d`. JavaScript, Python and others disagree about characters outside of ASCII: an answer is right for all of them if
/// it has only characters that every dialect counts among the members, or every dialect among the others.
struct CharacterClass: Sendable {
    /// In every dialect, and in at least one.
    private let always, sometimes: CodePointSet
    /// In no dialect. Not all of them.
    private let never: CodePointSet

    private init(always: CodePointSet, sometimes: CodePointSet, never: CodePointSet? = nil) {
        self.always = always
        self.sometimes = sometimes
        self.never = never ?? sometimes.inverted
    }

    /// - Parameter isInverted: Whether the set is a part of a class such as `[^…]`, which is then inverted.
    func members(ifInverted isInverted: Bool) -> CodePointSet { isInverted ? sometimes : always }
    func others(ifInverted isInverted: Bool) -> CodePointSet { isInverted ? always.inverted : never }

    static let digits = CharacterClass(
        always: asciiDigits, sometimes: asciiDigits.union(scalars { $0.generalCategory == .decimalNumber }))

    /// The letters of all scripts are a thousand ranges, too many for repeated classes: of the others, these are the frequent ones.
    static let word = CharacterClass(
        always: asciiWord, sometimes: asciiWord.union(CodePointSet([0x80...0x10FFFF])),
        never: CodePointSet(
            [0x00...0x2F, 0x3A...0x40, 0x5B...0x5E, 0x60...0x60, 0x7B...0x7F, 0xA0...0xA9, 0xAB...0xB1, 0xB4...0xB4, 0xB6...0xB8,
             0xBB...0xBB, 0xBF...0xBF, 0xD7...0xD7, 0xF7...0xF7, 0x2010...0x205E, 0x20A0...0x20BF, 0x2190...0x23FF, 0x2500...0x2767,
             0x3000...0x3003, 0x3008...0x3011, 0x1F300...0x1F64F]))

    /// Python counts the separators of ASCII and the next line; JavaScript counts the byte order mark.
    static let spaces = CharacterClass(
        always: unicodeSpaces, sometimes: unicodeSpaces.union(CodePointSet([0x1C...0x1F, 0x85...0x85, 0xFEFF...0xFEFF])))

    private static let asciiDigits = CodePointSet([0x30...0x39])
    private static let asciiWord = CodePointSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    private static let unicodeSpaces = CodePointSet(
        [0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F, 0x205F...0x205F,
         0x3000...0x3000])

    private static func scalars(where isMember: (Unicode.Scalar.Properties) -> Bool) -> CodePointSet {
        CodePointSet((0x80...0x1FFFF).compactMap { value in
            guard let scalar = Unicode.Scalar(UInt32(value)), isMember(scalar.properties) else { return nil }
            return UInt32(value)...UInt32(value)
        })
    }
}
