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
    package static var name: String {
        if let name = line("model name", of: "/proc/cpuinfo") { return name }
        // Linux on 64-bit ARM lists only numbers.
        guard let implementer = line("CPU implementer", of: "/proc/cpuinfo"), let part = line("CPU part", of: "/proc/cpuinfo") else {
            return "unknown CPU"
        }
        return armName(implementer: implementer, part: part)
    }

    /// The name of a 64-bit ARM CPU whose numbers the system prints, such as 0x41 and 0xd0c.
    package static func armName(implementer: String, part: String) -> String {
        let names = [
            "0x41 0xd03": "Cortex-A53", "0x41 0xd05": "Cortex-A55", "0x41 0xd07": "Cortex-A57", "0x41 0xd08": "Cortex-A72",
            "0x41 0xd0b": "Cortex-A76", "0x41 0xd41": "Cortex-A78", "0x41 0xd46": "Cortex-A510", "0x41 0xd47": "Cortex-A710",
            "0x41 0xd0c": "Neoverse N1", "0x41 0xd40": "Neoverse V1", "0x41 0xd49": "Neoverse N2", "0x41 0xd4f": "Neoverse V2",
            "0xc0 0xac3": "Ampere-1",
        ]
        return names["\(implementer) \(part)"] ?? "64-bit ARM CPU, implementer \(implementer), part \(part)"
    }

    /// The CPU's instruction set extensions that are relevant for kernels.
    package static var features: [String] {
        let flags = Set(
            (line("flags", of: "/proc/cpuinfo") ?? line("Features", of: "/proc/cpuinfo") ?? "").split(separator: " ").map(String.init))
        return [
            "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "asimddp", "bf16",
            "i8mm", "sve",
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
