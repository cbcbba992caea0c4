import Glibc

/// Writes a file atomically: it exists completely or not at all.
///
///     try AtomicFile.write("a whole text", to: "data/README")
///     var file = try AtomicFile("data/train.bin")
///     try file.write(bytes)
///     try file.commit()                                        // until now the old data/train.bin is unchanged
///
/// The bytes are written to `data/train.bin.part`, which `commit` renames. If the value is destroyed before, the part is removed. A part
/// that a killed program left is overwritten; one that another program is writing is an error. To replace several files together,
/// `finish` each, where the disk may fill up, and then `commit` each, which only renames.
package struct AtomicFile: ~Copyable {
    package let path: String
    /// The number of bytes written so far.
    package private(set) var count = 0

    private let descriptor: Int32
    private let target: String
    private var buffer: [UInt8] = []
    private var isFinished = false, isCommitted = false
    /// The file until `commit`. A library may write it instead of `write`, if it has closed it before `commit`.
    package var part: String { target + ".part" }

    private static let bufferSize = 1 << 20

    /// - Parameter isPrivate: Whether only the owner may read the file, also if it replaces one with a looser mode.
    package init(_ path: String, isPrivate: Bool = false) throws(FileError) {
        _ = Self.ignoresSizeSignal
        let (target, mode) = try Self.target(of: path)
        let descriptor = try Self.openPart(target + ".part", for: path, mode: isPrivate ? 0o600 : mode)
        self.path = path
        self.target = target
        self.descriptor = descriptor
        buffer.reserveCapacity(Self.bufferSize)
    }

    deinit {
        if !isCommitted { unlink(part) }
        close(descriptor)
    }

    /// Writes a whole file.
    package static func write(_ bytes: [UInt8], to path: String, isPrivate: Bool = false) throws(FileError) {
        var file = try AtomicFile(path, isPrivate: isPrivate)
        try file.write(bytes)
        try file.commit()
    }

    package static func write(_ text: String, to path: String, isPrivate: Bool = false) throws(FileError) {
        try write(Array(text.utf8), to: path, isPrivate: isPrivate)
    }

    package mutating func write(_ bytes: Span<UInt8>) throws(FileError) {
        precondition(!isFinished, "write after finish")
        count += bytes.count
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Self.bufferSize - buffer.count)
            bytes.extracting(start..<end).withUnsafeBufferPointer { buffer.append(contentsOf: $0) }
            if buffer.count == Self.bufferSize { try flush() }
            start = end
        }
    }

    package mutating func write(_ bytes: [UInt8]) throws(FileError) { try write(bytes.span) }

    /// Overwrites bytes that have been written, such as a header that describes the data after it.
    package mutating func overwrite(_ bytes: [UInt8], at offset: Int) throws(FileError) {
        precondition(!isFinished && offset + bytes.count <= count, "overwrite past the end")
        try flush()
        var at = off_t(offset)
        let isWhole = writeAll(bytes) { rest, count in
            let written = pwrite(descriptor, rest, count, at)
            at += off_t(max(0, written))
            return written
        }
        guard isWhole else { throw failure() }
    }

    /// Flushes all bytes to disk. Only the renaming is left for `commit`.
    package mutating func finish() throws(FileError) {
        if isFinished { return }
        try flush()
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure() }
        isFinished = true
    }

    /// Replaces the target with the file.
    package consuming func commit() throws(FileError) {
        try finish()
        guard rename(part, target) == 0 else { throw failure() }
        isCommitted = true
        Self.syncFolder(of: part)
    }

    /// Flushes all bytes to disk and closes the file. `files` renames its part, or removes it.
    ///
    /// - Returns: The path of the part.
    package consuming func finish(into files: FinishedFiles) throws(FileError) -> String {
        try finish()
        let part = part
        files.add(part)
        isCommitted = true
        return part
    }

    /// Flushes the names of a file's folder to disk, so that a new name survives a power cut, too.
    static func syncFolder(of path: String) {
        let folder = open(RelativePath.folder(ofFileAt: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            _ = fsync(folder)
            close(folder)
        }
    }
}

extension AtomicFile {
    private mutating func flush() throws(FileError) {
        guard writeAll(buffer, by: { Glibc.write(descriptor, $0, $1) }) else { throw failure() }
        buffer.removeAll(keepingCapacity: true)
    }

    private func failure() -> FileError { .writing(path, after: count) }

    /// The file to replace, with symbolic links resolved, and its permissions if it exists. Only regular files are replaced.
    private static func target(of path: String) throws(FileError) -> (path: String, mode: mode_t?) {
        var status = stat()
        guard stat(path, &status) == 0 else { return (path, nil) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notWritten(path: path, reason: "it is not a regular file") }
        guard let real = realpath(path, nil) else { throw .writing(path, after: 0) }
        defer { free(real) }
        return (String(cString: real), status.st_mode & 0o7777)
    }

    private static func openPart(_ part: String, for path: String, mode: mode_t?) throws(FileError) -> Int32 {
        while true {
            let descriptor = open(part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode == 0o600 ? 0o600 : 0o666)
            guard descriptor >= 0 else { throw .writing(path, after: 0) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                close(descriptor)
                throw .notWritten(path: path, reason: "another program is writing it (\(part))")
            }
            // The previous holder of the lock may have renamed the file that was opened.
            if Folder.isSame(part, descriptor) {
                guard ftruncate(descriptor, 0) == 0 else {
                    defer { close(descriptor) }
                    throw .writing(path, after: 0)
                }
                if let mode { _ = fchmod(descriptor, mode) }
                return descriptor
            }
            close(descriptor)
        }
    }

    /// Makes `write` fail beyond the file size limit (ulimit -f), instead of the default signal that ends the program.
    private static let ignoresSizeSignal: Void = { _ = signal(SIGXFSZ, SIG_IGN) }()
}
