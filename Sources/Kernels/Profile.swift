internal import Threads

/// Time and work by operation.
package struct Profile {
    package struct Entry {
        package var seconds = 0.0
        package var calls = 0
        package var flops = 0.0
        package var bytes = 0.0
    }

    package private(set) var entries: [String: Entry] = [:]

    package init() {}

    mutating func add(_ name: String, seconds: Double, flops: Double, bytes: Double) {
        var entry = entries[name] ?? Entry()
        entry.seconds += seconds
        entry.calls += 1
        entry.flops += flops
        entry.bytes += bytes
        entries[name] = entry
    }
}

extension Processor {
    /// Runs `body` and, if profiling is enabled, adds its time and work to the profile.
    func measured(_ name: StaticString, flops: Int = 0, bytes: Int = 0, _ body: () -> Void) {
        if profile == nil { return body() }
        gpu?.finish()
        let seconds = measureSeconds {
            body()
            gpu?.finish()
        }
        profile?.add(name.description, seconds: seconds, flops: Double(flops), bytes: Double(bytes))
    }
}

/// The wall-clock time of `body`, in seconds.
package func measureSeconds(_ body: () throws -> Void) rethrows -> Double {
    try ContinuousClock().measure(body).inSeconds
}
