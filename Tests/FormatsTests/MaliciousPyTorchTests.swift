import Checkpoint
import Files
import Glibc
import Kernels
import Testing
import TestSupport
import Formats

/// Files that mean harm: each is refused with a sentence.
@Suite struct MaliciousPyTorchTests {
    private typealias Bytes = PyTorchBytes
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    private func sentence(_ bytes: [UInt8]) -> String {
        let path = folder.write(bytes, to: "a.pt")
        do throws(PyTorchError) { _ = try Checkpoint(importingPyTorch: path, heads: 2, on: processor) } catch {
            return "\(error)".replacing(path, with: "FILE")
        }
        return "accepted"
    }

    private func sentence(tokens: [UInt8]) -> String { sentence(Bytes.file(Bytes.dictionary(Bytes.state(tokens: tokens)))) }

    @Test func `nothing that a file names is run`() throws {
        #expect(sentence(Bytes.file(Bytes.dictionary(Bytes.state()))) == "accepted")
        for (module, name) in [
            ("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch.storage", "_load_from_bytes"),
            ("collections", "defaultdict"),
        ] {
            let call = Bytes.global(module, name) + Bytes.tuple([Bytes.text("touch \(folder("harm"))")]) + [0x52]
            #expect(sentence(Bytes.file(call)) == "FILE: at byte 2 of data.pkl expected only dictionaries, numbers, texts and tensors, "
                + "found '\(module).\(name)', which is nothing that a model needs.")
        }
        // The same by way of the stack, and by calling what is allowed with what is not.
        #expect(
            sentence(Bytes.file(Bytes.text("os") + Bytes.text("system") + [0x93])).contains(
                "'os.system', which is nothing that a model needs"))
        #expect(
            sentence(Bytes.file(Bytes.global("collections", "OrderedDict") + Bytes.tuple([Bytes.text("a")]) + [0x52])).contains(
                "an object as PyTorch makes it"))
        #expect(sentence(Bytes.file(Bytes.global("model", "GPTConfig") + [0x29, 0x52])).contains("an object as PyTorch makes it"))
        #expect(sentence(Bytes.file(Bytes.text("a") + [0x29, 0x52])).contains("a name and a tuple"))
        #expect(folder.names == ["a.pt"])
    }

    @Test func `what is shared is no more for it, and what is deep is no deeper`() {
        // 60 lists, each twice in the next: 2^60 lists for who would walk through them.
        var doubled: [UInt8] = [0x5D]
        for _ in 0..<60 { doubled += [0x71, 0, 0x30, 0x5D, 0x68, 0, 0x61, 0x68, 0, 0x61] }
        #expect(
            sentence(Bytes.file(doubled)) == "FILE: data.pkl: expected a state_dict(), alone or as 'model' of a dictionary, found a list.")
        let deep = [UInt8](repeating: 0x5D, count: 1_000_000) + [UInt8](repeating: 0x61, count: 999_999)
        #expect(sentence(Bytes.file(deep)).contains("found a list"))
        // A list in itself.
        #expect(sentence(Bytes.file([0x5D, 0x71, 0, 0x68, 0, 0x61])).contains("found a list"))
        // A GPTConfig whose values are its own.
        let own = Bytes.global("model", "GPTConfig") + [0x29, 0x81, 0x71, 0, 0x7D] + Bytes.text("config") + [0x68, 0, 0x73, 0x62]
        #expect(sentence(Bytes.file(own)).contains("found a GPTConfig"))
    }

    @Test func `numbers that lie are refused`() {
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 21, sizes: [5, 4], strides: [4, 1])).contains(
                "expected a storage '0' of 80 bytes, as in the archive, found 21 elements of 4 bytes"))
        #expect(
            sentence(tokens: Bytes.tensor("9", count: 20, sizes: [5, 4], strides: [4, 1])).contains(
                "expected the storage '9' in the archive, found none"))
        for (sizes, strides, offset) in [
            ([6, 4], [4, 1], 0), ([5, 4], [4, 1], 1), ([5, 4], [5, 1], 0), ([1 << 40, 1 << 40], [0, 0], 0), ([.max, 2], [1, .max], 0),
            ([5, 4], [-4, 1], 19), ([5, -4], [4, 1], 0), ([5, 4], [4, 1], -1), ([5, 4], [4], 0), ([2, 2], [.max, .max], .max),
        ] {
            let found = sentence(tokens: Bytes.tensor("0", count: 20, sizes: sizes, strides: strides, offset: offset))
            #expect(found.contains("expected a tensor within its storage of 20 elements"), "\(sizes) \(strides) \(offset): \(found)")
        }
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 20, sizes: [6, 4], strides: [0, 1])).contains(
                "expected a tensor that has each number once"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 20, sizes: [1 << 20, 4], strides: [0, 1])).contains(
                "expected weights of their own, no more than the file"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 10, sizes: [5, 2], strides: [2, 1], type: "LongStorage")).contains("wpe.weight"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 20, sizes: [1, 1, 1, 1, 1, 1, 1, 5, 4], strides: [1, 1, 1, 1, 1, 1, 1, 4, 1]))
                .contains("at most 8 sizes"))
        // A text, a dictionary and a list that are longer than the file.
        for bytes in [
            [0x58, 0xFF, 0xFF, 0xFF, 0xFF], [0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], [0x8A, 255],
            [0x72, 0xFF, 0xFF, 0xFF, 0xFF], [0x6A, 1, 0, 0, 0],
        ] as [[UInt8]] {
            #expect(sentence(Bytes.file(bytes)).hasPrefix("FILE: at byte "))
        }
        for bytes in [
            [0x30], [0x74], [0x28, 0x52], [0x75], [0x61], [0x62], [0x51], [0x28], [], [0x4E, 0x4E], [0x4E, 0x61], [0x7D, 0x28, 0x4E, 0x75],
        ] as [[UInt8]] {
            #expect(sentence(Bytes.file(bytes)).hasPrefix("FILE: at byte "), "\(bytes)")
        }
    }

    @Test func `archives that lie are refused`() throws {
        let files = Bytes.files(Bytes.pickle(Bytes.dictionary(Bytes.state()))), whole = Bytes.zip(files)
        func changed(_ name: String, _ bytes: String) -> String {
            sentence(Bytes.zip(files.map { $0.name == name ? (name, Array(bytes.utf8)) : $0 }))
        }
        #expect(changed("a/byteorder", "big").contains("expected little-endian numbers, found 'big'"))
        #expect(changed("a/version", "11").contains("expected an archive of version 1 to 10, found '11'"))
        #expect(sentence(Bytes.zip(files + [files[0]])).contains("expected files of different names, found 'a/data.pkl' twice"))
        #expect(sentence(Bytes.zip(files + [("a/constants.pkl", [])])).contains("found a TorchScript program"))
        #expect(sentence(Bytes.zip([])).contains("expected one file NAME/data.pkl in the archive, found 0"))
        let legacy: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        #expect(sentence(legacy).hasPrefix("FILE is in the format of PyTorch before 1.6."))
        #expect(sentence([]) == "FILE: at byte 0 of the file expected a zip archive, as torch.save writes it, found an empty file.")
        for count in whole.indices.dropFirst(2) where !sentence(Array(whole.prefix(count))).hasPrefix("FILE: at byte ") {
            Issue.record("accepted when cut to \(count)")
        }
        // Every byte of the pickle and of the numbers is checked.
        for (name, bytes) in files where name != "a/version" {
            var damaged = whole
            let place = try #require(damaged.indices.first { damaged[$0...].starts(with: Array(name.utf8) + bytes) }) + name.utf8.count
            damaged[place + bytes.count / 2] ^= 1
            #expect(sentence(damaged).contains("it was damaged"), "\(name)")
        }
        // The list says that two files are at one place, that a file is compressed, that it is elsewhere.
        let list = try #require(whole.indices.first { whole[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
        for (place, byte) in [(list + 8, 1), (list + 10, 8), (list + 16, 0), (list + 20, 1), (list + 42, 1), (list + 46, 98)]
            as [(Int, UInt8)]
        {
            var lying = whole
            lying[place] = byte
            #expect(sentence(lying).hasPrefix("FILE: at byte "), "\(place - list)")
        }
    }

    /// Where the record of a file begins, in front of its bytes or in the list.
    private func record(_ name: String, isInList: Bool, in archive: [UInt8]) throws -> Int {
        let mark: [UInt8] = isInList ? [0x50, 0x4B, 1, 2] : [0x50, 0x4B, 3, 4], header = isInList ? 46 : 30
        return try #require(
            archive.indices.first {
                archive[$0...].starts(with: mark) && archive[min($0 + header, archive.count)...].starts(with: Array(name.utf8))
            })
    }

    private func put(_ number: Int, _ count: Int, at place: Int, in archive: inout [UInt8]) {
        archive.replaceSubrange(place..<place + count, with: Bytes.little(number, count))
    }

    @Test func `files that lie in one another are refused, though each is in the archive`() throws {
        let whole = Bytes.file(Bytes.dictionary(Bytes.state())), name = "a/data/0"
        for more in [1, 40, 100] {
            var lying = whole
            let local = try record(name, isInList: false, in: lying), listed = try record(name, isInList: true, in: lying)
            for place in [local + 18, local + 22, listed + 20, listed + 24] { put(80 + more, 4, at: place, in: &lying) }
            #expect(
                sentence(lying).contains("expected a file behind the one before, which ends at \(local + 38 + 80 + more), found another"),
                "\(sentence(lying))")
        }
    }

    @Test func `zip64 numbers that lie are refused`() throws {
        let whole = Bytes.file(Bytes.dictionary(Bytes.state())), name = "a/data/2"
        func sentence(sizes: [Int], kind: Int = 1, length: Int? = nil) throws -> String {
            let extra = Bytes.little(kind, 2) + Bytes.little(length ?? 8 * sizes.count, 2) + sizes.flatMap { Bytes.little($0, 8) }
            var lying = whole
            let listed = try record(name, isInList: true, in: lying), end = lying.count - 22
            for place in [listed + 20, listed + 24] { put(0xFFFF_FFFF, 4, at: place, in: &lying) }
            put(extra.count, 2, at: listed + 30, in: &lying)
            put((0..<4).reduce(0) { $0 | Int(lying[end + 12 + $1]) << (8 * $1) } + extra.count, 4, at: end + 12, in: &lying)
            lying.insert(contentsOf: extra, at: listed + 46 + name.utf8.count)
            return self.sentence(lying)
        }
        #expect(try sentence(sizes: [16, 16]) == "accepted")
        for size in [17, 1 << 20, 1 << 40, .max, -1] { #expect(try sentence(sizes: [size, size]).hasPrefix("FILE: at byte "), "\(size)") }
        #expect(try sentence(sizes: [16, 17]).contains("expected a file of one size, found 16 and 17"))
        #expect(try sentence(sizes: [16]).contains("expected 8 bytes of a zip64 number, found 0"))
        #expect(try sentence(sizes: [16, 16], kind: 2).hasPrefix("FILE: at byte "))
        #expect(try sentence(sizes: [16, 16], length: 0xFFFF).contains("expected at most 16 bytes, found 65535"))
        // The part in front of the end: its own size is not asked for, the list's place and size are.
        for (start, size, count) in [(1 << 40, 46, 1), (0, .max, 1), (.max, .max, .max), (0, 46, 1 << 40), (-1, -1, -1)]
            as [(Int, Int, Int)]
        {
            let end = whole.count - 22,
                ones = Bytes.little(0xFFFF, 2) + Bytes.little(0xFFFF, 2) + Bytes.little(0xFFFF_FFFF, 4) + Bytes.little(0xFFFF_FFFF, 4)
            let large =
                Bytes.little(0x0606_4B50, 4) + Bytes.little(44, 8) + Bytes.little(0, 12) + Bytes.little(count, 8) + Bytes.little(count, 8)
                + Bytes.little(size, 8) + Bytes.little(start, 8)
            let locator = Bytes.little(0x0706_4B50, 4) + Bytes.little(0, 4) + Bytes.little(end, 8) + Bytes.little(1, 4)
            let lying = Array(whole[..<end]) + large + locator + whole[end..<end + 8] + ones + [0, 0]
            #expect(self.sentence(lying).hasPrefix("FILE: at byte "), "\(start) \(size) \(count): \(self.sentence(lying))")
        }
    }
}
