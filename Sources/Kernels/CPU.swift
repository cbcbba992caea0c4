internal import CKernels
import Glibc

/// Information about the CPU and memory of this machine.
package enum CPU {
    /// Cores that this process may run on, as limited by `taskset` or a cpuset.
    package static var availableCores: Int {
        Int(slm_available_cores())
    }

    package static var memoryBytes: Int { sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) }

    /// The CPU's model name.
    package static var name: String { line("model name", of: "/proc/cpuinfo") ?? "unknown CPU" }

    /// The CPU's instruction set extensions that are relevant for kernels.
    package static var features: [String] {
        let flags = Set(
            (line("flags", of: "/proc/cpuinfo") ?? line("Features", of: "/proc/cpuinfo") ?? "").split(separator: " ").map(String.init))
        return ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "sve"]
            .filter(flags.contains)
    }

    /// The peak resident memory of this process, in bytes.
    package static var peakMemory: Int {
        // getrusage includes the peak of the parent process before exec.
        if let peak = line("VmHWM", of: "/proc/self/status").flatMap({ Int($0.split(separator: " ")[0]) }) { return peak * 1_024 }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1_024
    }

    /// Memory that is available without swapping, in bytes.
    package static var availableMemory: Int? {
        line("MemAvailable", of: "/proc/meminfo").flatMap { Int($0.split(separator: " ")[0]) }.map { $0 * 1_024 }
    }

    private static func line(_ key: String, of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(text) }
        while getline(&text, &capacity, file) > 0, let text {
            let parts = String(cString: text).split(separator: ":", maxSplits: 1)
            if parts.count == 2, parts[0].trimmed == key { return parts[1].trimmed }
        }
        return nil
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
