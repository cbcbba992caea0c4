package import Files
import Glibc
import Hashing

/// What distinguishes the files of a model from others: not their place or their times, which differ on the machines that have a copy.
///
///     try ModelFileIdentity("checkpoints/first/best.h5").digest    // "99aa06d3014798d86001c324468d497f"
///
/// Only parts of a large file are read: training changes all weights, so that the parts of another checkpoint differ. Damage is not
/// detected here, but by the checksums of a checkpoint when it is loaded.
package struct ModelFileIdentity: Sendable, Equatable {
    /// Absolute.
    package let path: String
    package let sizeBytes: Int
    package let digest: String

    private static let wholeBytes = 8 << 20
    private static let partBytes = 64 << 10
    private static let parts = 64

    /// - Parameter path: A file, or a Hugging Face folder.
    package init(_ path: String) throws(FileError) {
        self.path = Self.absolute(path)
        let digest = Digest()
        var size = 0
        let names = Folder.names(in: path)?.filter { !$0.hasPrefix(".") }.sorted()
        if let names {
            for name in names where Folder.names(in: "\(path)/\(name)") == nil {
                digest.add(Array("\(name)\n".utf8).span)
                size += try Self.add("\(path)/\(name)", to: digest)
            }
        } else {
            size = try Self.add(path, to: digest)
        }
        sizeBytes = size
        self.digest = digest.text
    }

    /// Adds the size of a file and its contents, or the beginning, the end and parts in between.
    ///
    /// - Returns: The size in bytes.
    private static func add(_ path: String, to digest: borrowing Digest) throws(FileError) -> Int {
        let file = try MappedFile(path), count = file.count
        digest.add(Array("\(count)\n".utf8).span)
        file.read(as: UInt8.self) { bytes in
            if count <= wholeBytes { return digest.add(bytes) }
            for part in 0..<parts {
                let start = (count - partBytes) / (parts - 1) * part
                digest.add(bytes.extracting(start..<start + partBytes))
            }
            digest.add(bytes.extracting(count - partBytes..<count))
        }
        return count
    }

    static func absolute(_ path: String) -> String {
        let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        if path.hasPrefix("/") { return path }
        guard let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + (path.hasPrefix("./") ? String(path.dropFirst(2)) : path)
    }
}
