import Files
import Glibc
import TestSupport
import Testing

@Suite struct AtomicFileTests {
    let folder = TemporaryFolder()

    private func write(_ text: String, to name: String) throws(FileError) {
        var file = try AtomicFile(folder(name))
        try file.write(Array(text.utf8))
        try file.commit()
    }

    private func text(_ name: String) throws -> String { String(decoding: try InputFile.contents(of: folder(name)), as: UTF8.self) }

    @Test func `the old file is unchanged until commit`() throws {
        try write("old", to: "a")
        var file = try AtomicFile(folder("a"))
        try file.write(Array("new".utf8))
        #expect(try text("a") == "old" && folder.names == ["a", "a.part"] && file.count == 3)
        try file.finish()
        #expect(try text("a") == "old")
        try file.commit()
        #expect(try text("a") == "new" && folder.names == ["a"])
    }

    @Test func `a file that is not committed leaves nothing`() throws {
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            var file = try AtomicFile(folder("a"))
            try file.write([UInt8](repeating: 1, count: 3 << 20))
            throw Stop()
        }
        #expect(folder.names == [])
    }

    @Test(arguments: [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000]) func `all bytes are written, in pieces of any size`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 131 >> 3) }
        var file = try AtomicFile(folder("a")), start = 0, piece = 1
        while start < count {
            try file.write(Array(bytes[start..<min(count, start + piece)]))
            start = min(count, start + piece)
            piece = piece * 3
        }
        try file.commit()
        #expect(try InputFile.contents(of: folder("a")) == bytes)
    }

    @Test func `the part of a killed program is overwritten`() throws {
        folder.write("half a file, and longer than the next", to: "a.part")
        try write("x", to: "a")
        #expect(try text("a") == "x" && folder.names == ["a"])
    }

    @Test func `a second writer of the same file is rejected`() throws {
        let first = try AtomicFile(folder("a"))
        #expect(throws: FileError.notWritten(path: folder("a"), reason: "another program is writing it (\(folder("a.part")))")) {
            _ = try AtomicFile(folder("a"))
        }
        try first.commit()
        try write("second", to: "a")
        #expect(try text("a") == "second")
    }

    @Test func `permissions are kept and a symbolic link is followed`() throws {
        try write("old", to: "a")
        #expect(chmod(folder("a"), 0o640) == 0 && symlink(folder("a"), folder("link")) == 0)
        try write("new", to: "link")
        var status = stat()
        #expect(lstat(folder("a"), &status) == 0 && status.st_mode & 0o777 == 0o640)
        #expect(try text("a") == "new" && lstat(folder("link"), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }

    @Test func `devices and folders are not replaced`() {
        for path in ["/dev/null", "/dev/full", folder.path] {
            #expect(throws: FileError.notWritten(path: path, reason: "it is not a regular file")) { _ = try AtomicFile(path) }
        }
        #expect(throws: FileError.notWritten(path: folder("no/a"), reason: "No such file or directory")) {
            _ = try AtomicFile(folder("no/a"))
        }
    }

    /// The limit applies to the whole process: it is above the size of any file of other tests.
    @Test func `exceeding the file size limit is an error and keeps the old file`() throws {
        try write("old", to: "a")
        var before = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before)
        var limit = rlimit(rlim_cur: 24 << 20, rlim_max: before.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &before) }
        let error = #expect(throws: FileError.self) {
            var file = try AtomicFile(folder("a"))
            for _ in 0..<32 { try file.write([UInt8](repeating: 7, count: 1 << 20)) }
        }
        #expect(error == .diskFull(path: folder("a"), reason: "File too large", bytes: 25 << 20))
        #expect(try text("a") == "old" && folder.names == ["a"])
    }
}
