internal import CKernels
package import Platform

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

    /// The hardware threads that this process may run on, and the cores that they belong to.
    private static let topology: (threads: Int, cores: Int) = {
        var numbers = [Int32](repeating: 0, count: 1_024)
        let count = Int(slm_hardware_threads(&numbers, Int32(numbers.count)))
        if count == 0 { return (Machine.cores, Machine.cores) }
        return (count, CoreTopology().coreCount(of: numbers.prefix(count).map { Int($0) }))
    }()

    /// Cores that this process can use: those that it may run on, limited by the CPU time of its control groups, rounded up. Two hardware
    /// threads of a core share its arithmetic units, so that they count as one.
    package static var cores: Allowance {
        cores(machine: Machine.cores, affinity: topology.threads, physical: topology.cores, groups)
    }

    /// The same, with each hardware thread counted.
    package static var hardwareThreads: Allowance { cores(machine: Machine.cores, affinity: topology.threads, groups) }

    /// - Parameters:
    ///   - machine, affinity: Hardware threads of the machine, and those that the process may run on.
    ///   - physical: The cores that the latter belong to; nil if each is a core.
    package static func cores(machine: Int, affinity: Int, physical: Int? = nil, _ groups: ControlGroups) -> Allowance {
        let cores = physical ?? affinity
        if let limit = groups.cores, limit.value.rounded(.up) < Double(cores) {
            return Allowance(amount: max(1, Int(limit.value.rounded(.up))), limitedBy: limit.file)
        }
        return Allowance(amount: cores, limitedBy: affinity < machine ? "taskset or a cpuset" : nil)
    }

    /// Memory that this process can use, in bytes: the machine's, limited by its control groups.
    package static var memory: Allowance { memory(machine: Machine.memory, groups) }

    package static func memory(machine: Int, _ groups: ControlGroups) -> Allowance {
        if let limit = groups.memory, limit.value < machine { return Allowance(amount: limit.value, limitedBy: limit.file) }
        return Allowance(amount: machine, limitedBy: nil)
    }

    package static var availableCores: Int { cores.amount }
    package static var memoryBytes: Int { memory.amount }

    /// The CPU's model name.
    package static var name: String { Machine.cpuName ?? "unknown CPU" }

    /// The CPU's instruction set extensions that are relevant for kernels.
    package static var features: [String] {
        [
            "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8",
            "asimd", "asimddp", "bf16", "i8mm", "sve",
        ].filter(Machine.cpuFeatures.contains)
    }

    /// The peak resident memory of this process, in bytes.
    package static var peakMemory: Int { Machine.peakMemory }

    /// Memory that this process can still get without swapping, in bytes.
    package static var availableMemory: Int? {
        let free = Machine.availableMemory
        guard let left = ControlGroups().availableMemory else { return free }
        return min(free ?? left, left)
    }
}
