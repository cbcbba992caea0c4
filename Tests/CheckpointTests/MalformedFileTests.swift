import Checkpoint
import Files
import Testing
import TestSupport

/// Files with a correct checksum and a faulty HDF5 structure: the message has the place, and what was expected and found there.
@Suite struct MalformedFileTests {
    private let folder = TemporaryFolder()
    private let whole: [UInt8]
    /// The places in the file of the fields of two arrays of equal size.
    private let first, second: Fields

    /// An array's address field, which counts from the end of slm's header, and its size field 8 bytes later.
    private struct Fields {
        let path: String
        let address, start, byteCount: Int
    }

    init() throws {
        let sample = try SampleCheckpoint(layers: 0).checkpoint
        try sample.write(to: folder("whole.h5"))
        let bytes = try InputFile.contents(of: folder("whole.h5"))
        let name = try #require(sample.weights.names.first)
        func fields(of path: String) throws -> Fields {
            let array = try #require(sample.everything.first { $0.path == path })
            let content = array.bits.flatMap { Int($0).littleEndianBytes.prefix(4) }
            let start = try #require(bytes.firstRange(of: content)).lowerBound
            let field = (start - CheckpointHeader.size).littleEndianBytes + content.count.littleEndianBytes
            let address = try #require(bytes.firstRange(of: field)).lowerBound
            return Fields(path: path, address: address, start: start, byteCount: content.count)
        }
        whole = bytes
        first = try fields(of: "optimizer/first/\(name)")
        second = try fields(of: "optimizer/second/\(name)")
    }

    /// Replaces bytes, corrects the checksum and reads the file.
    ///
    /// - Parameter original: nil for `whole`.
    private func fault(_ bytes: [UInt8], at offset: Int, in original: [UInt8]? = nil) -> String {
        var file = original ?? whole
        file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        file.replaceSubrange(0..<CheckpointHeader.size, with: CheckpointHeader(for: file).bytes)
        let path = folder.write(file, to: "a.h5")
        do throws(CheckpointError) { _ = try Checkpoint(reading: path) } catch {
            guard case .malformed(path, let place, let expected, let found) = error else { return "\(error)" }
            return "\(place): expected \(expected), found \(found)"
        }
        return "accepted"
    }

    private func fault(_ number: Int, at offset: Int, in original: [UInt8]? = nil) -> String {
        fault(number.littleEndianBytes, at: offset, in: original)
    }

    @Test func `names of arrays are no longer in all than the file`() throws {
        // Their group's name, which the file has once, is a part of each.
        let group = String(repeating: "g", count: 30_000)
        var sample = try SampleCheckpoint(layers: 0).checkpoint
        for i in 0..<1_000 { sample.training["\(group)/\(i)"] = .integers([]) }
        let path = folder("long.h5")
        try sample.write(to: path)
        let error = #expect(throws: CheckpointError.self) { try Checkpoint(reading: path) }
        #expect("\(try #require(error))".contains("expected names shorter than the file"))
    }

