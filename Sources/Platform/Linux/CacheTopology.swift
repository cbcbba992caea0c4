import Files

/// The caches of a core, as Linux lists them in /sys.
///
///     CacheTopology().dataBytes(level: 2)              // 1048576
package struct CacheTopology {
    private let root: String

    /// - Parameter root: Another folder than the system's, for tests.
    package init(root: String = "/sys/devices/system/cpu/cpu0/cache") { self.root = root }

    /// The size of the cache of a level that holds data, in bytes; nil if it is not known.
    package func dataBytes(level: Int) -> Int? {
        for index in 0..<8 where text("level", of: index) == "\(level)" && text("type", of: index) != "Instruction" {
            if let bytes = text("size", of: index).flatMap(Self.bytes) { return bytes }
        }
        return nil
    }

    private func text(_ name: String, of index: Int) -> String? {
        guard let bytes = try? InputFile.contents(of: "\(root)/index\(index)/\(name)") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }

    /// "1024K" or "32M" in bytes.
    private static func bytes(_ text: String) -> Int? {
        let unit = switch text.last { case "K": 1 << 10; case "M": 1 << 20; default: 1 }
        guard let count = Int(unit == 1 ? Substring(text) : text.dropLast()), (1...(1 << 40) / unit).contains(count) else { return nil }
        return count * unit
    }
}
