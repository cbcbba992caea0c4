import Documents
import Files
import Foundation
import Synchronization
import Testing
import TestSupport

/// An index that a server keeps open.
@Suite struct SharedIndexTests {
    private let folder = TemporaryFolder()
    private let builder = IndexBuilder(reader: DocumentReader(programs: ""))
    private var path: String { folder("x.index") }

    private func build(_ text: String) throws {
        folder.write(text, to: "a.txt")
        try builder.build([folder("a.txt")], at: path)
    }

    @Test func `it is opened again when its file has changed`() throws {
        try build("The pump.\n")
        let opened = Mutex(0)
        let index = try SharedIndex(path, named: "x") { _ in
            opened.withLock { $0 += 1 }
            return nil
        }
        func found() throws -> [String] { try index.passages(for: "pump", limit: 3).map(\.text) }
        #expect(try found() == ["The pump."] && found() == ["The pump."] && opened.withLock { $0 } == 1)
        try build("The other pump.\n")
        #expect(try found() == ["The other pump."] && opened.withLock { $0 } == 2)
        folder.write("A third pump.\n", to: "a.txt")
        try builder.update(path)
        #expect(try found() == ["A third pump."] && index.counts().passages == 1)
        unlink(path)
        #expect(throws: DocumentError.file(.unreadable(path: path, reason: "No such file or directory"))) { try found() }
        try build("Back.\n\nThe pump.\n")
        #expect(try found() == ["Back.\n\nThe pump."])
    }

    @Test func `an index that is missing or damaged cannot be opened`() throws {
        #expect(throws: DocumentError.self) { try SharedIndex(path, named: "x") }
        folder.write("not an index, but text of some length to be read", to: "x.index")
        #expect(throws: DocumentError.notAnIndex(path: path, found: "a file of another kind")) { try SharedIndex(path, named: "x") }
    }

    @Test func `searches never change it`() throws {
        try build("The pump.\n")
        let before = try #require(FileStatus(path))
        chmod(path, 0o444)
        let index = try SharedIndex(path, named: "x")
        _ = try index.passages(for: "pump", limit: 3)
        #expect(FileStatus(path) == before)
    }

    @Test func `files are named from what was indexed on`() throws {
        for name in ["notes", "notes/deep", "more"] { mkdir(folder(name), 0o755) }
        for name in ["notes/deep/a.txt", "notes/b.txt", "more/c.txt", "d.txt"] { folder.write("The pump.\n\(name)\n", to: name) }
        try builder.build([folder("notes"), folder("more") + "/", folder("d.txt")], at: path)
        let names = try SharedIndex(path, named: "x").passages(for: "pump", limit: 9).map(\.file)
        #expect(names.sorted() == ["b.txt", "c.txt", "d.txt", "deep/a.txt"])
    }

    @Test func `a file has its passages in order, and what has become of it since it was indexed`() throws {
        for name in ["notes", "notes/deep"] { mkdir(folder(name), 0o755) }
        folder.write("# One\nThe pump.\n# Two\nThe valve.\n", to: "notes/a.md")
        folder.write("The gauge.\n", to: "notes/deep/a.md")
        folder.write("", to: "notes/empty.md")
        try builder.build([folder("notes")], at: path)
        let index = try SharedIndex(path, named: "x")
        func state() throws -> SourceState { try index.passages(of: "a.md", from: 0, limit: 1).state }
        let found = try index.passages(of: "a.md", from: 1, limit: 5)
        #expect(found.total == 2 && found.passages.map(\.text) == ["The valve."] && found.state == .unchanged)
        #expect(found.passages.map(\.file) == ["a.md"] && found.passages.map(\.documents) == ["x"] && found.passages.map(\.position) == [1])
        #expect(try index.passages(of: "deep/a.md", from: 0, limit: 5).passages.map(\.text) == ["The gauge."])
        for name in ["b.md", "", "notes/a.md", folder("notes/a.md"), "empty.md"] {
            #expect(throws: DocumentError.noSuchFile(name: name, index: path, suggestion: nil)) {
                try index.passages(of: name, from: 0, limit: 1)
            }
        }
        // A copy of the same contents has another time.
        folder.write("# One\nThe pump.\n# Two\nThe valve.\n", to: "notes/a.md")
        #expect(try state() == .unchanged)
        folder.write("# One\nThe pipe.\n# Two\nThe valve.\n", to: "notes/a.md")
        #expect(try state() == .changed)
        folder.write("Longer than before: the pump, the pipe and the valve.\n", to: "notes/a.md")
        #expect(try state() == .changed)
        unlink(folder("notes/a.md"))
        #expect(try state() == .missing)
        mkdir(folder("notes/a.md"), 0o755)
        #expect(try state() == .missing)
    }

    @Test func `files of different folders may have the same name`() throws {
        for name in ["one", "two"] {
            mkdir(folder(name), 0o755)
            folder.write("The pump of \(name).\n", to: "\(name)/README.md")
        }
        try builder.build([folder("one"), folder("two")], at: path)
        let index = try SharedIndex(path, named: "x")
        #expect(throws: DocumentError.ambiguousFile(name: "README.md", index: path, count: 2)) {
            try index.passages(of: "README.md", from: 0, limit: 1)
        }
    }

    @Test func `other searches go on while a reranker reads`() throws {
        let texts = ["a.txt": "The old pump.", "b.txt": "A pump.", "c.txt": "The very old pump."]
        for (name, text) in texts { folder.write(text, to: name) }
        try builder.build(texts.keys.map { folder($0) }, at: path)
        let shared = Mutex<SharedIndex?>(nil), counts = Mutex(0)
        let index = try SharedIndex(path, named: "x", reranker: {
            TextReranker { _, passages in
                // A search within this one, which would wait for ever if this one held the index.
                if let passages = try? shared.withLock({ $0 })?.counts().passages { counts.withLock { $0 += passages } }
                return passages.map { Double($0.count) }
            }
        })
        shared.withLock { $0 = index }
        let found = try index.passages(for: "pump", limit: 2)
        #expect(found.map(\.text) == ["The very old pump.", "The old pump."] && found.map(\.documents) == ["x", "x"])
        #expect(counts.withLock { $0 } == 3)
    }

    @Test func `threads share it`() throws {
        try build("The pump.\n")
        let index = try SharedIndex(path, named: "x")
        let versions = (0..<5).map { folder("\($0).txt") }, path = path
        for i in versions.indices { folder.write("The pump \(i).\n", to: "\(i).txt") }
        DispatchQueue.concurrentPerform(iterations: 5) { thread in
            do {
                if thread == 0 { for file in versions { try IndexBuilder(reader: DocumentReader(programs: "")).build([file], at: path) } }
                for _ in 0..<50 { _ = try index.passages(for: "pump", limit: 1) }
            } catch { Issue.record("\(error)") }
        }
        #expect(try index.passages(for: "pump", limit: 1).map(\.text) == ["The pump 4."])
    }
}
