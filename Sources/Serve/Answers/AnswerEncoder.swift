import Infer

/// A part of a streamed answer.
enum AnswerChunk {
    case start(GenerationStart)
    /// - offset: Characters of the answer before this piece.
    case text(TextPiece, offset: Int)
    /// The prompt's tokens, with `echo` and `logprobs`.
    case prompt([GeneratedToken])
    /// What the model thought, with the tokens of a piece.
    case reasoning(String, [GeneratedToken])
    case toolCalls([ToolCallReader.Call])
    case finish(GenerationEnd, callsTools: Bool)
}

/// The protocol in which a client receives answers. The chunks of one answer are encoded one at a time.
protocol AnswerEncoder: Sendable {
    /// The type of a streamed answer.
    var contentType: String { get }
    /// Sent in a stream that is silent for long.
    var heartbeat: String { get }
    /// Whether `response` and `end` wait for the database.
    var storesAnswers: Bool { get }
    /// Encodes the body of a response without streaming.
    func response(_ answers: [GenerationResult]) throws(APIError) -> [UInt8]
    func event(_ chunk: AnswerChunk, of answer: Int) -> [UInt8]
    /// Encodes the end of a stream.
    ///
    /// - Parameter answers: Only their starts and ends.
    func end(of answers: [GenerationResult]) -> [UInt8]
    /// Encodes an error that ends a stream.
    func event(of error: APIError) -> [UInt8]
}

extension AnswerEncoder {
    var contentType: String { "text/event-stream; charset=utf-8" }
    var heartbeat: String { ": beat\n\n" }
    var storesAnswers: Bool { false }
}

extension String {
    /// An identifier of something that was generated: the prefix, and random digits and letters.
    static func randomID(_ prefix: String) -> String {
        prefix + (0..<2).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined()
    }
}
