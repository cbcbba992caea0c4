import Threads

extension ChatBackend {
    /// Generates many answers, some of them concurrently, and passes them to `body` in the order of the requests.
    ///
    ///     try backend.generate(requests, concurrency: 16) { index, result in print(try result.get().text) }
    ///
    /// - Parameter isStopped: Polled about thirty times a second. Once it returns true, running generations are canceled and no
    ///   more are started.
    package func generate(
        _ requests: [GenerationRequest],
        concurrency: Int,
        isStopped: () -> Bool = { false },
        _ body: (_ index: Int, Result<GenerationResult, GenerationError>) throws -> Void
    ) rethrows {
        let mailbox = Mailbox<(index: Int, event: GenerationEvent)>()
        var running: [Int: any GenerationHandle] = [:]
        var partial: [Int: GenerationResult] = [:]
        var finished: [Int: Result<GenerationResult, GenerationError>] = [:]
        var startedCount = 0
        var deliveredCount = 0
        var isStopping = false
        defer { for handle in running.values { handle.cancel() } }
        while true {
            while !isStopping, startedCount < requests.count, running.count < concurrency {
                let index = startedCount
                do throws(GenerationError) {
                    running[index] = try start(requests[index]) { mailbox.put((index, $0)) }
                    partial[index] = GenerationResult()
                } catch {
                    // A full queue has space again once one of our own generations ends.
                    if case .busy = error, !running.isEmpty { break }
                    finished[index] = .failure(error)
                }
                startedCount += 1
            }
            while let result = finished.removeValue(forKey: deliveredCount) {
                try body(deliveredCount, result)
                deliveredCount += 1
            }
            if running.isEmpty, isStopping || startedCount == requests.count { return }
            if !isStopping, isStopped() {
                isStopping = true
                for handle in running.values { handle.cancel() }
            }
            guard let (index, event) = mailbox.take(within: .milliseconds(30)) else { continue }
            partial[index]?.add(event)
            guard case .ended(let end) = event, let result = partial.removeValue(forKey: index) else { continue }
            running[index] = nil
            if case .error(let error) = end.reason { finished[index] = .failure(error) } else { finished[index] = .success(result) }
        }
    }
}
