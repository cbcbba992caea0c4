import Files

/// The layout of an HDF5 file before any numbers are written: with it, the file can be written from front to back in one pass.
///
///     let layout = try H5Layout(of: arrays, in: ["weights"])
///     layout.bytes(512..<2_048)                                // HDF5's bytes between the arrays
///     layout.offsets[3]                                        // the offset of the fourth array's numbers
///
/// All descriptions (superblock 2, object headers 2, links in the headers: the format of HDF5 1.8) come before all numbers.
struct H5Layout {
    /// The length of the file.
    let length: Int
    /// The offset of each array; 0 for an empty one.
    let offsets: [Int]
    /// The descriptions, which begin after the user block.
    private let descriptions: [UInt8]

    private static let start = CheckpointHeader.size
    private static let superblockSize = 48
    private static let alignment = 64

    /// - Parameters:
    ///   - arrays: in the order in which they lie in the file, each at a multiple of 64 bytes.
    ///   - groups: in the order in which tools list them.
    init(of arrays: [ArrayDescription], in groups: [String]) throws(H5NameTooLong) {
        var tree = H5Tree()
        for group in groups { _ = try tree.group(group) }
        for (i, array) in arrays.enumerated() { try tree.add(array.path, .array(i)) }
        // The size of a header does not depend on the addresses in it.
        var end = Self.aligned(Self.superblockSize), addresses: [Int] = []
        for object in tree.objects {
            addresses.append(end)
            end = Self.aligned(end + H5Header.size(of: object.messages(of: arrays, addresses: nil, offsets: nil)))
        }
        end += Self.start
        var offsets: [Int] = []
        for array in arrays {
            offsets.append(array.byteCount == 0 ? 0 : Self.aligned(end))
            if array.byteCount > 0 { end = Self.aligned(end) + array.byteCount }
        }
        var bytes = Self.superblock(root: addresses[0], length: end)
        for (address, object) in zip(addresses, tree.objects) {
            bytes += [UInt8](repeating: 0, count: address - bytes.count)
            bytes += H5Header.bytes(of: object.messages(of: arrays, addresses: addresses, offsets: offsets))
        }
        length = end
        self.offsets = offsets
        descriptions = bytes
    }

    /// HDF5's bytes in a range of the file after its user block, padded with zeros.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        let known = descriptions.dropFirst(range.lowerBound - Self.start).prefix(range.count)
        return known + [UInt8](repeating: 0, count: range.count - known.count)
    }

    private static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

    /// Addresses count from the end of the user block, but the length is that of the whole file.
    private static func superblock(root: Int, length: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10, 2, 8, 8, 0]
        bytes.append(littleEndian: start)
        bytes.append(littleEndian: UInt64.max)                 // no extension
        bytes.append(littleEndian: length)
        bytes.append(littleEndian: root)
        bytes.append(littleEndian: H5Header.checksum(of: bytes))
        return bytes
    }
}

/// A name that does not fit into a message of an HDF5 header.
struct H5NameTooLong: Error {
    let count: Int
    static let limit = 65_000
}

/// The groups and arrays of a file. The first object is the root group.
private struct H5Tree {
    enum Object {
        case group([(name: String, object: Int)])
        /// An index into the arrays of the file.
        case array(Int)
    }

    private(set) var objects: [Object] = [.group([])]
    private var groups: [String: Int] = ["": 0]

    /// The object of a group, which is created with all groups around it if it does not exist.
    mutating func group(_ path: String) throws(H5NameTooLong) -> Int {
        if let known = groups[path] { return known }
        groups[path] = objects.count
        try add(path, .group([]))
        return objects.count - 1
    }

    /// Adds an object as the last member of its group.
    mutating func add(_ path: String, _ object: Object) throws(H5NameTooLong) {
        let separator = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let name = separator.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        guard name.utf8.count <= H5NameTooLong.limit else { throw H5NameTooLong(count: name.utf8.count) }
        let parent = try group(separator.map { String(path[..<$0]) } ?? "")
        guard case .group(var members) = objects[parent] else { preconditionFailure("a group has members") }
        objects[parent] = .group([])
        members.append((name, objects.count))
        objects[parent] = .group(members)
        objects.append(object)
    }
}

extension H5Tree.Object {
    /// The messages of the object's header. Without addresses and offsets, they have the right sizes only.
    func messages(of arrays: [ArrayDescription], addresses: [Int]?, offsets: [Int]?) -> [H5Header.Message] {
        switch self {
        case .group(let members):
            var information: [UInt8] = [0, 1]                  // version 0, with a creation order
            information.append(littleEndian: members.count)
            information += [UInt8](repeating: 0xFF, count: 16)   // no heap and no B-tree: the links follow
            // Version 0, with a limit of links per header; HDF5 moves them to a heap if another program adds more.
            let limits: [UInt8] = [0, 1, 0xFF, 0xFF, 0, 0]
            return [.init(type: 2, content: information), .init(type: 10, flags: 1, content: limits)]
                + members.enumerated().map { order, member in
                    .init(type: 6, content: Self.link(to: member.name, order, at: addresses?[member.object] ?? 0))
                }
        case .array(let i):
            let array = arrays[i]
            var layout: [UInt8] = [3, 1]                       // version 3, contiguous
            let address = (offsets?[i] ?? CheckpointHeader.size) - CheckpointHeader.size
            layout.append(littleEndian: array.byteCount == 0 ? UInt64.max : UInt64(address))
            layout.append(littleEndian: array.byteCount)
            return [
                .init(type: 1, content: Self.space(array.shape)), .init(type: 3, flags: 1, content: array.type.h5Message),
                .init(type: 5, flags: 1, content: [3, 5]),     // no fill value: HDF5 writes none, because the space is allocated
                .init(type: 8, flags: 1, content: layout),
            ]
        }
    }

    private static func link(to name: String, _ order: Int, at address: Int) -> [UInt8] {
        let isShort = name.utf8.count < 256
        var bytes: [UInt8] = [1, isShort ? 0x14 : 0x15]        // version 1, with a creation order and a character set
        bytes.append(littleEndian: order)
        bytes.append(1)                                        // UTF-8
        bytes += isShort ? [UInt8(name.utf8.count)] : UInt16(name.utf8.count).littleEndianBytes
        bytes += name.utf8
        bytes.append(littleEndian: address)
        return bytes
    }

    private static func space(_ shape: [Int]) -> [UInt8] {
        if shape.isEmpty { return [2, 0, 0, 0] }
        var bytes: [UInt8] = [2, UInt8(shape.count), 1, 1]     // version 2, with maximum sizes
        for size in shape + shape { bytes.append(littleEndian: size) }
        return bytes
    }
}
