import Threads

/// Records the timings of one generation.
///
///     var recorder = TimingRecorder()                          // when the request arrives
///     recorder.leftQueue()
///     recorder.sampledToken()
///     recorder.timings
package struct TimingRecorder: Sendable {
    private let requestedAt = ContinuousClock.now
    private var startedAt: ContinuousClock.Instant?
    private var firstTokenAt: ContinuousClock.Instant?
    private var lastTokenAt: ContinuousClock.Instant?

    package init() {}

    /// The request got a slot. If never called, it did not wait.
    package mutating func leftQueue() { startedAt = .now }

    package mutating func sampledToken() {
        lastTokenAt = .now
        if firstTokenAt == nil { firstTokenAt = lastTokenAt }
    }

    package var timings: GenerationTimings {
        let started = startedAt ?? requestedAt
        let first = firstTokenAt ?? started
        var timings = GenerationTimings()
        timings.queued = (started - requestedAt).inSeconds
        timings.prefill = (first - started).inSeconds
        timings.decode = ((lastTokenAt ?? first) - first).inSeconds
        return timings
    }
}
