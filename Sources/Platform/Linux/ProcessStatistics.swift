import CLinux
import Files
import Glibc

/// What the system counts for this process.
package struct ProcessStatistics {
    package let residentBytes: Int
    /// Memory on the heap that is in use. Resident memory is more: the allocator keeps what was freed, in several parts of the heap.
    package let heapBytes: Int
    package let openFiles: Int
    /// The number of files that it may have open, or infinity.
    package let maxFiles: Double
    /// In seconds since 1970.
    package let startTime: Double
    /// The time of all threads, in the program and in the system.
    package let cpuSeconds: Double

    package init() {
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = Self.residentBytes
        heapBytes = slm_heap_bytes()
        openFiles = Self.entryCount(in: "/proc/self/fd")
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        maxFiles = limit.rlim_cur == rlim_t.max ? .infinity : Double(limit.rlim_cur)
        // The program name in brackets may contain spaces and brackets; the fields after it do not.
        let status = Self.text("/proc/self/stat")
        let fields = status[(status.lastIndex(of: ")") ?? status.startIndex)...].split(separator: " ")
        /// - Parameter number: The number in proc(5), where field 2 is the name.
        func field(_ number: Int) -> Double { fields.count > number - 2 ? Double(fields[number - 2]) ?? 0 : 0 }
        cpuSeconds = (field(14) + field(15)) / ticksPerSecond
        let bootLine = Self.text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        let bootTime = bootLine.flatMap { Double($0.dropFirst(6)) } ?? 0
        startTime = bootTime + field(22) / ticksPerSecond
    }

    package static var residentBytes: Int {
        let pages = text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Machine.pageSize
    }

    private static func text(_ path: String) -> String {
        (try? InputFile.contents(of: path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Counts the entries of a folder of descriptors, without the one that reads it.
    private static func entryCount(in folder: String) -> Int {
        guard let handle = opendir(folder) else { return 0 }
        defer { closedir(handle) }
        var count = 0
        while let entry = readdir(handle) { if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 } }
        return count - 1
    }
}
