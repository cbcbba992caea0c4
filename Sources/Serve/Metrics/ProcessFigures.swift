import Files
import Glibc

/// What the system says of this process, under the names that all programs use.
struct ProcessFigures {
    let residentBytes, openFiles: Int
    let mostFiles, startTime, processorSeconds: Double

    init() {
        let page = Int(sysconf(Int32(_SC_PAGESIZE))), ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        residentBytes = (Self.words("/proc/self/statm").dropFirst().first.flatMap { Int($0) } ?? 0) * page
        openFiles = Self.count(in: "/proc/self/fd")
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        mostFiles = limit.rlim_cur == rlim_t.max ? .infinity : Double(limit.rlim_cur)
        // The name of a program may hold spaces and brackets; what comes after it does not.
        let status = Self.text("/proc/self/stat"),
            fields = status[(status.lastIndex(of: ")") ?? status.startIndex)...].split(separator: " ")
        // as proc(5) counts them; field 2 is the name
        func field(_ number: Int) -> Double { fields.count > number - 2 ? Double(fields[number - 2]) ?? 0 : 0 }
        processorSeconds = (field(14) + field(15)) / ticks
        let boot = Self.text("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) } ?? 0
        startTime = boot + field(22) / ticks
    }

    func write(to text: inout PrometheusText) {
        text.metric("process_resident_memory_bytes", .gauge, "Memory in use, of all kinds") { $0.sample(residentBytes) }
        text.metric("process_cpu_seconds_total", .counter, "Processor time, of all threads") { $0.sample(processorSeconds) }
        text.metric("process_open_fds", .gauge, "Open files and connections") { $0.sample(openFiles) }
        text.metric("process_max_fds", .gauge, "How many may be open") { $0.sample(mostFiles) }
        text.metric("process_start_time_seconds", .gauge, "When the server was started, in seconds since 1970") { $0.sample(startTime) }
    }

    private static func text(_ path: String) -> String {
        (try? InputFile.contents(of: path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func words(_ path: String) -> [Substring] { text(path).split(separator: " ") }

    /// Without the one that looking takes.
    private static func count(in folder: String) -> Int {
        guard let handle = opendir(folder) else { return 0 }
        defer { closedir(handle) }
        var count = 0
        while let entry = readdir(handle) { if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 } }
        return count - 1
    }
}
