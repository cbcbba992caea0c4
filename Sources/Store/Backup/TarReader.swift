import Files
import Secrets

/// Reads the files of a tar archive one after the other, and computes their checksums.
///
///     var tar = try TarReader(path)
///     while let header = try tar.next() {
///         while let part = try tar.nextPart() { … }
///         let sum = try tar.end()
///     }
struct TarReader: ~Copyable {
    private static let partSize = 1 << 20
    let path: String
    /// The size of the archive; nil if unknown.
    let size: Int?
    /// The bytes read so far.
    private(set) var offset = 0
    private var file: InputFile
    private var name = ""
    /// The unread bytes of the current file, and the zeros after it.
    private var rest = 0, padding = 0
    /// The checksum of the current file. `end` begins another one.
    private var hash = SHA256.Stream()

    init(_ path: String) throws(StoreError) {
        self.path = path
        file = try withFileErrors { () throws(FileError) in try InputFile(path) }
        size = file.size
    }

    /// The header of the next file; nil at the end of the archive.
    mutating func next() throws(StoreError) -> TarHeader? {
        let bytes = try read(TarHeader.size)
        if bytes.allSatisfy({ $0 == 0 }) {
            try checkEnd()
            return nil
        }
        guard let header = TarHeader(bytes) else {
            if offset == TarHeader.size, !bytes.starts(with: BackupManifest.fileName.utf8) {
                throw .backup(.notABackup(path: path, found: "it does not begin with \(BackupManifest.fileName) in a tar archive"))
            }
            throw damaged("byte \(offset - TarHeader.size) is not the beginning of a file in the archive")
        }
        name = header.name
        rest = header.size
        padding = TarHeader.padding(after: header.size)
        return header
    }

    /// The next bytes of the current file; nil at its end.
    mutating func nextPart() throws(StoreError) -> [UInt8]? {
        guard rest > 0 else { return nil }
        let part = try read(min(rest, Self.partSize))
        rest -= part.count
        hash.add(part)
        return part
    }

    /// Ends the current file and returns its checksum.
    mutating func end() throws(StoreError) -> String {
        while try nextPart() != nil {}
        guard try read(padding).allSatisfy({ $0 == 0 }) else { throw damaged("bytes follow the end of \(name)") }
        var finished = SHA256.Stream()
        swap(&finished, &hash)
        return finished.finish()
    }

    /// The second block of zeros, and further ones with which tar fills the last record.
    private mutating func checkEnd() throws(StoreError) {
        var bytes = try read(TarHeader.size)
        repeat {
            guard bytes.allSatisfy({ $0 == 0 }), bytes.count % TarHeader.size == 0 else {
                throw damaged("bytes follow the end of the archive")
            }
            bytes = try readUpTo(Self.partSize)
        } while !bytes.isEmpty
    }

    private mutating func read(_ count: Int) throws(StoreError) -> [UInt8] {
        let bytes = try readUpTo(count)
        guard bytes.count == count else { throw damaged("it ends after \(offset) bytes, in the middle") }
        return bytes
    }

    private mutating func readUpTo(_ count: Int) throws(StoreError) -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(FileError) { while bytes.count < count, try file.read(atMost: count - bytes.count, into: &bytes) > 0 {} } catch {
            throw .backup(.file(error))
        }
        offset += bytes.count
        return bytes
    }

    func damaged(_ reason: String) -> StoreError { .backup(.damaged(path: path, reason: reason)) }
}
