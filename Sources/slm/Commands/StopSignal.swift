import Glibc
import Synchronization

/// The first Ctrl-C lets a training run finish its step and save; the second ends the program.
struct StopSignal: ~Copyable {
    private static let count = Atomic(0)
    private static let isWatched = Atomic(false)
    private static let isFromParent = Atomic(false)

    init() {
        Self.isWatched.store(true, ordering: .relaxed)
        for number in [SIGINT, SIGTERM] { Self.receive(number) }
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

// SIGTERM from mpirun.
extension StopSignal {
    /// Whether SIGTERM came from the parent: mpirun sends it a second before it kills its processes.
    static var isEndOfRanks: Bool { isFromParent.load(ordering: .relaxed) }

    /// Whether a run is stopped by the signal, instead of the program.
    static var isStoppingRun: Bool { isWatched.load(ordering: .relaxed) }

    /// Lets `isEndOfRanks` be true in time to find out why mpirun ends its processes.
    static func watchForEndOfRanks() { receive(SIGTERM) }

    private static func receive(_ number: Int32) {
        var action = sigaction()
        action.sa_flags = SA_SIGINFO | SA_RESTART
        action.__sigaction_handler.sa_sigaction = { number, info, _ in
            let isEnd = number == SIGTERM && info?.pointee._sifields._kill.si_pid == getppid()
            if isEnd { StopSignal.isFromParent.store(true, ordering: .relaxed) }
            if StopSignal.isStoppingRun {
                if StopSignal.count.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(130) }
            } else if !isEnd {
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        sigaction(number, &action, nil)
    }
}
