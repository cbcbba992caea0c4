import Hashing
import Files

/// A file that starts with a ``CheckpointHeader`` and is written from front to back.
///
///     var file = try ChecksummedFile(path)
///     try file.write(bytes.span)
///     try file.commit()                                        // fills in the header and renames the file
struct ChecksummedFile: ~Copyable {
    private var file: AtomicFile
    private let digest = Digest()

    init(_ path: String) throws(FileError) {
        var file = try AtomicFile(path)
        try file.write([UInt8](repeating: 0, count: CheckpointHeader.size))     // overwritten once the digest is known
        self.file = file
    }

    /// The bytes written so far, including the header.
    var count: Int { file.count }

    mutating func write(_ bytes: Span<UInt8>) throws(FileError) {
        digest.add(bytes)
        try file.write(bytes)
    }

    consuming func commit() throws(FileError) {
        try file.overwrite(CheckpointHeader(length: file.count, digest: digest.text).bytes, at: 0)
        try file.commit()
    }
}
