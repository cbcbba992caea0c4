import Infer
import Terminal

/// The statistics of a conversation as text.
///
///     ChatSummary(session, context: backend.context).line      // 37 tokens in 412 ms · context 212 of 384
package struct ChatSummary {
    private let session: ChatSession
    private let context: Int?

    package init(_ session: ChatSession, context: Int?) {
        self.session = session
        self.context = context
    }

    /// The last answer in one line; nil if there is none.
    package var line: String? {
        guard let end = session.lastResult?.end else { return nil }
        let seconds = end.timings.queued + end.timings.prefill + end.timings.decode
        var parts = ["\(end.answerTokens) tokens in \(seconds.durationText)"]
        switch end.reason {
        case .stop: break
        case .length: parts.append("cut off: token limit or end of context")
        case .canceled: parts.append("stopped")
        case .error: parts.append("error")
        }
        if let context { parts.append("context \(end.promptTokens + end.answerTokens) of \(context)") }
        return parts.joined(separator: " · ")
    }

    /// The whole conversation, in several lines.
    package var text: String {
        let totals = session.totals, answers = "\(totals.answers) \(totals.answers == 1 ? "answer" : "answers")"
        let prefill = "\(totals.promptTokens) prompt tokens in \(totals.timings.prefill.durationText)"
        let decode = "\(totals.answerTokens) answer tokens in \(totals.timings.decode.durationText)\(speed)"
        var lines = ["\(session.messages.count) messages, \(answers) at temperature \(session.config.temperature)", "\(prefill), \(decode)"]
        if let line { lines.append("last answer: \(line)") }
        return lines.joined(separator: "\n")
    }

    private var speed: String {
        // The first token of each answer is part of the prefill.
        let count = session.totals.answerTokens - session.totals.answers, seconds = session.totals.timings.decode
        return count > 0 && seconds > 0 ? " (\(Int((Double(count) / seconds).rounded())) tokens/s)" : ""
    }
}
