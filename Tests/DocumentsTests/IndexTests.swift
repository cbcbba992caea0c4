import Documents
import Files
import Glibc
import SQLite
import Testing
import TestSupport

/// Building, updating and opening an index.
@Suite struct IndexTests {
    private let folder = TemporaryFolder()
    private let builder = IndexBuilder(reader: DocumentReader(programs: ""))
    private var index: String { folder("notes.index") }

    init() {
        mkdir(folder("notes"), 0o755)
        folder.write("# Pump\nHold the red button to reset the pump.\n", to: "notes/pump.md")
        folder.write("# Valve\nTurn the valve to the left.\n", to: "notes/valve.md")
    }

    private func found(_ question: String) throws -> [String] {
        try DocumentIndex(index).search(question, limit: 10).passages.map { "\($0.file.split(separator: "/").last ?? ""): \($0.text)" }
    }

    /// Everything that a search or a listing can show.
    private func contents(_ path: String) throws -> [String] {
        let index = try DocumentIndex(path)
        var all: [String] = []
        try index.forEachPassage { all.append("\($0)") }
        for question in ["pump", "valve left", "button", "red the", "fresh", "left behind"] {
            all += try index.search(question, limit: 10).passages.map { "\($0)" }
        }
        return all + (try index.files().map { "\($0)" })
    }

    @Test func `passages are found with file, heading and line`() throws {
        let report = try builder.build([folder("notes")], at: index)
        #expect(report.added == 2 && report.passages == 2 && report.skipped.isEmpty)
        let passage = try #require(try DocumentIndex(index).search("how do I reset pumps?", limit: 1).passages.first)
        #expect(passage.file == folder("notes/pump.md") && passage.title == "Pump" && passage.heading == "Pump" && passage.line == 2)
        #expect(passage.text == "Hold the red button to reset the pump." && passage.score > 0)
        #expect(passage.place == folder("notes/pump.md") + ":2")
        let counts = try DocumentIndex(index).counts()
        #expect([counts.files, counts.passages, counts.tokens] == [2, 2, 17])
    }

    @Test func `an update reads what changed, and finds what a new index would`() throws {
        folder.write("Left behind.\n", to: "notes/old.txt")
        try builder.build([folder("notes")], at: index)
        #expect(try found("behind").count == 1)
        unlink(folder("notes/old.txt"))
        folder.write("# Valve\nTurn the valve to the right, twice.\n", to: "notes/valve.md")
        folder.write("A fresh file about the pump.\n", to: "notes/fresh.txt")
        let report = try builder.update(index)
        #expect([report.added, report.changed, report.unchanged, report.removed] == [1, 1, 1, 1])
        #expect(try found("behind").isEmpty && found("left").isEmpty && found("twice").count == 1 && found("fresh").count == 1)
        try builder.build([folder("notes")], at: folder("new.index"))
        #expect(try contents(index) == contents(folder("new.index")))
        let again = try builder.update(index)
        #expect([again.added, again.changed, again.unchanged, again.removed] == [0, 0, 3, 0])
    }

    @Test func `many random updates equal a new index`() throws {
        try builder.build([folder("notes")], at: index)
        var random = TestRandom(5)
        let words = ["pump", "valve", "left", "red", "button", "fresh", "the", "behind"]
        for round in 0..<40 {
            let name = "notes/f\(random.below(6)).md"
            if random.below(3) == 0 { unlink(folder(name)) } else {
                let text = (0..<random.below(30)).map { _ in words[random.below(words.count)] }.joined(separator: " ")
                folder.write("# \(words[random.below(words.count)])\n\n\(text)\n", to: name)
            }
            try builder.update(index)
            if round % 5 != 0 { continue }
            try builder.build([folder("notes")], at: folder("new.index"))
            #expect(try contents(index) == contents(folder("new.index")))
        }
    }

