import Foundation
import Serve
import TestSupport
import Testing

/// What distinguishes the files of models.
@Suite struct ModelFileIdentityTests {
    private let folder = TemporaryFolder(in: TemporaryFolder.inMemory)

    private func digest(_ name: String) throws -> String { try ModelFileIdentity(folder(name)).digest }

    @Test func `a file is identified by its contents, not by its name`() throws {
        let first = try ModelFileIdentity(folder.write("abc", to: "a"))
        #expect(first.path == folder("a") && first.sizeBytes == 3)
        folder.write("abc", to: "b")
        folder.write("abd", to: "c")
        #expect(try first.digest == digest("b") && first.digest != digest("c"))
    }

    @Test func `a folder is identified by the names and contents of its files`() throws {
        try FileManager.default.createDirectory(atPath: folder("model/more"), withIntermediateDirectories: true)
        folder.write("abc", to: "model/a")
        folder.write("de", to: "model/b")
        let whole = try ModelFileIdentity(folder("model"))
        #expect(whole.path == folder("model") && whole.sizeBytes == 5)
        // Hidden files and folders in it are no part of the model.
        folder.write("x", to: "model/.hidden")
        folder.write("x", to: "model/more/c")
        #expect(try ModelFileIdentity(folder("model/")) == whole)
        folder.write("df", to: "model/b")
        #expect(try digest("model") != whole.digest)
        folder.write("de", to: "model/b")
        #expect(try digest("model") == whole.digest)
        try FileManager.default.moveItem(atPath: folder("model/b"), toPath: folder("model/c"))
        #expect(try digest("model") != whole.digest)
    }

    @Test func `of a large file parts are read, among them its beginning and its end`() throws {
        let limit = 8 << 20
        func digest(_ count: Int, changedAt position: Int? = nil) throws -> String {
            var bytes = [UInt8](repeating: 0, count: count)
            if let position { bytes[position] = 1 }
            return try ModelFileIdentity(folder.write(bytes, to: "large")).digest
        }
        let whole = try digest(limit), parts = try digest(limit + 1)
        #expect(try digest(limit, changedAt: 65_536) != whole && parts != whole)
        // 64 parts of 64 kB, whose beginnings are 132,112 bytes apart.
        for (position, isRead) in [
            (0, true), (65_535, true), (65_536, false), (132_111, false), (132_112, true), (63 * 132_112, true), (limit - 1, true),
            (limit, true),
        ] { #expect(try (digest(limit + 1, changedAt: position) != parts) == isRead, "\(position)") }
    }

    @Test func `the path is absolute`() throws {
        let current = FileManager.default.currentDirectoryPath
        let up = Array(repeating: "..", count: current.split(separator: "/").count).joined(separator: "/")
        let relative = up + folder.write("abc", to: "a")
        for path in [relative, "./" + relative] { #expect(try ModelFileIdentity(path).path == "\(current)/\(relative)") }
    }
}
