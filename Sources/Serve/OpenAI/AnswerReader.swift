import Infer
import Tokenize

/// Reads one answer to a chat while it is generated: what the model thought, what it says, and its tool calls.
struct AnswerReader: Sendable {
    struct Output: Sendable {
        var reasoning = ""
        var content = ""
        var calls: [ToolCallReader.Call] = []

        /// Whether the tokens of the piece are those of a thought.
        var isThought: Bool { content.isEmpty && !reasoning.isEmpty }
    }

    private var thoughts: ThoughtParser?
    private var tools: ToolCallReader?

    /// - Parameter start: The start of the answer: its prompt may have begun a thought.
    init(_ request: CompletionRequest, _ start: GenerationStart) {
        thoughts = request.thoughtMarks.map {
            ThoughtParser($0, isOpen: start.isThinking, continuesAnswer: request.continuesAnswer)
        }
        tools = request.tools.map { ToolCallReader($0) }
    }

    /// The number of tool calls so far.
    var callCount: Int { tools?.count ?? 0 }

    mutating func add(_ piece: TextPiece) -> Output {
        let parts = thoughts?.add(Array(piece.text.utf8))
        return output(of: piece, in: parts)
    }

    /// - Parameter isCut: Whether the answer reached its limit of tokens.
    mutating func finish(isCut: Bool) -> Output {
        let parts = thoughts?.finish()
        var output = output(of: TextPiece(""), in: parts)
        if let (content, calls) = tools?.finish(isCut: isCut) {
            output.content += content
            output.calls += calls
        }
        return output
    }

    /// - Parameter parts: The text's thought and its content; nil if it is all content.
    private mutating func output(of piece: TextPiece, in parts: (thought: [UInt8], content: [UInt8])?) -> Output {
        var piece = piece, output = Output()
        if let parts {
            output.reasoning = String(decoding: parts.thought, as: UTF8.self)
            piece.text = String(decoding: parts.content, as: UTF8.self)
        }
        // Thoughts that come apart are those behind the one in the text.
        output.reasoning += piece.reasoning
        (output.content, output.calls) = tools?.add(piece) ?? (piece.text, [])
        return output
    }

    /// Reads a whole answer.
    static func read(_ answer: GenerationResult, _ request: CompletionRequest) -> Output {
        var reader = AnswerReader(request, answer.start), output = reader.add(answer.joinedPiece)
        let last = reader.finish(isCut: answer.end.reason == .length)
        output.reasoning += last.reasoning
        output.content += last.content
        output.calls += last.calls
        return output
    }

    /// The tokens of the content of a whole answer, which has kept its pieces. Tokens without text, such as the marks of thoughts, belong
    /// to it behind text only.
    static func contentTokens(of answer: GenerationResult, _ request: CompletionRequest) -> [GeneratedToken] {
        var reader = AnswerReader(request, answer.start), tokens: [GeneratedToken] = [], followsText = false
        for piece in answer.pieces {
            let output = reader.add(piece)
            if output.isThought { followsText = false }
            followsText = followsText || !output.content.isEmpty
            if followsText { tokens += piece.tokens }
            if !output.calls.isEmpty { followsText = false }
        }
        return tokens
    }
}