    @Test func `a file of the same size is read again if its time differs, or is recent`() throws {
        var time = UTCTime.nanosecondsNow + 10_000_000_000
        let builder = IndexBuilder(reader: DocumentReader(programs: ""), now: { time })
        func set(_ seconds: Int) {
            var times = [timespec(tv_sec: seconds, tv_nsec: 7), timespec(tv_sec: seconds, tv_nsec: 7)]
            utimensat(AT_FDCWD, folder("notes/pump.md"), &times, 0)
        }
        set(1_000_000)
        try builder.build([folder("notes")], at: index)
        // Another text with the same size and time is not seen: this is what saves the reading.
        folder.write("# Pump\nHold the big button to reset the pump.\n", to: "notes/pump.md")
        set(1_000_000)
        #expect(try builder.update(index).changed == 0 && found("red").count == 1)
        set(1_000_001)
        #expect(try builder.update(index).changed == 1 && found("red").isEmpty && found("big").count == 1)
        // An index that was made in the same second as the file cannot trust the time.
        time = 1_000_001_000_000_100
        try builder.build([folder("notes")], at: index)
        folder.write("# Pump\nHold the red button to reset the pump.\n", to: "notes/pump.md")
        set(1_000_001)
        #expect(try builder.update(index).changed == 1 && found("red").count == 1)
    }

