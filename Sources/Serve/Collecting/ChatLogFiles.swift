import Files
import Glibc
import JSON

/// The current file of a `ChatLog` and the previous one.
struct ChatLogFiles: ~Copyable {
    private let path: String
    private let previousPath: String
    private let limit: Int
    private var file: File

    init(_ path: String, limit: Int) throws(FileError) {
        // Rotation renames the target of a symbolic link, not the link.
        let real = realpath(path, nil).map { real in
            defer { free(real) }
            return String(cString: real)
        } ?? path
        let previousPath = Self.previousPath(of: real)
        let file = try File(real)
        guard restrictToOwner(fileAt: previousPath) else {
            throw .notWritten(path: previousPath, reason: "other users can read it, and it belongs to another user")
        }
        self.path = real
        self.previousPath = previousPath
        self.limit = limit
        self.file = file
    }

    mutating func append(_ line: [UInt8]) throws(FileError) {
        // Another program has moved the file away.
        if !file.isAt(path) { file = try File(path) }
        if file.size > 0, file.size + line.count > limit { try rotate() }
        try file.append(line)
    }

    private mutating func rotate() throws(FileError) {
        guard rename(path, previousPath) == 0 else { throw .writing(path, after: nil) }
        file = try File(path)
    }

    /// Returns `chat_history.1.jsonl` for `chat_history.jsonl`.
    private static func previousPath(of path: String) -> String {
        let name = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let dot = path[name...].dropFirst().lastIndex(of: ".") else { return path + ".1" }
        return path[..<dot] + ".1" + path[dot...]
    }
}

extension ChatLogFiles {
    /// A file that is open for appending and locked against other programs.
    fileprivate struct File: ~Copyable {
        private let path: String
        private let descriptor: Int32
        private(set) var size: Int

        init(_ path: String) throws(FileError) {
            descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
            self.path = path
            size = 0
            guard descriptor != -1 else { throw .writing(path, after: nil) }
            size = try Self.repairEnd(descriptor, path)
        }

        deinit { if descriptor != -1 { close(descriptor) } }

        /// Whether the path still names this file.
        func isAt(_ path: String) -> Bool { Folder.isSame(path, descriptor) }

        mutating func append(_ line: [UInt8]) throws(FileError) {
            var written = 0
            repeat { written = write(descriptor, line, line.count) } while written < 0 && errno == EINTR
            guard written == line.count else {
                if written >= 0 { errno = ENOSPC }              // a partial write: the disk is full
                let error = FileError.writing(path, after: nil)
                _ = ftruncate(descriptor, off_t(size))
                throw error
            }
            size += line.count
        }

        /// Removes a last line that a crash has torn. Ends a complete last line of another program with a newline.
        ///
        /// - Returns: The size of the file.
        private static func repairEnd(_ descriptor: Int32, _ path: String) throws(FileError) -> Int {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw .notWritten(path: path, reason: "it is not a regular file")
            }
            guard restrictToOwner(descriptor) else {
                throw .notWritten(path: path, reason: "other users can read it, and it belongs to user \(status.st_uid)")
            }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw .notWritten(path: path, reason: "another program has locked it")
            }
            let size = Int(status.st_size)
            let start = try startOfLastLine(descriptor, size, path)
            if start == size { return size }
            if isTorn(descriptor, start, size) {
                guard ftruncate(descriptor, off_t(start)) == 0 else { throw .writing(path, after: nil) }
                return start
            }
            guard writeAll([0x0A], by: { write(descriptor, $0, $1) }) else { throw .writing(path, after: nil) }
            return size + 1
        }

        private static func startOfLastLine(_ descriptor: Int32, _ size: Int, _ path: String) throws(FileError) -> Int {
            var end = size
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            while end > 0 {
                let start = max(0, end - bytes.count)
                let count = pread(descriptor, &bytes, end - start, off_t(start))
                guard count == end - start else { throw .unreadable(path: path, reason: systemErrorMessage()) }
                if let newline = bytes[..<count].lastIndex(of: 0x0A) { return start + newline + 1 }
                end = start
            }
            return 0
        }

        /// Whether the last line was torn: it starts like a line of `ChatLog` and is not valid JSON, or it is the zeros that some file
        /// systems leave after a crash.
        private static func isTorn(_ descriptor: Int32, _ start: Int, _ size: Int) -> Bool {
            guard size - start <= LineBlocks.defaultLimit else { return false }
            var bytes = [UInt8](repeating: 0, count: size - start)
            guard pread(descriptor, &bytes, bytes.count, off_t(start)) == bytes.count else { return false }
            if bytes[0] == 0 { return true }
            guard zip(bytes, #"{"timestamp":""#.utf8).allSatisfy({ $0 == $1 }) else { return false }
            return (try? JSONElement(parsing: bytes)) == nil
        }
    }
}
