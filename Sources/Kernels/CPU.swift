internal import CKernels
import Glibc

/// Information about the CPU and memory of this machine, and about what this process may use of them.
package enum CPU {
    /// Cores or bytes that this process may use.
    package struct Allowance: Sendable, Equatable {
        package let amount: Int
        /// What sets it below what the machine has: the file of a control group, or "taskset or a cpuset". nil if nothing does.
        package let limitedBy: String?

        package init(amount: Int, limitedBy: String?) {
            self.amount = amount
            self.limitedBy = limitedBy
        }
    }

    private static let groups = ControlGroups()

    /// Cores that this process can use: those that it may run on, limited by the CPU time of its control groups, rounded up.
    package static var cores: Allowance {
        cores(machine: sysconf(Int32(_SC_NPROCESSORS_ONLN)), affinity: Int(slm_available_cores()), groups)
    }

    package static func cores(machine: Int, affinity: Int, _ groups: ControlGroups) -> Allowance {
        if let limit = groups.cores, limit.value.rounded(.up) < Double(affinity) {
            return Allowance(amount: max(1, Int(limit.value.rounded(.up))), limitedBy: limit.file)
        }
        return Allowance(amount: affinity, limitedBy: affinity < machine ? "taskset or a cpuset" : nil)
    }

    /// Memory that this process can use, in bytes: the machine's, limited by its control groups.
    package static var memory: Allowance { memory(machine: sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)), groups) }

    package static func memory(machine: Int, _ groups: ControlGroups) -> Allowance {
        if let limit = groups.memory, limit.value < machine { return Allowance(amount: limit.value, limitedBy: limit.file) }
        return Allowance(amount: machine, limitedBy: nil)
    }

    package static var availableCores: Int { cores.amount }
    package static var memoryBytes: Int { memory.amount }

    /// The CPU's model name.
    package static var name: String { line("model name", of: "/proc/cpuinfo") ?? "unknown CPU" }

    /// The CPU's instruction set extensions that are relevant for kernels.
    package static var features: [String] {
        let flags = Set(
            (line("flags", of: "/proc/cpuinfo") ?? line("Features", of: "/proc/cpuinfo") ?? "").split(separator: " ").map(String.init))
        return [
            "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16",
            "sve",
        ].filter(flags.contains)
    }

    /// The peak resident memory of this process, in bytes.
    package static var peakMemory: Int {
        // getrusage includes the peak of the parent process before exec.
        if let peak = line("VmHWM", of: "/proc/self/status").flatMap({ Int($0.split(separator: " ")[0]) }) { return peak * 1_024 }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1_024
    }

    /// Memory that this process can still get without swapping, in bytes.
    package static var availableMemory: Int? {
        let free = line("MemAvailable", of: "/proc/meminfo").flatMap { Int($0.split(separator: " ")[0]) }.map { $0 * 1_024 }
        guard let left = ControlGroups().availableMemory else { return free }
        return min(free ?? left, left)
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
