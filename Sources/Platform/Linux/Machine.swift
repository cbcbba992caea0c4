import Files
import Glibc

/// What the system says about the CPU and the memory of the machine, and about the memory of this process.
package enum Machine {
    /// Cores that are switched on, whether this process may use them or not.
    package static var cores: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

    /// In bytes.
    package static var memory: Int { sysconf(Int32(_SC_PHYS_PAGES)) * pageSize }

    /// Memory that a process can get without swapping, in bytes; nil if the system does not say.
    package static var availableMemory: Int? { kilobytes("MemAvailable", of: "/proc/meminfo") }

    /// The peak resident memory of this process, in bytes.
    package static var peakMemory: Int {
        // getrusage includes the peak of the parent process before exec.
        if let peak = kilobytes("VmHWM", of: "/proc/self/status") { return peak }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1_024
    }

    package static var pageSize: Int { sysconf(Int32(_SC_PAGESIZE)) }

    /// The CPU's model name; nil if it is not known.
    package static var cpuName: String? {
        if let name = line("model name", of: "/proc/cpuinfo") {
            // Several generations of a CPU for servers can have the same name.
            guard let family = line("cpu family", of: "/proc/cpuinfo"), let model = line("model", of: "/proc/cpuinfo") else { return name }
            return "\(name) (family \(family), model \(model))"
        }
        // On 64-bit ARM, the system lists only numbers.
        guard let implementer = line("CPU implementer", of: "/proc/cpuinfo"), let part = line("CPU part", of: "/proc/cpuinfo") else {
            return nil
        }
        return armName(implementer: implementer, part: part)
    }

    /// The names that the system has for the CPU's instruction set extensions.
    package static var cpuFeatures: Set<String> {
        let names = line("flags", of: "/proc/cpuinfo") ?? line("Features", of: "/proc/cpuinfo") ?? ""
        return Set(names.split(separator: " ").map(String.init))
    }

    /// The name of a 64-bit ARM CPU whose numbers the system lists, such as 0x41 and 0xd0c.
    package static func armName(implementer: String, part: String) -> String {
        let names = [
            "0x41 0xd03": "Cortex-A53", "0x41 0xd05": "Cortex-A55", "0x41 0xd07": "Cortex-A57", "0x41 0xd08": "Cortex-A72",
            "0x41 0xd0b": "Cortex-A76", "0x41 0xd41": "Cortex-A78", "0x41 0xd46": "Cortex-A510", "0x41 0xd47": "Cortex-A710",
            "0x41 0xd0c": "Neoverse N1", "0x41 0xd40": "Neoverse V1", "0x41 0xd49": "Neoverse N2", "0x41 0xd4f": "Neoverse V2",
            "0xc0 0xac3": "Ampere-1",
        ]
        return names["\(implementer) \(part)"] ?? "64-bit ARM CPU, implementer \(implementer), part \(part)"
    }

    private static func kilobytes(_ key: String, of path: String) -> Int? {
        line(key, of: path).flatMap { Int($0.split(separator: " ")[0]) }.map { $0 * 1_024 }
    }

    private static func line(_ key: String, of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(text) }
        while getline(&text, &capacity, file) > 0, let text {
            let parts = String(cString: text).split(separator: ":", maxSplits: 1).map { $0.trimming(while: \.isWhitespace) }
            if parts.count == 2, parts[0] == key { return String(parts[1]) }
        }
        return nil
    }
}
