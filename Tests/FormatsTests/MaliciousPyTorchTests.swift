import Checkpoint
import Files
import Glibc
import Kernels
import Testing
import TestSupport
import Formats

/// PyTorch files made to harm their reader. Each is rejected with a message.
@Suite struct MaliciousPyTorchTests {
    private typealias Bytes = PyTorchBytes
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    private func sentence(_ bytes: [UInt8]) -> String {
        let path = folder.write(bytes, to: "a.pt")
        do throws(CheckpointError) { _ = try Checkpoint(importingPyTorch: path, heads: 2, on: processor) } catch {
            return "\(error)".replacing(path, with: "FILE")
        }
        return "accepted"
    }

    private func sentence(tokens: [UInt8]) -> String { sentence(Bytes.file(Bytes.dictionary(Bytes.state(tokens: tokens)))) }

    @Test func `no function in a file is called`() throws {
        #expect(sentence(Bytes.file(Bytes.dictionary(Bytes.state()))) == "accepted")
        for (module, name) in [
            ("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch.storage", "_load_from_bytes"),
            ("collections", "defaultdict"),
        ] {
            let call = Bytes.global(module, name) + Bytes.tuple([Bytes.text("touch \(folder("harm"))")]) + [0x52]
            #expect(sentence(Bytes.file(call)) == "FILE: at byte 2 of data.pkl expected only dictionaries, numbers, strings and tensors, "
                + "found '\(module).\(name)', which slm does not load.")
        }
        // The same with names from the stack, and calls of allowed functions with other arguments.
        #expect(
            sentence(Bytes.file(Bytes.text("os") + Bytes.text("system") + [0x93])).contains(
                "'os.system', which slm does not load"))
        #expect(
            sentence(Bytes.file(Bytes.global("collections", "OrderedDict") + Bytes.tuple([Bytes.text("a")]) + [0x52])).contains(
                "a call that PyTorch writes"))
        #expect(sentence(Bytes.file(Bytes.global("model", "GPTConfig") + [0x29, 0x52])).contains("a call that PyTorch writes"))
        #expect(sentence(Bytes.file(Bytes.text("a") + [0x29, 0x52])).contains("a function and a tuple"))
        #expect(folder.names == ["a.pt"])
    }

    @Test func `shared and deeply nested values take linear time and memory`() {
        // 60 lists, each twice in the next: walking through them would visit 2^60 lists.
        var doubled: [UInt8] = [0x5D]
        for _ in 0..<60 { doubled += [0x71, 0, 0x30, 0x5D, 0x68, 0, 0x61, 0x68, 0, 0x61] }
        #expect(
            sentence(Bytes.file(doubled)) == "FILE: data.pkl: expected a state_dict(), alone or as 'model' of a dictionary, found a list.")
        let deep = [UInt8](repeating: 0x5D, count: 1_000_000) + [UInt8](repeating: 0x61, count: 999_999)
        #expect(sentence(Bytes.file(deep)).contains("found a list"))
        // A list that contains itself.
        #expect(sentence(Bytes.file([0x5D, 0x71, 0, 0x68, 0, 0x61])).contains("found a list"))
        // A GPTConfig whose attributes contain itself.
        let own = Bytes.global("model", "GPTConfig") + [0x29, 0x81, 0x71, 0, 0x7D] + Bytes.text("config") + [0x68, 0, 0x73, 0x62]
        #expect(sentence(Bytes.file(own)).contains("found a GPTConfig"))
    }

    @Test func `inconsistent sizes are rejected`() {
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
                "expected a tensor without repeated numbers"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 20, sizes: [1 << 20, 4], strides: [0, 1])).contains(
                "expected weights that are no larger than the file"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 10, sizes: [5, 2], strides: [2, 1], type: "LongStorage")).contains("wpe.weight"))
        #expect(
            sentence(tokens: Bytes.tensor("0", count: 20, sizes: [1, 1, 1, 1, 1, 1, 1, 5, 4], strides: [1, 1, 1, 1, 1, 1, 1, 4, 1]))
                .contains("at most 8 sizes"))
        // Strings, integers and memo indices that exceed the file.
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

    @Test func `empty tensors with impossible offsets and strides are rejected as others of a wrong shape`() {
        let huge = [0, 2, 1 << 31, 1 << 31]
        for (sizes, strides, offset) in [([0], [1], 1 << 62), (huge, [1, 1 << 62, 1 << 31, 1], 0)] as [([Int], [Int], Int)] {
            let tokens = Bytes.tensor("0", count: 20, sizes: sizes, strides: [Int](repeating: 1, count: sizes.count))
            let head = Bytes.tensor("1", count: 12, sizes: sizes, strides: strides, offset: offset)
            let found = sentence(Bytes.file(Bytes.dictionary(Bytes.state(tokens: tokens) + [("lm_head.weight", head)])))
            #expect(found.hasPrefix("FILE: ") && found.contains("wte.weight"), "\(found)")
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a name of many prefixes takes linear time`() {
        let name = String(repeating: "module.", count: 2_000_000) + "wte.weight"
        let tokens = Bytes.tensor("0", count: 20, sizes: [5, 4], strides: [4, 1])
        let state = [(name, tokens)] + Bytes.state().dropFirst()
        #expect(sentence(Bytes.file(Bytes.dictionary(state))) == "accepted")
    }

    @Test func `inconsistent archives are rejected`() throws {
        let files = Bytes.files(Bytes.pickle(Bytes.dictionary(Bytes.state()))), whole = Bytes.zip(files)
        func changed(_ name: String, _ bytes: String) -> String {
            sentence(Bytes.zip(files.map { $0.name == name ? (name, Array(bytes.utf8)) : $0 }))
        }
        #expect(changed("a/byteorder", "big").contains("expected little-endian numbers, found 'big'"))
        #expect(changed("a/version", "11").contains("expected an archive of version 1 to 10, found '11'"))
        #expect(sentence(Bytes.zip(files + [files[0]])).contains("expected distinct file names, found 'a/data.pkl' twice"))
        #expect(sentence(Bytes.zip(files + [("a/constants.pkl", [])])).contains("found a TorchScript program"))
        #expect(sentence(Bytes.zip([])).contains("expected one file NAME/data.pkl in the archive, found 0"))
        let legacy: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        #expect(sentence(legacy).hasPrefix("FILE is in the format of PyTorch before 1.6."))
        #expect(sentence([]) == "FILE: at byte 0 of the file expected a zip archive, the format of torch.save, found an empty file.")
        for count in whole.indices.dropFirst(2) where !sentence(Array(whole.prefix(count))).hasPrefix("FILE: at byte ") {
            Issue.record("accepted when truncated to \(count)")
        }
        // Checksums cover the pickle and the numbers.
        for (name, bytes) in files where name != "a/version" {
            var damaged = whole
            let offset = try #require(damaged.indices.first { damaged[$0...].starts(with: Array(name.utf8) + bytes) }) + name.utf8.count
            damaged[offset + bytes.count / 2] ^= 1
            #expect(sentence(damaged).contains("it is damaged"), "\(name)")
        }
        // Central directory entries with other flags, compression, checksum, size, offset and name.
        let list = try #require(whole.indices.first { whole[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
        for (offset, byte) in [(list + 8, 1), (list + 10, 8), (list + 16, 0), (list + 20, 1), (list + 42, 1), (list + 46, 98)]
            as [(Int, UInt8)]
        {
            var archive = whole
            archive[offset] = byte
            #expect(sentence(archive).hasPrefix("FILE: at byte "), "\(offset - list)")
        }
    }

    /// The offset of a file's local header, or of its entry in the central directory.
    private func record(_ name: String, isInDirectory: Bool, in archive: [UInt8]) throws -> Int {
        let mark: [UInt8] = isInDirectory ? [0x50, 0x4B, 1, 2] : [0x50, 0x4B, 3, 4], header = isInDirectory ? 46 : 30
        return try #require(
            archive.indices.first {
                archive[$0...].starts(with: mark) && archive[min($0 + header, archive.count)...].starts(with: Array(name.utf8))
            })
    }

    private func put(_ number: Int, _ count: Int, at offset: Int, in archive: inout [UInt8]) {
        archive.replaceSubrange(offset..<offset + count, with: Bytes.little(number, count))
    }

    @Test func `overlapping files are rejected, though each lies in the archive`() throws {
        let whole = Bytes.file(Bytes.dictionary(Bytes.state())), name = "a/data/0"
        for more in [1, 40, 100] {
            var archive = whole
            let local = try record(name, isInDirectory: false, in: archive), listed = try record(name, isInDirectory: true, in: archive)
            for offset in [local + 18, local + 22, listed + 20, listed + 24] { put(80 + more, 4, at: offset, in: &archive) }
            #expect(
                sentence(archive).contains(
                    "expected a file after the previous one, which ends at \(local + 38 + 80 + more), found an overlap"),
                "\(sentence(archive))")
        }
    }

    @Test func `inconsistent zip64 records are rejected`() throws {
        let whole = Bytes.file(Bytes.dictionary(Bytes.state())), name = "a/data/2"
        func sentence(sizes: [Int], kind: Int = 1, length: Int? = nil) throws -> String {
            let extra = Bytes.little(kind, 2) + Bytes.little(length ?? 8 * sizes.count, 2) + sizes.flatMap { Bytes.little($0, 8) }
            var archive = whole
            let listed = try record(name, isInDirectory: true, in: archive), end = archive.count - 22
            for offset in [listed + 20, listed + 24] { put(0xFFFF_FFFF, 4, at: offset, in: &archive) }
            put(extra.count, 2, at: listed + 30, in: &archive)
            put((0..<4).reduce(0) { $0 | Int(archive[end + 12 + $1]) << (8 * $1) } + extra.count, 4, at: end + 12, in: &archive)
            archive.insert(contentsOf: extra, at: listed + 46 + name.utf8.count)
            return self.sentence(archive)
        }
        #expect(try sentence(sizes: [16, 16]) == "accepted")
        for size in [17, 1 << 20, 1 << 40, .max, -1] { #expect(try sentence(sizes: [size, size]).hasPrefix("FILE: at byte "), "\(size)") }
        #expect(try sentence(sizes: [16, 17]).contains("expected an uncompressed file, found the sizes 16 and 17"))
        #expect(try sentence(sizes: [16]).contains("expected 8 bytes of a zip64 number, found 0"))
        #expect(try sentence(sizes: [16, 16], kind: 2).hasPrefix("FILE: at byte "))
        #expect(try sentence(sizes: [16, 16], length: 0xFFFF).contains("expected at most 16 bytes, found 65535"))
        // The zip64 end record: offset, size and count of the central directory are checked, the record's own size is not.
        for (start, size, count) in [(1 << 40, 46, 1), (0, .max, 1), (.max, .max, .max), (0, 46, 1 << 40), (-1, -1, -1)]
            as [(Int, Int, Int)]
        {
            let end = whole.count - 22,
                ones = Bytes.little(0xFFFF, 2) + Bytes.little(0xFFFF, 2) + Bytes.little(0xFFFF_FFFF, 4) + Bytes.little(0xFFFF_FFFF, 4)
            let large =
                Bytes.little(0x0606_4B50, 4) + Bytes.little(44, 8) + Bytes.little(0, 12) + Bytes.little(count, 8) + Bytes.little(count, 8)
                + Bytes.little(size, 8) + Bytes.little(start, 8)
            let locator = Bytes.little(0x0706_4B50, 4) + Bytes.little(0, 4) + Bytes.little(end, 8) + Bytes.little(1, 4)
            let archive = Array(whole[..<end]) + large + locator + whole[end..<end + 8] + ones + [0, 0]
            #expect(self.sentence(archive).hasPrefix("FILE: at byte "), "\(start) \(size) \(count): \(self.sentence(archive))")
        }
    }
}
