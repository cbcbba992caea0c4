import Hashing
import Files

/// The first 512 bytes of a checkpoint, HDF5's "user block": readable text with the file's length and checksum.
///
///     slm checkpoint, version 1
///     length 00000000000144123456
///     xxh3-128 99aa06d3014798d86001c324468d497f
///     The HDF5 file …
package struct CheckpointHeader: Equatable {
    package static let version = 1
    package static let size = 512

    /// The length of the whole file.
    package let length: Int
    /// The XXH3 digest of all bytes after the header.
    package let digest: String

    package init(length: Int, digest: String) {
        self.length = length
        self.digest = digest
    }

    package var bytes: [UInt8] {
        let digits = String(length)
        let text = Self.magic + "\(Self.version)\nlength " + String(repeating: "0", count: 20 - digits.count) + digits
            + "\nxxh3-128 \(digest)\n"
            + "The HDF5 file begins at byte 512; h5py and other tools find it there by themselves. "
            + "The digest is that of all bytes from there on.\n"
        return Array(text.utf8) + [UInt8](repeating: 0, count: Self.size - text.utf8.count)
    }

    /// Verifies the header, the length and the checksum by reading the whole file, which must stay open.
    static func check(_ file: MappedFile) throws(CheckpointError) {
        try file.read(as: UInt8.self) { bytes throws(CheckpointError) in
            let lengthOffset = try checkLength(bytes, path: file.path)
            try checkDigest(bytes, of: file, lengthOffset: lengthOffset)
        }
    }

    /// Verifies what the header says before its checksum, without reading the file.
    ///
    /// - Returns: The offset of the length.
    @discardableResult
    static func checkLength(_ bytes: Span<UInt8>, path: String) throws(CheckpointError) -> Int {
        let magic = Array(magic.utf8)
        guard bytes.count >= 1, (0..<min(magic.count, bytes.count)).allSatisfy({ bytes[$0] == magic[$0] }) else {
            throw .notACheckpoint(path: path, found: FileKind(of: bytes).rawValue)
        }
        guard let version = decimalLine(in: bytes, at: magic.count), version >= 1 else {
            throw bytes.count < size
                ? .wrongLength(path: path, expected: size, found: bytes.count)
                : .malformed(path: path, offset: magic.count, expected: "a version", found: "no number")
        }
        guard version <= Self.version else { throw .newerVersion(path: path, version: version, known: Self.version) }
        guard bytes.count >= size else { throw .wrongLength(path: path, expected: size, found: bytes.count) }
        let lengthOffset = magic.count + "1\nlength ".utf8.count
        guard let length = decimalLine(in: bytes, at: lengthOffset), length >= size else {
            throw .malformed(path: path, offset: lengthOffset, expected: "a length", found: "no number")
        }
        guard length == bytes.count else { throw .wrongLength(path: path, expected: length, found: bytes.count) }
        return lengthOffset
    }

    private static func checkDigest(_ bytes: Span<UInt8>, of file: MappedFile, lengthOffset: Int) throws(CheckpointError) {
        let digest = Digest(), length = bytes.count, path = file.path
        // Copying pieces out of the file takes half the time of mapping its pages, and fills no memory with them.
        withUnsafeTemporaryAllocation(byteCount: pieceSize, alignment: 64) { buffer in
            for start in stride(from: size, to: length, by: pieceSize) {
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(pieceSize, length - start)])
                file.copy(start, into: piece)
                digest.add(piece.bindMemory(to: UInt8.self).span)
            }
        }
        let found = digest.text
        let correct = CheckpointHeader(length: length, digest: found).bytes
        guard let first = (0..<size).first(where: { bytes[$0] != correct[$0] }) else { return }
        let digestOffset = lengthOffset + 21 + "xxh3-128 ".utf8.count
        let stored = (digestOffset..<digestOffset + 32).map { bytes[$0] }
        let isHex = stored.allSatisfy { $0.isDigit || (97...102).contains($0) }
        let expected = isHex ? String(decoding: stored, as: UTF8.self) : "unreadable"
        if expected != found { throw .wrongDigest(path: path, expected: expected, found: found) }
        throw .malformed(path: path, offset: first, expected: "the byte \(correct[first])", found: "\(bytes[first])")
    }

    /// Bytes that are read at once: they stay in the cache.
    private static let pieceSize = 256 << 10
    private static let magic = "slm checkpoint, version "

    /// Reads a decimal number that ends with a line break. An empty line is 0, which is neither a version nor a length.
    private static func decimalLine(in bytes: Span<UInt8>, at offset: Int) -> Int? {
        var result = 0, i = offset
        while i < bytes.count, bytes[i] >= 48, bytes[i] <= 57 {
            let (tenfold, productOverflows) = result.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflows) = tenfold.addingReportingOverflow(Int(bytes[i] - 48))
            if productOverflows || sumOverflows { return nil }
            result = sum
            i += 1
        }
        return i < bytes.count && bytes[i] == 10 ? result : nil
    }
}
