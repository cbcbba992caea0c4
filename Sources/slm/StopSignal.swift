import Glibc
import Synchronization

/// Ctrl-C once finishes the step and saves; twice stops.
struct StopSignal: ~Copyable {
    private static let count = Atomic(0)

    init() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                if StopSignal.count.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
            }
        }
    }

    var isRaised: Bool { Self.count.load(ordering: .relaxed) > 0 }
}
