/// Where the time went, by operation: seconds, and what the operation had to do.
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
    /// Runs `body`, and writes down what it took when someone wants to know.
    func measured(_ name: StaticString, flops: Int = 0, bytes: Int = 0, _ body: () -> Void) {
        if profile == nil { return body() }
        let seconds = measureSeconds(body)
        profile?.add(name.description, seconds: seconds, flops: Double(flops), bytes: Double(bytes))
    }
}

/// Wall-clock seconds that `body` takes.
package func measureSeconds(_ body: () throws -> Void) rethrows -> Double {
    let spent = try ContinuousClock().measure(body).components
    return Double(spent.seconds) + Double(spent.attoseconds) * 1e-18
}