    @Test func `the superblock`() {
        let start = CheckpointHeader.size                              // of the HDF5 file
        #expect(fault([0x88], at: start).hasPrefix("\(start): expected HDF5's signature with 137, found 136"))
        #expect(fault([3], at: start + 8)
            .hasPrefix("\(start + 8): expected a superblock of version 2 with 8-byte addresses with 2, found 3"))
        #expect(fault(0, at: start + 12) == "\(start + 12): expected a user block of 512 bytes, found 0")
        #expect(fault(7, at: start + 28).hasPrefix("\(start + 28): expected the file's length, \(whole.count), found "))
        #expect(fault(-1, at: start + 36) == "\(start + 36): expected a root group, found none")
        #expect(fault(0, at: start + 36).hasPrefix("\(start): expected an object header of version 2 with 79, found 137"))
        // The end of the file is a place in it, at which there are no bytes.
        let last = whole.count - start
        #expect(fault(last, at: start + 36) == "\(whole.count): expected 5 bytes of an object header of version 2, found 0")
        #expect(fault(last + 1, at: start + 36) == "\(start + 36): expected the offset of the root group in the file, found \(last + 1)")
        // No size is larger than 2^48.
        #expect(fault(1 << 48, at: start + 28).contains("expected the file's length, \(whole.count), found \(1 << 48)"))
        #expect(fault(1 << 48 + 1, at: start + 28) == "\(start + 28): expected the end of the file, found \(1 << 48 + 1)")
    }

    @Test func `an array's place and size`() {
        let size = first.address + 8
        let bytes = "\(first.byteCount) bytes for \(first.path)"
        #expect(fault(first.byteCount + 4, at: size) == "\(size): expected \(bytes), found \(first.byteCount + 4)")
        #expect(fault(-1, at: first.address) == "\(first.address): expected the offset of \(first.path) in the file, found none")
        let last = whole.count - first.byteCount + 4                   // 4 bytes too late
        #expect(fault(last - CheckpointHeader.size, at: first.address)
                == "\(first.address): expected the offset of \(first.path) in the file, found \(last)")
        let odd = first.start + 2
        #expect(fault(odd - CheckpointHeader.size, at: first.address)
                == "\(first.address): expected the offset of \(first.path) in the file, found \(odd)")
    }

    @Test func `arrays that overlap`() {
        let shared = fault(second.start - CheckpointHeader.size, at: first.address)
        let sentences = [first, second].map { "\(second.start): expected \($0.path) without overlap, found another array" }
        #expect(sentences.contains(shared), "\(shared)")
        let partly = second.start - 4
        #expect(fault(partly - CheckpointHeader.size, at: first.address).contains(" without overlap, found another array"))
    }

    @Test func `an array with another shape than its size`() throws {
        // The last of the sizes of the array's dataspace comes before its address field, perhaps twice: maximum sizes may follow.
        let array = try #require(try Checkpoint(reading: folder("whole.h5")).everything.first { $0.path == first.path })
        let size = try #require(array.shape.last).littleEndianBytes
        let places = whole[..<first.address].ranges(of: size).suffix(2).map(\.lowerBound)
        let tooLarge = places.map { fault(Int.max, at: $0) }
        #expect(tooLarge.contains { $0.contains("expected a size, found \(Int.max)") }, "\(tooLarge)")
        #expect(places.contains { fault(1, at: $0).contains(" bytes for \(first.path), found \(first.byteCount)") })
    }

    @Test func `a group that contains itself`() throws {
        let root = whole[CheckpointHeader.size + 36..<CheckpointHeader.size + 44]
        // A name's length, the name, and the address of the group.
        let name = [7] + Array("weights".utf8), link = try #require(whole.firstRange(of: name))
        #expect(fault(Array(root), at: link.upperBound).hasSuffix(": expected at most 16 nested groups, found more"))
    }

    @Test func `groups are nested up to fifteen times`() throws {
        var sample = try SampleCheckpoint(layers: 0).checkpoint
        func name(_ count: Int) -> String { Array(repeating: "a", count: count).joined(separator: "/") }
        sample.training[name(14)] = 1
        try sample.write(to: folder("deep.h5"))
        #expect(try Checkpoint(reading: folder("deep.h5")).training[name(14)] == 1)
        sample.training[name(14)] = nil
        sample.training[name(15)] = 1
        try sample.write(to: folder("deep.h5"))
        let error = #expect(throws: CheckpointError.self) { try Checkpoint(reading: folder("deep.h5")) }
        #expect("\(try #require(error))".contains("expected at most 16 nested groups, found more"))
    }

    /// The version of a link, its flags, its order in 8 bytes, its character set, and the length of its name come before the name.
    @Test func `a link`() throws {
        let link = try #require(whole.firstRange(of: [7] + Array("weights".utf8))), start = link.lowerBound - 11
        #expect(fault([2], at: start) == "\(start): expected a link of version 1 with 1, found 2")
        #expect(fault([2], at: start - 1) == "\(start - 1): expected a message that is not shared, found a shared one")
        #expect(fault(-1, at: link.upperBound) == "\(link.upperBound): expected the offset of weights, found none")
        let name = link.lowerBound + 1
        for sign in ["/", "\u{7F}"] {
            #expect(fault(Array(sign.utf8), at: name) == "\(name): expected a valid name, found 7 other bytes")
        }
        #expect(fault(Array("metrics".utf8), at: name).hasSuffix(": expected distinct names, found a duplicate"))
        // Members are in the order of their numbers, wherever their links lie.
        let names = try Checkpoint(reading: folder("whole.h5")).training.names, first = try #require(names.first)
        let member = try #require(whole.firstRange(of: [UInt8(first.utf8.count)] + Array(first.utf8)))
        #expect(fault(1_000, at: member.lowerBound - 9) == "accepted")
        #expect(try Checkpoint(reading: folder("a.h5")).training.names == Array(names.dropFirst()) + [first])
    }

    @Test func `a type of another version or class`() throws {
        let type = try #require(whole.firstRange(of: [0x11, 0x20, 31, 0, 4, 0, 0, 0])).lowerBound
        #expect(fault([0x31], at: type) == "accepted")
        for version in [0, 4] as [UInt8] {
            #expect(fault([version << 4 | 1], at: type) == "\(type): expected a type of version 1 to 3, found \(version)")
        }
        #expect(fault([0x12], at: type) == "\(type): expected f32, f64, i64, u8 or a string, found a type of 4 bytes")
        #expect(fault([1], at: type + 8) == "\(type + 8): expected f32 with 0, found 1")
    }

    /// The first message of a header begins after ten bytes: its signature, its version, its flags and its size.
    @Test func `an object that is no group, and arrays without a shape or with two types`() throws {
        let root = try #require(whole.firstRange(of: Array("OHDR".utf8))).lowerBound
        #expect(fault([0], at: root + 10) == "\(root): expected a group or an array, found neither")
        let array = try #require(whole[..<first.address].ranges(of: Array("OHDR".utf8)).last).lowerBound
        #expect(fault([0], at: array + 10) == "\(array): expected an array with one space, found 0")
        #expect(fault([3], at: array + 10) == "\(array): expected an array with one type, found 2")
    }

    @Test func `a group whose links are outside its header`() throws {
        let none = [UInt8](repeating: 0xFF, count: 16), heap = try #require(whole.firstRange(of: none)).lowerBound
        #expect(fault(0, at: heap).hasPrefix("\(heap): expected a group whose links are in its header with 255, found 0"))
    }

    @Test func `a dataspace of another kind`() throws {
        let rank = try #require(try Checkpoint(reading: folder("whole.h5")).everything.first { $0.path == first.path }).shape.count
        let kind = try #require(whole[..<first.address].ranges(of: [2, UInt8(rank), 1, 1]).last).lowerBound + 3
        #expect(fault([2], at: kind).hasPrefix("\(kind): expected a simple dataspace with 1, found 2"))
        #expect(fault([5], at: kind - 2) == "\(kind - 2): expected at most 4 dimensions, found 5")
    }

    /// The root group of the file of HDF5's library continues in a second block, and that one in a third.
    @Test func `a header that continues in itself`() throws {
        let file = try InputFile.contents(of: CheckpointTests.fileOfHDF5)
        let block = try #require(file.firstRange(of: Array("OCHK".utf8) + [16, 16, 0, 0]))
        let sentence = fault(block.lowerBound - CheckpointHeader.size, at: block.upperBound, in: file)
        #expect(sentence.hasSuffix(": expected headers that are no larger than the file, found a cycle"), "\(sentence)")
        #expect(fault(-1, at: block.upperBound, in: file) == "\(block.upperBound): expected a continuation block, found none")
        // A block has a signature and a checksum of four bytes each.
        #expect(fault(7, at: block.upperBound + 8, in: file).hasSuffix(": expected -1 bytes of a continuation block, found 3"))
    }
}
