import Glibc

/// Which hardware threads share a core, as Linux lists them in /sys.
///
///     CoreTopology().coreCount(of: [0, 1, 2, 3])       // 2 on a CPU with two threads per core
package struct CoreTopology {
    private let root: String

    /// - Parameter root: Another folder than the system's, for tests.
    package init(root: String = "/sys/devices/system/cpu") { self.root = root }

    /// The number of cores that these hardware threads belong to. One that is not listed counts as a core.
    package func coreCount(of hardwareThreads: [Int]) -> Int {
        Set(hardwareThreads.map { siblings(of: $0) ?? "\($0)" }).count
    }

    /// The hardware threads of a core, such as "0,4" or "0-1": the same text for each of them.
    private func siblings(of hardwareThread: Int) -> String? {
        guard let file = fopen("\(root)/cpu\(hardwareThread)/topology/thread_siblings_list", "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return text.isEmpty ? nil : text
    }
}
