import Files

/// A file that is written behind its seal, from front to back.
///
///     var file = try SealedFile(path)
///     try file.write(bytes.span)
///     try file.commit()                                        // seals it, and puts it into its place
struct SealedFile: ~Copyable {
    private var file: AtomicFile
    private let digest = Digest()

    init(_ path: String) throws(FileError) {
        var file = try AtomicFile(path)
        try file.write([UInt8](repeating: 0, count: Seal.size))     // its place, until the digest is known
        self.file = file
    }

    /// The bytes so far, with the seal.
    var count: Int { file.count }

    mutating func write(_ bytes: Span<UInt8>) throws(FileError) {
        digest.add(bytes)
        try file.write(bytes)
    }

    consuming func commit() throws(FileError) {
        try file.overwrite(Seal(length: file.count, digest: digest.text).bytes, at: 0)
        try file.commit()
    }
}
