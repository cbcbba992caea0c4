import Foundation
import Glibc
import Gzip
import Store
import TestSupport
import Testing
import Threads

@Suite struct BackupFileTests {
    let folder = TemporaryFolder(in: TemporaryFolder.inMemory)
    let source: TestDatabase
    let path: String

    init() throws {
        source = try TestDatabase(.sqlite)
        path = folder("backup.tar")
        let store = try source.store(), ada = try store.addTestUser("ada")
        for i in 0..<20 { _ = try store.createConversation("chat \(i)", for: ada, question: NewMessage(.user, "question \(i)")) }
        folder.write("weights of a model", to: "best.h5")
        try Backup.write(DatabaseURL(source.url), to: path, checkpoints: [folder("best.h5")], by: "slm 0.1.0")
    }

    private func bytes() throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

    private func error(_ bytes: [UInt8]) -> StoreError? {
        let file = folder.write(bytes, to: "changed.tar")
        do throws(StoreError) { try Backup.verify(file) } catch { return error }
        return nil
    }

    @Test func `a backup is a tar archive of JSON lines with checksums, for its owner only`() throws {
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let file = try BackupFile(path), checkpoint = "checkpoints/\(folder.path.split(separator: "/").last ?? "")/best.h5"
        #expect(file.names == ["backup.json"] + BackupTables.all.map { "tables/\($0).jsonl.gz" } + [checkpoint, "SHA256SUMS"])
        let lines = String(decoding: try file.lines(of: "messages"), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 20 && lines[0].contains(#""role":"user","content":"question 0""#))
        // Mode, user and group of the first file.
        #expect(try Array(bytes()[100..<124]) == Array("0000600\0".utf8) + Array("0000000\0".utf8) + Array("0000000\0".utf8))
        #expect(try Array(bytes()[257..<265]) == Array("ustar\0".utf8) + Array("00".utf8))
        let size = try bytes().count
        #expect(file.archive.count == size)
        #expect(error(file.archive) == nil, "an archive of another program is read, too")
        #expect(file.members[file.names.count - 2].bytes == Array("weights of a model".utf8))
    }

    @Test func `headers are read as other programs write them`() throws {
        let file = try BackupFile(path), size = file.members[0].bytes.count, octal = String(size, radix: 8)
        let binary: [UInt8] = [0x80, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * $0)) }
        func field(_ bytes: [UInt8], at offset: Int) -> StoreError? {
            error(file.changingHeader { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) })
        }
        func padded(_ text: String) -> [UInt8] { Array((String(repeating: " ", count: 12 - text.utf8.count) + text).utf8) }
        for size in [binary, padded(octal), padded(octal + " "), padded(octal + "\0"), padded(octal + " \0")] {
            #expect(field(size, at: 124) == nil, "\(size)")
        }
        let tooLarge: [UInt8] = [0x80, 0, 0, 0, 0x80] + binary[5...]
        for size in [padded(octal + "x"), padded(octal + " 1"), padded(""), padded("8"), [0x80, 0, 1, 0] + binary[4...], tooLarge] {
            #expect(field(size, at: 124)?.description.contains("byte 0 is not the beginning of a file") == true, "\(size)")
        }
        // The kind of a regular file, and the end of the prefix of a name.
        for (offset, byte, isAccepted) in [(156, 0, true), (156, 0x35, false), (345, 1, false), (499, 1, false), (500, 1, true)] {
            #expect((field([UInt8(byte)], at: offset) == nil) == isAccepted, "\(offset)")
        }
        #expect(field(Array("ustar ".utf8), at: 257) == nil && field(Array("istar".utf8), at: 257) != nil)
        #expect(field(Array("ustax".utf8), at: 257) != nil)
    }

    /// Eleven octal digits hold 33 bits.
    @Test func `a time after the year 2242 is a binary number`() throws {
        for (seconds, field) in [((1 << 33) - 1, Array("77777777777\0".utf8)), (1 << 33, [0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0])] {
            var options = StoreOptions()
            options.now = { Timestamp(milliseconds: Int64(seconds) * 1_000) }
            try Backup.write(DatabaseURL(source.url), to: folder("late.tar"), by: "test", options)
            let bytes = Array(try Data(contentsOf: URL(filePath: folder("late.tar"))))
            #expect(Array(bytes[136..<148]) == field && error(bytes) == nil)
        }
    }

    @Test func `the checkpoints are copied out, and existing files are kept`() throws {
        let name = try #require(try Backup.verify(path).manifest.checkpoints.first)
        let paths = try Backup.extractCheckpoints(of: path, to: folder("models"), replaces: false)
        #expect(paths == ["\(folder("models"))/\(name)"])
        #expect(try String(contentsOfFile: paths[0], encoding: .utf8) == "weights of a model")
        #expect(throws: StoreError.self) { try Backup.extractCheckpoints(of: path, to: folder("models"), replaces: false) }
        _ = try Backup.extractCheckpoints(of: path, to: folder("models"), replaces: true)
    }

    @Test func `verifying and restoring report their progress`() throws {
        var shares: [Backup.Stage: [Double]] = [:]
        try Backup.restore(path, into: DatabaseURL("sqlite:" + folder("restored.db"))) { stage, share in
            shares[stage, default: []].append(share)
        }
        for stage in [Backup.Stage.verifying, .restoring] {
            let found = try #require(shares[stage])
            #expect(found == found.sorted() && found.allSatisfy { (0...1).contains($0) }, "\(stage): \(found)")
        }
    }

    @Test func `saving tables and copying a checkpoint report their progress`() throws {
        folder.write([UInt8](repeating: 7, count: 2_500_000), to: "large.h5")
        var shares: [Backup.Stage: [Double]] = [:]
        let summary = try Backup.write(
            DatabaseURL(source.url), to: folder("large.tar"), checkpoints: [folder("large.h5")], by: "test"
        ) { stage, share in shares[stage, default: []].append(share) }
        for stage in [Backup.Stage.saving, .copying] {
            let found = try #require(shares[stage])
            #expect(found.count > 1 && found == found.sorted() && found.last == 1 && found[0] > 0, "\(stage): \(found)")
        }
        #expect(try summary.bytes == Data(contentsOf: URL(filePath: folder("large.tar"))).count && summary.manifest.rows > 40)
    }

    /// A header has 100 bytes for "checkpoints/", the folder and the name.
    @Test func `the name of a checkpoint has at most 88 bytes with its folder`() throws {
        let length = 87 - (folder.path.split(separator: "/").last?.utf8.count ?? 0)
        let names = [length, length + 1].map { String(repeating: "n", count: $0) }
        for name in names { folder.write("weights", to: name) }
        try Backup.write(DatabaseURL(source.url), to: folder("long.tar"), checkpoints: [folder(names[0])], by: "test")
        #expect(try Backup.verify(folder("long.tar")).manifest.checkpoints.first?.utf8.count == 88)
        let error = #expect(throws: StoreError.self) {
            try Backup.write(DatabaseURL(source.url), to: folder("long.tar"), checkpoints: [folder(names[1])], by: "test")
        }
        #expect(error?.description.contains("its name is too long for a backup") == true)
    }

    /// A pipe holds less than a part of an archive, so that the reader gets parts in pieces.
    @Test func `a backup can be read from a pipe`() throws {
        folder.write([UInt8](repeating: 7, count: 1_500_000), to: "large.h5")
        let path = folder("large.tar"), pipe = folder("pipe")
        try Backup.write(DatabaseURL(source.url), to: path, checkpoints: [folder("large.h5")], by: "test")
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(mkfifo(pipe, 0o600) == 0)
        try BackgroundThread.run {
            guard let file = FileHandle(forWritingAtPath: pipe) else { return }
            try? file.write(contentsOf: bytes)
            try? file.close()
        }
        #expect(try Backup.verify(pipe).manifest == Backup.verify(path).manifest)
    }

    @Test func `two checkpoints of one name, and one that does not exist, are refused before anything is written`() throws {
        for files in [[folder("best.h5"), folder("best.h5")], [folder("none.h5")]] {
            #expect(throws: StoreError.self) {
                try Backup.write(DatabaseURL(source.url), to: folder("other.tar"), checkpoints: files, by: "test")
            }
        }
        #expect(folder.names == ["backup.tar", "best.h5"])
    }

    @Test func `a file cut short is refused`() throws {
        let whole = try bytes(), borders = try BackupFile(path).borders
        let lengths = Set(borders.flatMap { [$0 - 1, $0, $0 + 1] } + Array(stride(from: 0, to: whole.count, by: 97)) + [whole.count - 1])
        for length in lengths.sorted() where (0..<whole.count).contains(length) {
            let found = error(Array(whole[..<length]))
            let error = try #require(found, "\(length) of \(whole.count) bytes")
            guard case .backup = error else { Issue.record("\(error)"); return }
        }
        #expect(error(whole) == nil)
    }

    @Test func `a changed bit anywhere is noticed`() throws {
        let whole = try bytes()
        var random = TestRandom(5)
        for at in stride(from: 0, to: whole.count, by: 11) {
            var changed = whole
            changed[at] ^= 1 << UInt8(random.below(8))
            #expect(error(changed) != nil, "byte \(at)")
        }
    }

    @Test func `the errors say what is wrong`() throws {
        let file = try BackupFile(path), name = folder("changed.tar")
        func sentence(_ bytes: [UInt8]) -> String { error(bytes)?.description ?? "no error" }
        #expect(sentence(Array("PGDMP".utf8))
            == "the backup \(name) is damaged: it ends after 5 bytes, in the middle. Restore another backup.")
        #expect(sentence([UInt8](repeating: 65, count: 1_000)) == "\(name) is not a backup of slm: it does not begin with backup.json in a "
            + "tar archive. Choose a file that slm admin backup wrote.")
        let less = try file.changingLines(of: "users") { $0 = [] }
        #expect(sentence(less).contains("table users ends after 0 of its 1 rows."))
        let more = try file.changingLines(of: "users") { $0 += Array("{}\n".utf8) }
        #expect(sentence(more).contains("table users has more than its 1 rows."))
        let invalid = try file.changingLines(of: "users") { $0[0] = UInt8(ascii: "x") }
        #expect(sentence(invalid).contains("table users, row 1: "))
        for (old, new, reason) in [
            (#""slm backup""#, #""backup""#, "another text"),
            (#""format_version": 1"#, #""format_version": 0"#, "a version is not positive"),
            (#""schema_version": \#(Store.schemaVersion)"#, #""schema_version": 0"#, "a version is not positive"),
            (#""sessions""#, #""settings""#, "a name appears twice"),
            (#""rows": 20"#, #""rows": -20"#, "a table has an invalid name or number of rows"),
            (#""sessions""#, #""../sessions""#, "a table has an invalid name or number of rows"),
        ] {
            #expect(sentence(try file.changingManifest { $0.replacing(old, with: new) }).contains(reason), "\(new)")
        }
        folder.write(try file.changingManifest { $0.replacing(#""sessions""#, with: #""seasons""#) }, to: "unknown.tar")
        let unknown = #expect(throws: StoreError.self) {
            try Backup.restore(folder("unknown.tar"), into: DatabaseURL("sqlite:" + folder("unknown.db")))
        }
        #expect(unknown?.description.contains("slm has no table seasons") == true)
        let whole = try bytes(), borders = file.borders, zeros = { (count: Int) in [UInt8](repeating: 0, count: count) }
        for (offset, reason) in [
            (borders[3] + 257, "byte \(borders[3]) is not the beginning of a file in the archive"),
            (borders[2], "bytes follow the end of backup.json"),
        ] {
            var changed = whole
            changed[offset] ^= 1
            #expect(sentence(changed).contains(reason), "\(reason)")
        }
        // Other programs fill the last record with zeros.
        #expect(error(whole + zeros(512)) == nil && error(whole + zeros(10_240)) == nil)
        for more in [zeros(100), [1], zeros(511) + [1]] { #expect(sentence(whole + more).contains("bytes follow the end of the archive")) }
        var swapped = file
        swapped.members.swapAt(1, 2)
        #expect(sentence(swapped.archive).contains("the file tables/users.jsonl.gz is missing."))
        for name in ["..", "a/best.h5", "a\\u0000", String(repeating: "a", count: 100), ""] {
            let unsafe = try file.changingManifest { $0.replacing("best.h5", with: name) }
            #expect(sentence(unsafe).contains("a checkpoint has an invalid name."), "\(name)")
        }
    }

    /// The checksums are right, so only the database and the reader of rows can notice.
    @Test func `rows that do not fit the schema are refused, and the database stays as it was`() throws {
        let file = try BackupFile(path), target = try TestDatabase(.sqlite), store = try target.store()
        _ = try store.addTestUser("bob")
        let rows = try store.rowsOfAllTables()
        var replacing = Backup.RestoreOptions()
        replacing.replaces = true
        for (old, new) in [
            (#""role":"user""#, #""role":"judge""#), (#""position":0"#, #""position":"0""#), (#""position":0"#, #""place":0"#),
            (#""content":"question 3""#, #""content":null"#), (#""conversation_id":""#, #""conversation_id":"x"#),
            (#""position":0"#, #""position":0.5"#),
        ] {
            let changed = try file.changingLines(of: "messages") { lines in
                lines = Array(String(decoding: lines, as: UTF8.self).replacing(old, with: new).utf8)
            }
            folder.write(changed, to: "changed.tar")
            #expect(throws: StoreError.self) { try Backup.restore(folder("changed.tar"), into: DatabaseURL(target.url), replacing) }
            #expect(try store.rowsOfAllTables() == rows, "\(new)")
        }
    }

    @Test func `damaged backups never crash the reader`() throws {
        let whole = try bytes()
        var mutator = Mutator(seed: 16, words: ["backup.json", "ustar", "\"rows\": -1", "00000000000", "{}\n", "tables/users.jsonl.gz"])
        for _ in 0..<fuzzRounds(default: 1_000) {
            var changed = whole
            mutator.damage(&changed)
            if changed != whole { #expect(error(changed) != nil) }
        }
    }

    @Test func `damaged rows with right checksums never crash a restore or leave half of it`() throws {
        let file = try BackupFile(path), target = try TestDatabase(.sqlite), store = try target.store()
        let words = ["null", "-1", "\"id\":", "{}\n", "9223372036854775808", "1e400", "\\u0000", "\"\"", "[", "]"]
        var mutator = Mutator(seed: 17, words: words)
        var replacing = Backup.RestoreOptions()
        replacing.replaces = true
        var restored = 0
        for round in 0..<fuzzRounds(default: 150) {
            let table = ["users", "conversations", "messages", "settings"][round % 4]
            let changed = round % 5 == 4
                ? try file.changingManifest { text in
                    var bytes = Array(text.utf8)
                    mutator.damage(&bytes)
                    return String(decoding: bytes, as: UTF8.self)
                } : try file.changingLines(of: table) { mutator.damage(&$0) }
            folder.write(changed, to: "changed.tar")
            let rows = try store.rowsOfAllTables()
            do throws(StoreError) {
                try Backup.restore(folder("changed.tar"), into: DatabaseURL(target.url), replacing)
                restored += 1
            } catch {
                #expect(try store.rowsOfAllTables() == rows, "\(error)")
            }
        }
        #expect(restored > 0)
    }

    @Test func `a folder keeps the newest backups and nothing else is deleted`() throws {
        let backups = BackupFolder(folder.path)
        let times = (0..<5).map { Timestamp(milliseconds: 1_763_648_385_000 + $0 * 86_400_000) }
        for time in times { folder.write("x", to: String(backups.path(at: time).split(separator: "/").last ?? "")) }
        #expect(backups.names.first == "slm-20251120T141945Z.tar" && backups.names.count == 5)
        let others = [
            "slm-2025.tar", "slm-20251120141945Z.tar", "slm-2025112T1141945Z.tar", "slm-2025112aT141945Z.tar", "slm-20251120T1419450Z.tar",
            "slm-20251120T141945.tar", "slm-20251120T141945Z.tar.part", "other-20251120T141945Z.tar",
        ]
        for name in others { folder.write("x", to: name) }
        #expect(try backups.keep(newest: 2) == times.prefix(3).map { backups.path(at: $0) })
        let kept = ["backup.tar", "best.h5", "slm-20251123T141945Z.tar", "slm-20251124T141945Z.tar"]
        #expect(folder.names == (kept + others).sorted())
        #expect(try backups.keep(newest: 2) == [])
    }

    @Test func `gzip in pieces is gzip`() throws {
        var random = TestRandom(3), text: [UInt8] = [], compressed: [UInt8] = []
        let compressor = GzipCompressor(level: 1)
        for _ in 0..<50 {
            let part = (0..<random.below(20_000)).map { _ in UInt8(random.below(7)) }
            compressor.compress(part, into: &compressed)
            text += part
        }
        compressor.finish(into: &compressed)
        for size in [1, 100, 1 << 20] where size > 1 || compressed.count < 1 << 20 {
            let decompressor = GzipDecompressor()
            var result: [UInt8] = []
            for start in stride(from: 0, to: compressed.count, by: size) {
                #expect(!decompressor.isAtEnd)
                try decompressor.decompress(Array(compressed[start..<min(compressed.count, start + size)]), into: &result)
            }
            #expect(decompressor.isAtEnd && result == text)
            #expect(throws: GzipError.self) { try decompressor.decompress([0], into: &result) }
        }
        var result: [UInt8] = []
        try GzipDecompressor().decompress(Gzip.compress(text), into: &result)
        #expect(result == text)
    }
}
