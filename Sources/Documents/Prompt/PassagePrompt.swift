/// A question with numbered passages, as one message to a model.
///
///     let prompt = PassagePrompt("How do I reset the pump?", passages, limit: 4, budget: 1_024, count: TokenEstimate.count)
///     prompt.message                                           // "Read … [1] Hold the … (pump.md, Pump > Reset) … Question: …"
///     prompt.sources[0]                                        // is cited as [1]
///
/// The message is the text of a user's message: whatever a document contains, slm's chat templates write it as text, never as special
/// tokens. A model on another server is up to that server. Nor can a document imitate another passage: `quoted` marks what looks like one.
package struct PassagePrompt: Sendable, Equatable {
    /// The passages in the message, from number 1.
    package let sources: [Passage]
    package let question: String
    /// The question alone if there are no passages.
    package let message: String
    /// Whether passages were left out because they exceed the budget.
    package let isOverBudget: Bool

    /// The form that the smallest models follow best of those that were tried, with the source below each passage: above it, they list
    /// the sources instead of answering (Documentation/decisions/document-index.md).
    private static let instruction = """
        Read these passages from documents. Then answer the question briefly, with the number of the passage, such as [1]. If no passage \
        answers the question, say that.
        """

    /// - Parameters:
    ///   - passages: Best first. One that exceeds the rest of the budget is left out as a whole, and a smaller one may follow. A repeated
    ///     text is left out.
    ///   - limit: The most passages.
    ///   - budget: The most tokens of the passages with their headings.
    ///   - count: Counts the tokens of a text.
    package init(_ question: String, _ passages: [Passage], limit: Int, budget: Int, count: (String) -> Int) {
        var sources: [Passage] = [], texts: [String] = [], used = 0, isOverBudget = false
        for passage in passages where sources.count < limit && !sources.contains(where: { $0.text == passage.text }) {
            let text = Self.text(of: passage, number: sources.count + 1), tokens = count(text)
            if used + tokens > budget {
                isOverBudget = true
                continue
            }
            used += tokens
            sources.append(passage)
            texts.append(text)
        }
        self.sources = sources
        self.question = question
        self.isOverBudget = isOverBudget
        message = sources.isEmpty ? question : ([Self.instruction] + texts + ["Question: \(question)"]).joined(separator: "\n\n")
    }

    private static func text(of passage: Passage, number: Int) -> String {
        "[\(number)] \(quoted(passage.text))\n(\(spacingNumbers(passage.source)))"
    }

    /// A text in which nothing looks like what the prompt puts around passages: "[2]" becomes "[ 2 ]", so that only the numbers of passages
    /// can be cited, and lines that begin as a source or as the question begin with "> ".
    private static func quoted(_ text: String) -> String {
        spacingNumbers(text).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { line in
            let start = line.drop(while: \.isWhitespace)
            return start.hasPrefix("(") || start.hasPrefix("Question:") ? "> \(line)" : String(line)
        }.joined(separator: "\n")
    }

    /// By scalars: a combining mark after a bracket does not hide it.
    private static func spacingNumbers(_ text: String) -> String {
        let parts = text.unicodeScalars.split(separator: "[", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(into: String(parts[0])) { result, part in
            let digits = part.prefix { "0"..."9" ~= $0 }, rest = part[digits.endIndex...]
            result += !digits.isEmpty && rest.first == "]" ? "[ \(String(digits)) \(String(rest))" : "[" + String(part)
        }
    }

    /// The sources as a user reads them, each in a line: "[1] pump.md:12, Pump > Reset".
    package var sourceList: [String] {
        sources.enumerated().map { "[\($0.offset + 1)] \(Passage.oneLine([$0.element.place, $0.element.heading]))" }
    }

    /// What a user must know about an answer without passages; nil if there are some.
    package var note: String? {
        guard sources.isEmpty else { return nil }
        let reason = isOverBudget ? "the passages are too long for this model's context" : "no passage fits the question"
        return reason + ": this answer is not from the documents."
    }
}

extension Passage {
    /// Its file with the page and the heading, in one line: "pump.md, Pump > Reset".
    package var source: String { Self.oneLine([file, page.map { "page \($0)" } ?? "", heading]) }

    /// A name of a file or a heading may be any text.
    fileprivate static func oneLine(_ parts: [String]) -> String {
        parts.filter { !$0.isEmpty }.joined(separator: ", ").split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
