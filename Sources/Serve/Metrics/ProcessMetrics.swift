import JSON
import Platform

/// The process metrics that all Prometheus clients have, and the size of the heap.
struct ProcessMetrics {
    private let process = ProcessStatistics()

    static var residentBytes: Int { ProcessStatistics.residentBytes }

    func write(to text: inout PrometheusText) {
        text.metric("process_resident_memory_bytes", .gauge, "Resident memory size in bytes") { $0.sample(process.residentBytes) }
        text.metric("slm_heap_bytes", .gauge, "Memory on the heap that is in use, in bytes") { $0.sample(process.heapBytes) }
        text.metric("process_cpu_seconds_total", .counter, "Total CPU time of all threads in seconds") { $0.sample(process.cpuSeconds) }
        text.metric("process_open_fds", .gauge, "Open file descriptors") { $0.sample(process.openFiles) }
        text.metric("process_max_fds", .gauge, "Maximum number of open file descriptors") { $0.sample(process.maxFiles) }
        text.metric("process_start_time_seconds", .gauge, "Start time of the process in seconds since 1970") {
            $0.sample(process.startTime)
        }
    }

    /// Writes the members of an object.
    func write(to object: inout JSONWriter) {
        object["resident_bytes"] = process.residentBytes
        object["cpu_seconds"] = process.cpuSeconds
        object["open_files"] = process.openFiles
        object["max_files"] = process.maxFiles.isFinite ? Int(process.maxFiles) : nil
    }
}
