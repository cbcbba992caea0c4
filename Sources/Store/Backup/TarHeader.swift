/// The header of a file in a tar archive (POSIX ustar): 512 bytes before its contents, which are padded to a multiple of 512.
///
///     let bytes = TarHeader(name: "backup.json", size: 312, time: 1_763_648_385).bytes
///     TarHeader(bytes)?.name                                   // "backup.json"
struct TarHeader: Equatable {
    static let size = 512
    static let maxNameLength = 100

    let name: String
    /// In bytes.
    let size: Int
    /// Seconds since 1970.
    let time: Int

    init(name: String, size: Int, time: Int) {
        precondition(!name.isEmpty && name.utf8.count <= Self.maxNameLength, "a name of 1 to 100 bytes, found \(name.utf8.count)")
        self.name = name
        self.size = size
        self.time = time
    }

    /// Reads a header; nil if the bytes are not the header of a regular file.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size, bytes[257..<262].elementsEqual("ustar".utf8), bytes[156] == UInt8(ascii: "0") || bytes[156] == 0,
              bytes[148..<156].elementsEqual(Self.checksumField(of: bytes).utf8), bytes[345..<500].allSatisfy({ $0 == 0 }),
              let size = Self.number(bytes[124..<136]), let time = Self.number(bytes[136..<148]),
              let name = String(validating: bytes[0..<100].prefix { $0 != 0 }, as: UTF8.self), !name.isEmpty
        else { return nil }
        self.name = name
        self.size = size
        self.time = time
    }

    /// A file that only its owner can read.
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        func put(_ text: String, at offset: Int) { bytes.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8) }
        put(name, at: 0)
        put("0000600", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        bytes.replaceSubrange(124..<136, with: Self.field(size))
        bytes.replaceSubrange(136..<148, with: Self.field(max(0, time)))
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(Self.checksumField(of: bytes), at: 148)
        return bytes
    }

    /// The zeros after the contents.
    static func padding(after size: Int) -> Int { (512 - size % 512) % 512 }

    /// The sum of all bytes, with spaces in place of the checksum.
    private static func checksumField(of bytes: [UInt8]) -> String {
        let sum = bytes.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 0x20 : Int($1.element)) }
        return digits(sum, count: 6) + "\0 "
    }

    /// Eleven octal digits; from 8 GiB, a binary number as GNU tar writes it.
    private static func field(_ number: Int) -> [UInt8] {
        if number < 1 << 33 { return Array(digits(number, count: 11).utf8) + [0] }
        return [0x80, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }

    private static func digits(_ number: Int, count: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }

    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        guard field.first == 0x80 else { return octal(field) }
        let number = field.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return field.dropFirst().prefix(3).allSatisfy { $0 == 0 } ? Int(exactly: number) : nil
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == 0x20 }.prefix { (0x30...0x37).contains($0) }
        let rest = field.drop { $0 == 0x20 }.dropFirst(digits.count)
        guard !digits.isEmpty, rest.allSatisfy({ $0 == 0 || $0 == 0x20 }) else { return nil }
        return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
    }
}
