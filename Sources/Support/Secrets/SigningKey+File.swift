import Base64
import Files
import Glibc

extension SigningKey {
    /// Reads the key from a file that only its owner can access. Generates it if the file does not exist.
    ///
    /// Several processes that start at once all get the key of the first.
    package init(storedAt path: String) throws(SigningKeyError) {
        if let stored = try Self.read(path) {
            self = stored
            return
        }
        try Self.create(path, Self.generate())
        guard let created = try Self.read(path) else { throw .unreadable(path: path, reason: "it was removed") }
        self = created
    }

    /// Returns nil if the file does not exist.
    private static func read(_ path: String) throws(SigningKeyError) -> SigningKey? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)          // do not wait for the writer of a FIFO
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .unreadable(path: path, reason: errno == ELOOP ? "it is a symbolic link" : systemErrorMessage())
        }
        defer { close(descriptor) }
        try checkOwner(of: descriptor, path)
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return try SigningKey(validating: String(text.prefix { !$0.isNewline }), source: path)
    }

    private static func checkOwner(of descriptor: Int32, _ path: String) throws(SigningKeyError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is not a regular file") }
        guard status.st_uid == geteuid() || status.st_uid == 0 else { throw .wrongOwner(path: path, owner: status.st_uid) }
        guard status.st_mode & 0o077 == 0 else { throw .insecurePermissions(path: path, mode: String(status.st_mode & 0o777, radix: 8)) }
    }

    /// Writes a temporary file and links it to `path`, unless another process was faster. A killed process leaves no incomplete key.
    private static func create(_ path: String, _ text: String) throws(SigningKeyError) {
        let temporary = "\(path).\(Base64.text(of: RandomBytes.make(6)))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .notWritten(path: path, reason: systemErrorMessage()) }
        defer {
            close(descriptor)
            unlink(temporary)
        }
        let line = Array((text + "\n").utf8)
        let isWritten = fchmod(descriptor, 0o600) == 0 && writeAll(line, by: { write(descriptor, $0, $1) }) && fsync(descriptor) == 0
        guard isWritten, link(temporary, path) == 0 || errno == EEXIST else {
            throw .notWritten(path: path, reason: systemErrorMessage())
        }
        let folder = open(RelativePath.folder(ofFileAt: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)       // make the directory entry durable
        if folder >= 0 {
            _ = fsync(folder)
            close(folder)
        }
    }
}
