import Glibc
import Synchronization

// Checks ThreadSanitizer with swift_tsan.c: `races` synchronizes threads by what Swift's runtime provides and must not be reported;
// `races bad` has a data race and must be.

final class Counter: @unchecked Sendable {      // without a lock on purpose
    var value = 0
    deinit { destroyed.add(value, ordering: .relaxed) }
}

let destroyed = Atomic(0)
let table = Mutex<[String: Int]>([:])
let shared = Mutex<Counter?>(nil)
enum Lazy { static let names = (0..<100).map { "name \($0)" } }

/// Runs work on several threads at once and waits for them.
func onThreads(_ count: Int, _ work: @escaping @Sendable (Int) -> Void) {
    final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let threads = (0..<count).map { number in
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Work { work(number) }).toOpaque()
        guard pthread_create(&thread, nil, { context in
            if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, context) == 0 else { fatalError("cannot create a thread") }
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}

if CommandLine.arguments.last == "bad" {
    let counter = Counter()
    onThreads(4) { _ in for _ in 0..<1_000 { counter.value += 1 } }
} else {
    onThreads(8) { number in
        for i in 0..<2_000 {
            table.withLock { $0[Lazy.names[(i + number) % 100], default: 0] += 1 }
            // One thread changes an object, another one destroys it.
            shared.withLock { counter in
                if counter == nil { counter = Counter() }
                counter?.value += 1
            }
            if i % 10 == 0 { _ = shared.withLock { $0.take() } }
        }
    }
    shared.withLock { $0 = nil }
    print(table.withLock { $0.values.reduce(0, +) }, destroyed.load(ordering: .relaxed))
}
