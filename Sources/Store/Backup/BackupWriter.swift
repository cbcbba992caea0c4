import Files
import Gzip
import Secrets

/// Writes the tar archive of a backup. It gets its name when it is complete.
///
///     var writer = try BackupWriter(path, at: now)
///     try writer.add("backup.json", manifest.json)
///     try writer.begin("tables/users.jsonl.gz")
///     try writer.writeCompressed(line)
///     try writer.end()
///     try writer.commit()
struct BackupWriter: ~Copyable {
    private static let blockSize = 1 << 18
    private var file: AtomicFile
    private let time: Int
    /// The lines of SHA256SUMS.
    private var sums = ""
    private var member: (name: String, header: Int)?
    /// The checksum of the current file. `end` begins another one.
    private var hash = SHA256.Stream()
    private var gzip: GzipCompressor?
    private var waiting: [UInt8] = []

    init(_ path: String, at time: Timestamp) throws(StoreError) {
        file = try withFileErrors { () throws(FileError) in try AtomicFile(path, isPrivate: true) }
        self.time = Int(time.milliseconds / 1_000)
    }

    mutating func add(_ name: String, _ bytes: [UInt8]) throws(StoreError) {
        try begin(name)
        try write(bytes)
        try end()
    }

    /// Begins a file, whose size becomes known when it ends.
    mutating func begin(_ name: String) throws(StoreError) {
        member = (name, file.count)
        try put([UInt8](repeating: 0, count: TarHeader.size))
    }

    mutating func write(_ bytes: [UInt8]) throws(StoreError) {
        hash.add(bytes)
        try put(bytes)
    }

    mutating func writeCompressed(_ bytes: [UInt8]) throws(StoreError) {
        let gzip = gzip ?? GzipCompressor()
        self.gzip = gzip
        gzip.compress(bytes, into: &waiting)
        if waiting.count >= Self.blockSize { try writeWaiting() }
    }

    mutating func end() throws(StoreError) {
        if let gzip {
            gzip.finish(into: &waiting)
            self.gzip = nil
            try writeWaiting()
        }
        guard let (name, header) = member else { preconditionFailure("no file has begun") }
        member = nil
        let size = file.count - header - TarHeader.size
        try put([UInt8](repeating: 0, count: TarHeader.padding(after: size)))
        do throws(FileError) { try file.overwrite(TarHeader(name: name, size: size, time: time).bytes, at: header) } catch {
            throw .backup(.file(error))
        }
        var finished = SHA256.Stream()
        swap(&finished, &hash)
        sums += "\(finished.finish())  \(name)\n"
    }

    /// Adds the checksums and the end of the archive, and replaces a previous file.
    consuming func commit() throws(StoreError) {
        try add(BackupManifest.sumsName, Array(sums.utf8))
        try put([UInt8](repeating: 0, count: 2 * TarHeader.size))
        do throws(FileError) { try file.commit() } catch { throw .backup(.file(error)) }
    }

    private mutating func writeWaiting() throws(StoreError) {
        try write(waiting)
        waiting.removeAll(keepingCapacity: true)
    }

    private mutating func put(_ bytes: [UInt8]) throws(StoreError) {
        do throws(FileError) { try file.write(bytes) } catch { throw .backup(.file(error)) }
    }
}
