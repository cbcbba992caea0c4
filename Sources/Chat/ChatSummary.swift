import Infer

/// How a conversation goes, in numbers.
///
///     ChatSummary(session, context: backend.context).line      // 37 tokens in 0.4 s · context 212 of 384
package struct ChatSummary {
    private let session: ChatSession
    private let context: Int?

    package init(_ session: ChatSession, context: Int?) { (self.session, self.context) = (session, context) }

    /// Of the last answer, in a line; nil if there is none.
    package var line: String? {
        session.last.map { answer in
            let end = answer.end, seconds = end.timings.waited + end.timings.prompt + end.timings.answer
            var parts = ["\(end.answerTokens) tokens in \(short(seconds)) s"]
            if end.reason != .stop { parts.append(["length": "cut: no more tokens were asked for, or fit", "cancelled": "stopped"][end.reason.name] ?? end.reason.name) }
            if let context { parts.append("context \(end.promptTokens + end.answerTokens) of \(context)") }
            return parts.joined(separator: " · ")
        }
    }

    package var text: String {
        let totals = session.totals, times = totals.timings
        var lines = ["\(session.messages.count) messages, \(totals.answers) \(totals.answers == 1 ? "answer" : "answers") at temperature \(session.config.temperature)",
                     "\(totals.promptTokens) tokens read in \(short(times.prompt)) s, \(totals.answerTokens) written in \(short(times.answer)) s\(speed)"]
        if let line { lines.append("the last answer: \(line)") }
        return lines.joined(separator: "\n")
    }

    private var speed: String {
        // The first token of each answer belongs to the reading.
        let count = session.totals.answerTokens - session.totals.answers, seconds = session.totals.timings.answer
        return count > 0 && seconds > 0 ? ", \(Int((Double(count) / seconds).rounded())) a second" : ""
    }

    private func short(_ seconds: Double) -> String {
        let tenths = Int((seconds * 100).rounded())
        return "\(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100)"
    }
}