    @Test func `hidden files, links to folders, and the index itself are left out`() throws {
        mkdir(folder("notes/.git"), 0o755)
        folder.write("hidden pump", to: "notes/.git/a.md")
        folder.write("hidden pump", to: "notes/.b.md")
        symlink(folder("notes"), folder("notes/loop"))
        symlink("pump.md", folder("notes/alias.md"))
        symlink("nothing", folder("notes/broken.md"))
        mkfifo(folder("notes/pipe"), 0o644)
        let report = try builder.build([folder("notes"), folder("notes/pump.md"), folder("notes")], at: folder("notes/own.index"))
        #expect(report.added == 2, "the alias is read under one name")
        #expect(report.skipped.map { String($0.name.dropFirst(folder("notes/").count)) + ": " + $0.reason } == [
            "broken.md: cannot be read: No such file or directory", "pipe: not a regular file",
        ])
        #expect(try builder.update(folder("notes/own.index")).unchanged == 2)
    }

    @Test func `files that cannot be indexed are named, and tried again when they change`() throws {
        folder.write([0, 1, 2, 3], to: "notes/a.png")
        folder.write("PK", to: "notes/b.odt")
        folder.write(" \n", to: "notes/c.txt")
        folder.write("%PDF-1.4", to: "notes/d.pdf")
        var limits = DocumentReader.Limits()
        limits.fileSize = 1_000
        let builder = IndexBuilder(reader: DocumentReader(limits: limits, programs: ""))
        folder.write(String(repeating: "pump ", count: 300), to: "notes/e.txt")
        let reasons = [
            "a.png: not a text", "b.odt: ODT is not supported; save it as PDF, DOCX or text", "c.txt: no text in it",
            "d.pdf: pdftotext is not installed: sudo apt install poppler-utils", "e.txt: larger than 1 MB: 1 MB",
        ]
        func skipped(_ report: IndexReport) -> [String] {
            report.skipped.map { String($0.name.dropFirst(folder("notes/").count)) + ": " + $0.reason }
        }
        let report = try builder.build([folder("notes")], at: index)
        #expect(report.files == 2 && skipped(report) == reasons)
        #expect(try skipped(self.builder.update(index)) == reasons, "the limit is that of the build")
        #expect(try DocumentIndex(index).files().compactMap(\.skipped).count == 5)
        folder.write("A pump.", to: "notes/c.txt")
        let changed = try builder.update(index)
        #expect(changed.added == 1 && changed.skipped.count == 4)
    }

    @Test func `errors say what was expected and what to do`() throws {
        func message(_ body: () throws -> Void) -> String? { #expect(throws: DocumentError.self, performing: body)?.description }
        let missing = message { try builder.build([folder("none")], at: index) }
        #expect(missing == "\(folder("none")): cannot be read: No such file or directory.")
        let text = folder.write("keep me", to: "keep.txt")
        #expect(message { try builder.build([folder("notes")], at: text) }
            == "\(text) exists and is not an index of documents. Choose another name with --out.")
        #expect(try InputFile.contents(of: text) == Array("keep me".utf8))
        mkdir(folder("empty"), 0o755)
        folder.write([0], to: "empty/a.bin")
        #expect(message { try builder.build([folder("empty")], at: index) }
            == "\(folder("empty")): expected files with text, found none; \(folder("empty/a.bin")): not a text.")
        #expect(FileStatus(index) == nil && FileStatus(index + ".part") == nil)
        #expect(message { _ = try DocumentIndex(text) }?.contains("expected an index of documents, found a file of another kind") == true)
        #expect(message { _ = try DocumentIndex(folder.write("", to: "none.index")) }?.contains("found an empty file") == true)
        #expect(message { _ = try DocumentIndex(folder("notes")) }?.contains("found a folder") == true)
        try builder.build([folder("notes")], at: index)
        rename(folder("notes"), folder("moved"))
        #expect(message { try builder.update(index) }
            == "\(folder("notes")): expected a file or folder that was indexed, found nothing. \(index) is unchanged. "
            + "To leave it out, build the index again.")
        #expect(try found("pump").count == 1)
    }

    @Test func `a later format and a damaged file are errors`() throws {
        try builder.build([folder("notes")], at: index)
        let bytes = try InputFile.contents(of: index)
        var later = bytes
        later[63] = 9                                                // the last byte of SQLite's user_version
        folder.write(later, to: "later.index")
        let error = #expect(throws: DocumentError.self) { try DocumentIndex(folder("later.index")) }
        #expect(error == .newerFormat(path: folder("later.index"), version: 9, known: 1))
        // An index of slm has no code of its own that a write would execute.
        folder.write(bytes, to: "trigger.index")
        let trigger = "CREATE TRIGGER t AFTER INSERT ON files BEGIN DELETE FROM passages; END"
        try SQLiteConnection(folder("trigger.index"), timeout: .seconds(5)).execute(trigger)
        #expect(throws: DocumentError.damaged(path: folder("trigger.index"), reason: "its tables are not those of an index")) {
            try DocumentIndex(folder("trigger.index"))
        }
        // Any damage is an error or harmless, never a crash.
        var random = Mutator(seed: 9), errors = 0
        for _ in 0..<fuzzRounds(default: 300) {
            var damaged = bytes
            random.damage(&damaged)
            folder.write(damaged, to: "damaged.index")
            do throws(DocumentError) {
                let index = try DocumentIndex(folder("damaged.index"))
                _ = try index.search("pump button", limit: 5)
                try index.forEachPassage { _ in }
                try builder.update(folder("damaged.index"))
            } catch { errors += 1 }
        }
        #expect(errors > 20)
    }

    @Test func `an index can be built over an empty, a damaged and a later one, but over no other file`() throws {
        try builder.build([folder("notes")], at: index)
        var bytes = try InputFile.contents(of: index)
        bytes[63] = 9
        folder.write(bytes, to: "later.index")
        folder.write("", to: "empty.index")
        try builder.build([folder("notes")], at: folder("damaged.index"))
        try SQLiteConnection(folder("damaged.index"), timeout: .seconds(5)).execute("DROP TABLE passages")
        for name in ["later.index", "empty.index", "damaged.index"] {
            try builder.build([folder("notes")], at: folder(name))
            #expect(try DocumentIndex(folder(name)).search("pump", limit: 1).passages.count == 1, "\(name)")
        }
        folder.write("my notes", to: "mine.txt")
        let mine = folder("mine.txt")
        #expect(throws: DocumentError.wouldReplace(path: mine)) { try builder.build([folder("notes")], at: mine) }
    }

    @Test func `an update of an empty or unreadable folder keeps its files`() throws {
        mkdir(folder("notes/sub"), 0o755)
        folder.write("A nozzle.", to: "notes/sub/nozzle.txt")
        try builder.build([folder("notes")], at: index)
        if getuid() != 0 {
            chmod(folder("notes/sub"), 0)
            defer { chmod(folder("notes/sub"), 0o700) }
            #expect(try builder.update(index).removed == 0 && found("nozzle").count == 1)
        }
        rename(folder("notes"), folder("elsewhere"))
        mkdir(folder("notes"), 0o700)
        #expect(throws: DocumentError.missingRoot(root: folder("notes"), index: index)) { try builder.update(index) }
        #expect(try found("nozzle").count == 1)
    }

    @Test func `a reader reads on during a large update`() throws {
        try builder.build([folder("notes")], at: index)
        let reader = try DocumentIndex(index)
        var isSeen = false
        // The clock is read in the middle of the transaction.
        let slow = IndexBuilder(reader: DocumentReader(programs: ""), now: {
            isSeen = isSeen || (try? reader.search("pump", limit: 1).passages.count) == 1
            return UTCTime.nanosecondsNow
        })
        folder.write("Another pump.", to: "notes/more.txt")
        #expect(try slow.update(index).added == 1 && isSeen)
        #expect(try reader.search("another", limit: 1).passages.count == 1)
    }
}
