import Files
import Glibc
import TestSupport
import Testing

@Suite struct FolderTests {
    let folder = TemporaryFolder()

    @Test func `files are sorted, without hidden files, other extensions and linked folders`() throws {
        try Folder.create(folder("sub/deep"))
        for name in ["b.txt", "a.txt", "B.jsonl", "é.txt", ".hidden.txt", "c.bin", "sub/z.txt", "sub/deep/y.jsonl", "sub-a.txt"] {
            folder.write("", to: name)
        }
        #expect(symlink(folder("sub"), folder("loop")) == 0 && symlink(folder.path, folder("sub/up")) == 0)
        #expect(symlink(folder("c.bin"), folder("link.txt")) == 0 && symlink(folder("nowhere"), folder("dead.txt")) == 0)
        let found = try Folder.files(at: [folder.path], withExtensions: [".txt", ".jsonl"])
        #expect(
            found == ["B.jsonl", "a.txt", "b.txt", "link.txt", "sub/deep/y.jsonl", "sub/z.txt", "sub-a.txt", "é.txt"].map { folder($0) })
        #expect(
            try Folder.files(at: [folder("c.bin"), "-", folder("sub") + "/"], withExtensions: [".txt"]) == [
                folder("c.bin"), "-", folder("sub/z.txt"),
            ])
    }

    @Test func `a folder without matching files names the extensions`() {
        let error = #expect(throws: FileError.self) { try Folder.files(at: [folder.path], withExtensions: [".txt", ".jsonl"]) }
        #expect(error?.description == "\(folder.path): no file in it ends in .txt, .jsonl.")
        #expect(throws: FileError.unreadable(path: folder("x"), reason: "No such file or directory")) {
            try Folder.files(at: [folder("x")], withExtensions: [])
        }
    }

    @Test func `folders are created with their parents`() throws {
        try Folder.create(folder("a/b/c"))
        try Folder.create(folder("a/b/c/"))
        #expect(folder.names == ["a"])
        folder.write("", to: "file")
        #expect(throws: FileError.notWritten(path: folder("file"), reason: "it is not a folder")) { try Folder.create(folder("file/x")) }
    }

    @Test(arguments: [true, false]) func `bytes are copied out of a file`(staysOpen: Bool) throws {
        let file = try MappedFile(folder.write([1, 2, 3, 4, 5] as [UInt8], to: "bytes"), staysOpen: staysOpen)
        var bytes: [UInt8] = [0, 0, 0]
        bytes.withUnsafeMutableBytes { file.copy(1, into: $0) }
        #expect(bytes == [2, 3, 4])
    }

    @Test func `a mapped file is read as numbers and a remainder is ignored`() throws {
        let file = try MappedFile(folder.write([1, 0, 0, 1, 9] as [UInt8], to: "numbers"))
        #expect(file.count == 5)
        #expect(file.read(as: UInt16.self) { ids in ids.indices.map { ids[$0] } } == [1, 256])
        #expect(try MappedFile(folder.write("", to: "nothing")).read(as: UInt64.self) { $0.count } == 0)
        #expect(throws: FileError.unreadable(path: folder.path, reason: "it is not a regular file")) { _ = try MappedFile(folder.path) }
    }
}
