import Glibc
import Store
import Synchronization
import Testing

/// A clock that a test advances.
final class ManualClock: Sendable {
    private let offset = Mutex(Duration.zero)

    var now: Timestamp { Timestamp.now().advanced(by: offset.withLock { $0 }) }
    func advance(_ milliseconds: Int) { offset.withLock { $0 += .milliseconds(milliseconds) } }
}

/// Waits until a condition is true. Fails after half a minute: other tests may use all cores for seconds.
func eventually(_ condition: () throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for _ in 0..<10_000 {
        if try condition() { return }
        usleep(3_000)
    }
    Issue.record("the condition did not become true", sourceLocation: sourceLocation)
}
