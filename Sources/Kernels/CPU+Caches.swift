internal import CKernels
import Files

extension CPU {
    /// The sizes of the CPU's data caches in bytes; nil for a size that is not known.
    package struct Caches: Sendable, Equatable {
        /// The second-level cache of a core.
        package var second: Int?
        /// The third-level cache, which cores share.
        package var third: Int?

        package init(second: Int?, third: Int?) {
            self.second = second
            self.third = third
        }
    }

    /// As the CPU reports them, else the system: a virtual machine may hide either.
    package static let caches: Caches = {
        let reported = slm_cpu_caches()
        if reported.second > 0, reported.third > 0 { return Caches(second: reported.second, third: reported.third) }
        let described = Caches(describedIn: "/sys/devices/system/cpu/cpu0/cache")
        return Caches(
            second: reported.second > 0 ? reported.second : described.second, third: reported.third > 0 ? reported.third : described.third)
    }()
}

extension CPU.Caches {
    /// Reads the folders `index0`, `index1`, … of a folder such as `/sys/devices/system/cpu/cpu0/cache`.
    package init(describedIn folder: String) {
        self.init(second: nil, third: nil)
        for index in 0..<8 {
            func text(_ name: String) -> String? {
                guard let bytes = try? InputFile.contents(of: "\(folder)/index\(index)/\(name)") else { return nil }
                return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
            }
            guard let bytes = text("size").flatMap(Self.bytes), text("type") != "Instruction" else { continue }
            switch text("level") {
            case "2": second = bytes
            case "3": third = bytes
            default: break
            }
        }
    }

    /// "1024K" or "32M" in bytes.
    private static func bytes(_ text: String) -> Int? {
        let unit = switch text.last { case "K": 1 << 10; case "M": 1 << 20; default: 1 }
        guard let count = Int(unit == 1 ? Substring(text) : text.dropLast()), (1...(1 << 40) / unit).contains(count) else { return nil }
        return count * unit
    }

    /// For the blocks of a matmul: a size that is not known is taken for a common one.
    var forBlocks: slm_caches {
        slm_caches(second: min(max(second ?? 1 << 20, 256 << 10), 4 << 20), third: min(max(third ?? 16 << 20, 4 << 20), 1 << 30))
    }
}
