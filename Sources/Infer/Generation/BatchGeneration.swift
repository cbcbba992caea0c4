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
        try generateChains(requests.count, concurrency: concurrency, isStopped: isStopped) { index, answers in
            answers.isEmpty ? requests[index] : nil
        } body: { index, answers, error in
            if let error { return try body(index, .failure(error)) }
            if let answer = answers.first { try body(index, .success(answer)) }
        }
    }

    /// Generates chains of answers, some chains concurrently: the next request of a chain depends on its answers so far, as in a chat.
    ///
    /// - Parameters:
    ///   - isStopped: As above. Chains that go on then end where they are; the last answer may be canceled.
    ///   - next: The next request of a chain; nil at its end.
    ///   - body: Called with all answers of each chain, in their order. The error is that of the request behind the last answer.
    package func generateChains(
        _ count: Int,
        concurrency: Int,
        isStopped: () -> Bool = { false },
        next: (_ index: Int, _ answers: [GenerationResult]) throws -> GenerationRequest?,
        body: (_ index: Int, _ answers: [GenerationResult], GenerationError?) throws -> Void
    ) rethrows {
        let mailbox = Mailbox<(index: Int, event: GenerationEvent)>()
        var running: [Int: any GenerationHandle] = [:]
        var partial: [Int: GenerationResult] = [:]
        var answers: [Int: [GenerationResult]] = [:]
        var finished: [Int: GenerationError?] = [:]
        /// Chains whose next request can start. They come before new ones: their keys and values are still in the cache.
        var waiting: [Int] = []
        var startedCount = 0
        var deliveredCount = 0
        var isStopping = false
        defer { for handle in running.values { handle.cancel() } }
        while true {
            if isStopping {
                for index in waiting { finished.updateValue(nil, forKey: index) }
                waiting = []
            }
            while !isStopping, running.count < concurrency, let index = waiting.first ?? (startedCount < count ? startedCount : nil) {
                if let request = try next(index, answers[index] ?? []) {
                    do throws(GenerationError) {
                        running[index] = try start(request) { mailbox.put((index, $0)) }
                        partial[index] = GenerationResult()
                    } catch {
                        // A full queue has space again once one of our own generations ends.
                        if case .busy = error, !running.isEmpty { break }
                        finished.updateValue(error, forKey: index)
                    }
                } else {
                    finished.updateValue(nil, forKey: index)
                }
                if waiting.isEmpty { startedCount += 1 } else { waiting.removeFirst() }
            }
            while let error = finished.removeValue(forKey: deliveredCount) {
                try body(deliveredCount, answers.removeValue(forKey: deliveredCount) ?? [], error)
                deliveredCount += 1
            }
            if running.isEmpty, isStopping || (waiting.isEmpty && startedCount == count) { return }
            if !isStopping, isStopped() {
                isStopping = true
                for handle in running.values { handle.cancel() }
            }
            guard let (index, event) = mailbox.take(within: .milliseconds(30)) else { continue }
            partial[index]?.add(event)
            guard case .ended(let end) = event, let result = partial.removeValue(forKey: index) else { continue }
            running[index] = nil
            if case .error(let error) = end.reason {
                finished.updateValue(error, forKey: index)
            } else {
                answers[index, default: []].append(result)
                waiting.append(index)
            }
        }
    }
}
