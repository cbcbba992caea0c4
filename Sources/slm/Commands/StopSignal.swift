import Glibc
import Synchronization

/// The first Ctrl-C lets a training run finish its step and save; the second ends the program.
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

    /// Sleeps, or returns false when the signal comes.
    func wait(seconds: Double) -> Bool {
        let end = now() + seconds
        while now() < end {
            if isRaised { return false }
            usleep(50_000)
        }
        return !isRaised
    }
}
