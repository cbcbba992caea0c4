import Files

/// The first 512 bytes of a checkpoint, which HDF5 leaves to us (its "user block"): readable text that says what the file is, and by which nobody
/// takes a damaged file for a whole one.
///
///     slm checkpoint, version 1
///     length 00000000000144123456
///     xxh3-128 99aa06d3014798d86001c324468d497f
///     The HDF5 file …
package struct Seal: Equatable {
    package static let version = 1
    package static let size = 512

    /// Of the whole file.
    package let length: Int
    /// Of all that follows the seal.
    package let digest: String

    init(length: Int, digest: String) { (self.length, self.digest) = (length, digest) }

    /// The seal that a file of such bytes, whose first 512 do not matter, should have.
    package init(for bytes: [UInt8]) {
        let digest = Digest()
        digest.add(bytes.span.extracting(droppingFirst: Self.size))
        self.init(length: bytes.count, digest: digest.text)
    }

    package var bytes: [UInt8] {
        let number = String(length)
        let text = Self.magic + "\(Self.version)\nlength " + String(repeating: "0", count: 20 - number.count) + number + "\nxxh3-128 \(digest)\n"
            + "The HDF5 file begins at byte 512; h5py and other tools find it there by themselves. The digest is that of all bytes from there on.\n"
        return Array(text.utf8) + [UInt8](repeating: 0, count: Self.size - text.utf8.count)
    }

    /// Checks all of a file, and reads all of it for that, in pieces that may be forgotten: a file of many moments shall not take memory for who wants the weights.
    static func check(_ bytes: Span<UInt8>, path: String, forgetting forget: (Range<Int>) -> Void) throws(CheckpointError) {
        let magic = Array(magic.utf8)
        guard bytes.count >= 1, (0..<min(magic.count, bytes.count)).allSatisfy({ bytes[$0] == magic[$0] }) else {
            throw .foreign(path: path, found: FileKind(of: bytes).rawValue)
        }
        guard let version = number(in: bytes, at: magic.count), version >= 1 else {
            throw bytes.count < size ? .wrongLength(path: path, expected: size, found: bytes.count)
                : .malformed(path: path, offset: magic.count, expected: "a version", found: "no number")
        }
        guard version <= Self.version else { throw .newer(path: path, version: version, known: Self.version) }
        guard bytes.count >= size else { throw .wrongLength(path: path, expected: size, found: bytes.count) }
        let lengthPlace = magic.count + "1\nlength ".utf8.count
        guard let length = number(in: bytes, at: lengthPlace), length >= size else {
            throw .malformed(path: path, offset: lengthPlace, expected: "a length", found: "no number")
        }
        guard length == bytes.count else { throw .wrongLength(path: path, expected: length, found: bytes.count) }
        let digest = Digest()
        for start in stride(from: size, to: length, by: 16 << 20) {
            let piece = start..<min(start + 16 << 20, length)
            digest.add(bytes.extracting(piece))
            forget(piece)
        }
        let found = digest.text, whole = Seal(length: length, digest: found).bytes
        guard (0..<size).allSatisfy({ bytes[$0] == whole[$0] }) else {
            let place = lengthPlace + 21 + "xxh3-128 ".utf8.count
            let isHex = (place..<place + 32).allSatisfy { (48...57).contains(bytes[$0]) || (97...102).contains(bytes[$0]) }
            let expected = isHex ? String(decoding: (place..<place + 32).map { bytes[$0] }, as: UTF8.self) : "unreadable"
            if expected != found { throw .altered(path: path, expected: expected, found: found) }
            let first = (0..<size).first { bytes[$0] != whole[$0] } ?? 0
            throw .malformed(path: path, offset: first, expected: "the byte \(whole[first])", found: "\(bytes[first])")
        }
    }

    private static let magic = "slm checkpoint, version "

    /// The decimal number that stands there before the end of its line.
    private static func number(in bytes: Span<UInt8>, at place: Int) -> Int? {
        var result = 0, i = place
        while i < bytes.count, i < place + 20, bytes[i] >= 48, bytes[i] <= 57 {
            let (tenfold, overflows) = result.multipliedReportingOverflow(by: 10), (sum, overflowsToo) = tenfold.addingReportingOverflow(Int(bytes[i] - 48))
            if overflows || overflowsToo { return nil }
            (result, i) = (sum, i + 1)
        }
        return i > place && i < bytes.count && bytes[i] == 10 ? result : nil
    }
}
