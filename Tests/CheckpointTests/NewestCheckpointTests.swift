import Checkpoint
import Files
import Glibc
import Testing
import TestSupport

@Suite struct NewestCheckpointTests {
    private let folder = TemporaryFolder()

    /// Writes a file and sets its modification time in seconds since 1970.
    private func put(_ path: String, at second: Int) throws {
        try Folder.create(forFileAt: folder(path))
        folder.write([1], to: path)
        var times = (timeval(tv_sec: second, tv_usec: 0), timeval(tv_sec: second, tv_usec: 0))
        withUnsafePointer(to: &times) { $0.withMemoryRebound(to: timeval.self, capacity: 2) { _ = utimes(folder(path), $0) } }
    }

    private var newest: String? { Checkpoint.newest(under: folder.path).map { String($0.dropFirst(folder.path.utf8.count + 1)) } }

    @Test func `the newest fine-tuned run wins, otherwise the newest run`() throws {
        #expect(newest == nil && Checkpoint.newest(under: folder("none")) == nil)
        try put("notes.txt", at: 900)
        try put("empty/report.html", at: 900)
        try put(".hidden/best.h5", at: 900)
        #expect(newest == nil)
        try put("b/best.h5", at: 500)
        try put("a/best.h5", at: 600)
        #expect(newest == "a/best.h5")
        try put("gpt2.h5", at: 700)
        #expect(newest == "gpt2.h5")
        try put("finetuned_20260102_000000/best.h5", at: 100)
        #expect(newest == "finetuned_20260102_000000/best.h5")
        try put("finetuned_20260101_000000/best.h5", at: 200)
        #expect(newest == "finetuned_20260101_000000/best.h5")
        try put("finetuned_20260103_000000/best.h5", at: 200)
        #expect(newest == "finetuned_20260103_000000/best.h5", "with equal times, the later name wins")
    }

    @Test func `best.h5 wins over last.h5, which counts before the first evaluation`() throws {
        try put("a/last.h5", at: 500)
        #expect(newest == "a/last.h5")
        try put("a/best.h5", at: 400)
        #expect(newest == "a/best.h5")
        try put("b/last.h5", at: 450)
        #expect(newest == "b/last.h5")
    }
}
