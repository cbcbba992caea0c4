import Files
import Glibc
import JSON

/// The file that collected chats are written to, and the one before it, with what is counted of them. See `ChatLog`.
struct ChatLogFiles: ~Copyable {
    private let path, older: String
    private let limit: Int
    private var file: File
    private var olderCount: Int

    init(_ path: String, limit: Int) throws(FileError) {
        // A link stays a link when the file that it leads to is replaced.
        let real = realpath(path, nil).map { real in
            defer { free(real) }
            return String(cString: real)
        } ?? path
        let older = Self.nameOfOlder(real), file = try File(real)
        olderCount = try Self.lines(ofOlder: older)
        self.path = real
        self.older = older
        self.limit = limit
        self.file = file
    }

    var count: Int { olderCount + file.lines }

    /// Without one that nothing was written to yet.
    var paths: [String] {
        [older, path].filter {
            var status = stat()
            return stat($0, &status) == 0 && status.st_size > 0
        }
    }

    mutating func append(_ line: [UInt8]) throws(FileError) {
        if !file.isStill(at: path) { try reopen() }
        if file.size > 0, file.size + line.count > limit { try rotate() }
        try file.append(line)
    }

    /// The file was taken away, and perhaps the older one too.
    private mutating func reopen() throws(FileError) {
        file = try File(path)
        olderCount = try Self.lines(ofOlder: older)
    }

    private mutating func rotate() throws(FileError) {
        guard rename(path, older) == 0 else { throw .writing(path) }
        olderCount = file.lines
        file = try File(path)
    }

    /// `chat_history.1.jsonl` for `chat_history.jsonl`.
    private static func nameOfOlder(_ path: String) -> String {
        let folder = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let dot = path[folder...].dropFirst().lastIndex(of: ".") else { return path + ".1" }
        return path[..<dot] + ".1" + path[dot...]
    }

    private static func lines(ofOlder path: String) throws(FileError) -> Int { access(path, F_OK) == 0 ? try lines(of: path) : 0 }

    fileprivate static func lines(of path: String) throws(FileError) -> Int {
        var blocks = try LineBlocks(path), lines = 0
        while let block = try blocks.next() { block.forEachLineRange { range, _ in if !range.isEmpty { lines += 1 } } }
        return lines
    }
}

extension ChatLogFiles {
    /// One file, which nobody else writes to meanwhile.
    fileprivate struct File: ~Copyable {
        private let path: String
        private let descriptor: Int32
        private(set) var size: Int
        private(set) var lines: Int

        init(_ path: String) throws(FileError) {
            descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o600)
            self.path = path
            size = 0
            lines = 0
            guard descriptor >= 0 else { throw .writing(path) }
            size = try Self.mended(descriptor, path)
            lines = try ChatLogFiles.lines(of: path)
        }

        deinit { if descriptor >= 0 { close(descriptor) } }

        /// Whether this is what stands at a path.
        func isStill(at path: String) -> Bool {
            var mine = stat(), named = stat()
            return fstat(descriptor, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev
        }

        mutating func append(_ line: [UInt8]) throws(FileError) {
            var written = 0
            repeat { written = write(descriptor, line, line.count) } while written < 0 && errno == EINTR
            guard written == line.count else {
                if written >= 0 { errno = ENOSPC }              // some of it found room, and no more
                let error = FileError.writing(path)
                _ = ftruncate(descriptor, off_t(size))
                throw error
            }
            size += line.count
            lines += 1
        }

        /// The size once the end is the end of a line: one of ours that a crash tore is taken away, and another's gets its end.
        private static func mended(_ descriptor: Int32, _ path: String) throws(FileError) -> Int {
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                throw .notWritten(path: path, reason: "it is not a file")
            }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { throw .notWritten(path: path, reason: "another program is writing it") }
            let size = Int(status.st_size), start = try startOfLastLine(descriptor, size, path)
            if start == size { return size }
            if isTorn(descriptor, start, size) {
                guard ftruncate(descriptor, off_t(start)) == 0 else { throw .writing(path) }
                return start
            }
            guard writeAll([0x0A], by: { write(descriptor, $0, $1) }) else { throw .writing(path) }
            return size + 1
        }

        private static func startOfLastLine(_ descriptor: Int32, _ size: Int, _ path: String) throws(FileError) -> Int {
            var end = size, bytes = [UInt8](repeating: 0, count: 1 << 16)
            while end > 0 {
                let start = max(0, end - bytes.count), count = pread(descriptor, &bytes, end - start, off_t(start))
                guard count == end - start else { throw .unreadable(path: path, reason: systemErrorMessage()) }
                if let newline = bytes[..<count].lastIndex(of: 0x0A) { return start + newline + 1 }
                end = start
            }
            return 0
        }

        /// Whether the last line is one of ours that is not whole, or what a file system leaves where nothing was written yet: zeros.
        private static func isTorn(_ descriptor: Int32, _ start: Int, _ size: Int) -> Bool {
            guard size - start <= LineBlocks.defaultLimit else { return false }
            var bytes = [UInt8](repeating: 0, count: size - start)
            guard pread(descriptor, &bytes, bytes.count, off_t(start)) == bytes.count else { return false }
            if bytes[0] == 0 { return true }
            guard zip(bytes, #"{"timestamp":""#.utf8).allSatisfy({ $0 == $1 }) else { return false }
            var parser = JSONParser()
            return (try? parser.parse(bytes)) == nil
        }
    }
}
