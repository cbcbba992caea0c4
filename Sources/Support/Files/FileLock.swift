import Glibc

/// An exclusive lock of a file. It is held as long as its descriptor is open anywhere: here, or in a program that inherited it.
///
///     guard let lock = try FileLock("run.lock") else { return }    // another process has it
///
/// The system releases it when the last holder ends, also by SIGKILL. A program that is being started holds it for a moment: its process
/// has a copy of all descriptors until it runs the program.
package struct FileLock: ~Copyable {
    package let descriptor: Int32

    /// Ten milliseconds apart.
    private static let attempts = 10

    /// Creates the file if it does not exist. Returns nil if another process, or another value in this one, holds the lock.
    package init?(_ path: String) throws(FileError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .writing(path, after: nil) }
        var attempts = Self.attempts
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            attempts -= 1
            if errno == EWOULDBLOCK, attempts > 0 {
                usleep(10_000)
                continue
            }
            let isHeld = errno == EWOULDBLOCK
            let error = FileError.writing(path, after: nil)
            close(descriptor)
            if isHeld { return nil }
            throw error
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Whether a process holds the lock. A file that does not exist is not locked.
    package static func isHeld(_ path: String) throws(FileError) -> Bool {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return false }
            throw .unreadable(path: path, reason: systemErrorMessage())
        }
        defer { close(descriptor) }
        if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return false }
        guard errno == EWOULDBLOCK else { throw .unreadable(path: path, reason: systemErrorMessage()) }
        return true
    }
}
