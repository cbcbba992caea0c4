/// Builds pickles and zip archives, as PyTorch writes them or malformed.
package enum PyTorchBytes {
    package static func text(_ text: String) -> [UInt8] { [0x58] + little(text.utf8.count, 4) + Array(text.utf8) }
    package static func integer(_ number: Int) -> [UInt8] { [0x8A, 8] + little(number, 8) }
    package static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
    package static func tuple(_ items: [[UInt8]]) -> [UInt8] { [0x28] + items.flatMap { $0 } + [0x74] }
    package static func dictionary(_ pairs: [(String, [UInt8])]) -> [UInt8] { [0x7D, 0x28] + pairs.flatMap { text($0.0) + $0.1 } + [0x75] }
    package static func pickle(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [0x2E] }

    package static func tensor(
        _ key: String, count: Int, sizes: [Int], strides: [Int], offset: Int = 0, type: String = "FloatStorage"
    ) -> [UInt8] {
        let storage = tuple([text("storage"), global("torch", type), text(key), text("cpu"), integer(count)]) + [0x51]
        let hooks = global("collections", "OrderedDict") + [0x29, 0x52]
        return global("torch._utils", "_rebuild_tensor_v2")
            + tuple([storage, integer(offset), tuple(sizes.map(integer)), tuple(strides.map(integer)), [0x89], hooks]) + [0x52]
    }

    /// The state dict of a minimal model: no layers, 5 tokens, 3 positions, 4 channels.
    package static func state(tokens: [UInt8]? = nil) -> [(String, [UInt8])] {
        [
            ("wte.weight", tokens ?? tensor("0", count: 20, sizes: [5, 4], strides: [4, 1])),
            ("wpe.weight", tensor("1", count: 12, sizes: [3, 4], strides: [4, 1])),
            ("ln_f.weight", tensor("2", count: 4, sizes: [4], strides: [1])),
        ]
    }

    /// A complete file, with storages of 20, 12 and 4 numbers.
    package static func file(_ root: [UInt8]) -> [UInt8] { zip(files(pickle(root))) }

    package static func files(_ pickle: [UInt8]) -> [(name: String, bytes: [UInt8])] {
        let storages = [20, 12, 4].enumerated().map { i, count in
            (name: "a/data/\(i)", bytes: (0..<count).flatMap { little(Int(Float($0).bitPattern), 4) })
        }
        return [("a/data.pkl", pickle), ("a/version", Array("3\n".utf8)), ("a/byteorder", Array("little".utf8))] + storages
    }

    /// A zip archive of stored entries with sizes in their local headers.
    package static func zip(_ files: [(name: String, bytes: [UInt8])]) -> [UInt8] {
        var result: [UInt8] = [], list: [UInt8] = []
        for (name, bytes) in files {
            let numbers =
                little(0, 4) + little(0, 4) + little(checksum(bytes), 4) + little(bytes.count, 4) + little(bytes.count, 4)
                + little(name.utf8.count, 2) + little(0, 2)
            list +=
                little(0x0201_4B50, 4) + little(0, 2) + little(0, 2) + numbers + little(0, 10) + little(result.count, 4) + Array(name.utf8)
            result += little(0x0403_4B50, 4) + little(0, 2) + numbers + Array(name.utf8) + bytes
        }
        let end =
            little(0x0605_4B50, 4) + little(0, 4) + little(files.count, 2) + little(files.count, 2) + little(list.count, 4)
            + little(result.count, 4) + little(0, 2)
        return result + list + end
    }

    package static func little(_ number: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: number >> (8 * $0)) : 0 }
    }

    private static let table: [UInt32] = (0..<256).map { (byte: UInt32) in
        var crc = byte
        for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0xEDB8_8320 : crc >> 1 }
        return crc
    }

    private static func checksum(_ bytes: [UInt8]) -> Int {
        var crc = ~UInt32(0)
        for byte in bytes { crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
        return Int(~crc)
    }
}
