import Threads

extension ChatBackend {
    /// Asks for many answers, some of them at once, and gives them in the order of the requests.
    ///
    ///     try backend.answers(to: requests, atOnce: 16) { index, result in print(try result.get().text) }
    ///
    /// - Parameter isStopped: Asked some thirty times a second; then what is under way is cancelled, and nothing more is begun.
    package func answers(to requests: [AnswerRequest], atOnce: Int, isStopped: () -> Bool = { false },
                         _ body: (_ index: Int, Result<WholeAnswer, GenerationError>) throws -> Void) rethrows {
        let mailbox = Mailbox<(index: Int, event: AnswerEvent)>()
        var underWay: [Int: any AnswerInProgress] = [:], answers: [Int: WholeAnswer] = [:], over: [Int: Result<WholeAnswer, GenerationError>] = [:]
        var begun = 0, given = 0, isOver = false
        defer { for answer in underWay.values { answer.cancel() } }
        while true {
            while !isOver, begun < requests.count, underWay.count < atOnce {
                let index = begun
                do throws(GenerationError) {
                    underWay[index] = try answer(requests[index]) { mailbox.put((index, $0)) }
                    answers[index] = WholeAnswer()
                } catch {
                    // Whoever is full has room again when one of ours is over.
                    if case .busy = error, !underWay.isEmpty { break }
                    over[index] = .failure(error)
                }
                begun += 1
            }
            while let result = over.removeValue(forKey: given) {
                try body(given, result)
                given += 1
            }
            if underWay.isEmpty, isOver || begun == requests.count { return }
            if !isOver, isStopped() {
                isOver = true
                for answer in underWay.values { answer.cancel() }
            }
            guard let (index, event) = mailbox.take(within: .milliseconds(30)) else { continue }
            answers[index]?.add(event)
            guard case .ended(let end) = event, let answer = answers.removeValue(forKey: index) else { continue }
            underWay[index] = nil
            if case .error(let error) = end.reason { over[index] = .failure(error) } else { over[index] = .success(answer) }
        }
    }
}
