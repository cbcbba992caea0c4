internal import CKernels
import Platform

extension CPU {
    /// The sizes of the CPU's data caches in bytes; nil for a size that is not known.
    package struct Caches: Sendable {
        /// The second-level cache of a core.
        package let second: Int?
        /// The third-level cache, which cores share.
        package let third: Int?
    }

    /// As the CPU reports them, else the system: a virtual machine may hide either.
    package static let caches: Caches = {
        let reported = slm_cpu_caches(), listed = CacheTopology()
        return Caches(
            second: reported.second > 0 ? reported.second : listed.dataBytes(level: 2),
            third: reported.third > 0 ? reported.third : listed.dataBytes(level: 3))
    }()
}

extension CPU.Caches {
    /// For the blocks of a matmul: a size that is not known is taken for a common one.
    var forBlocks: slm_caches {
        slm_caches(second: min(max(second ?? 1 << 20, 256 << 10), 4 << 20), third: min(max(third ?? 16 << 20, 4 << 20), 1 << 30))
    }
}
