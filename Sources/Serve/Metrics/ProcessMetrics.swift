import Files
import Glibc
import JSON

/// The process metrics that all Prometheus clients have, read from /proc.
struct ProcessMetrics {
    private let residentBytes: Int
    private let openFiles: Int
    private let maxFiles: Double
    /// In seconds since 1970.
    private let startTime: Double
    private let cpuSeconds: Double

    init() {
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = Self.residentBytes
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

    static var residentBytes: Int {
        let pages = text("/proc/self/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    func write(to text: inout PrometheusText) {
        text.metric("process_resident_memory_bytes", .gauge, "Resident memory size in bytes") { $0.sample(residentBytes) }
        text.metric("process_cpu_seconds_total", .counter, "Total CPU time of all threads in seconds") { $0.sample(cpuSeconds) }
        text.metric("process_open_fds", .gauge, "Open file descriptors") { $0.sample(openFiles) }
        text.metric("process_max_fds", .gauge, "Maximum number of open file descriptors") { $0.sample(maxFiles) }
        text.metric("process_start_time_seconds", .gauge, "Start time of the process in seconds since 1970") { $0.sample(startTime) }
    }

    /// Writes the members of an object.
    func write(to object: inout JSONWriter) {
        object.key("resident_bytes"); object.integer(residentBytes)
        object.key("cpu_seconds"); object.number(cpuSeconds)
        object.key("open_files"); object.integer(openFiles)
        object.key("max_files"); if maxFiles.isFinite { object.integer(Int(maxFiles)) } else { object.null() }
    }

    private static func text(_ path: String) -> String {
        (try? InputFile.contents(of: path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Counts the entries of a folder of descriptors, without the one that reads it.
    private static func entryCount(in folder: String) -> Int {
        guard let handle = opendir(folder) else { return 0 }
        defer { closedir(handle) }
        var count = 0
        while let entry = readdir(handle) { if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 } }
        return count - 1
    }
}
