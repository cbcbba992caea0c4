import Files
import Glibc
import Testing
import TestSupport

@Suite struct FileStatusTests {
    private let folder = TemporaryFolder()

    @Test func `a status has kind, size and time`() throws {
        let path = folder.write("abc", to: "a"), before = UTCTime.nanosecondsNow
        let status = try #require(FileStatus(path))
        #expect(status.kind == .file && status.size == 3 && abs(status.modified - before) < 60_000_000_000)
        #expect(FileStatus(folder.path)?.kind == .folder)
        symlink(path, folder("link"))
        #expect(FileStatus(folder("link")) == status && FileStatus(folder("link"), followingLinks: false)?.kind == .link)
        mkfifo(folder("pipe"), 0o600)
        #expect(FileStatus(folder("pipe"))?.kind == .other)
        #expect(FileStatus(folder("none")) == nil && errno == ENOENT)
    }

    @Test func `an absolute path has no links`() throws {
        folder.write("abc", to: "a")
        symlink("a", folder("link"))
        #expect(try RelativePath.absolute(folder("link")) == RelativePath.absolute(folder("a")))
        #expect(throws: FileError.unreadable(path: folder("none"), reason: "No such file or directory")) {
            try RelativePath.absolute(folder("none"))
        }
    }

    @Test func `another library may write the part of a file`() throws {
        folder.write("old", to: "a")
        let file = try AtomicFile(folder("a"))
        let part = try #require(fopen(file.part, "w"))
        fputs("new text", part)
        fclose(part)
        #expect(try InputFile.contents(of: folder("a")) == Array("old".utf8))
        try file.commit()
        #expect(try InputFile.contents(of: folder("a")) == Array("new text".utf8) && folder.names == ["a"])
    }
}
