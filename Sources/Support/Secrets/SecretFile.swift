import Files
import Glibc

extension Secret {
    /// The secret in a file that only its owner may read; where there is none, it is made with 256 random bits. Of several programs that start at once, all have that of the first.
    package init(keptIn path: String) throws(SecretError) {
        if let kept = try Self.read(path) { self = kept; return }
        try Self.make(path)
        guard let made = try Self.read(path) else { throw .unreadable(path: path, reason: "it was removed meanwhile") }
        self = made
    }

    /// nil if there is no file.
    private static func read(_ path: String) throws(SecretError) -> Secret? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)          // nobody waits for the writer of a pipe
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .unreadable(path: path, reason: errno == ELOOP ? "it is a symbolic link" : systemReason())
        }
        defer { close(descriptor) }
        try checkOwner(of: descriptor, path)
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return try Secret(checking: String(text.prefix { !$0.isNewline }), from: path)
    }

    private static func checkOwner(of descriptor: Int32, _ path: String) throws(SecretError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, reason: systemReason()) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is not a file") }
        guard status.st_uid == geteuid() || status.st_uid == 0 else { throw .notOurs(path: path, owner: status.st_uid) }
        guard status.st_mode & 0o077 == 0 else { throw .notPrivate(path: path, mode: String(status.st_mode & 0o777, radix: 8)) }
    }

    /// Writes it whole beside its place, and links it there unless another was faster: a start that is killed leaves no half a secret.
    private static func make(_ path: String) throws(SecretError) {
        let part = "\(path).\(Base64.text(RandomBytes.make(6)))"
        let descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .notWritten(path: path, reason: systemReason()) }
        defer {
            close(descriptor)
            unlink(part)
        }
        let line = Array((fresh() + "\n").utf8)
        guard fchmod(descriptor, 0o600) == 0, writeAll(line, by: { write(descriptor, $0, $1) }), fsync(descriptor) == 0, link(part, path) == 0 || errno == EEXIST else {
            throw .notWritten(path: path, reason: systemReason())
        }
        let folder = open(RelativePath.folder(ofFileAt: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)       // the name, too, shall survive a power cut
        if folder >= 0 {
            _ = fsync(folder)
            close(folder)
        }
    }
}
