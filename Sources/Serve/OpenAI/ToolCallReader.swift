import Infer
import Tokenize

/// Reads the tool calls of one answer while it is generated.
struct ToolCallReader: Sendable {
    /// A call with the id that the client refers to.
    struct Call: Sendable {
        let index: Int
        let id: String
        let call: ToolCall
    }

    private let allowsSeveral: Bool
    /// nil if all calls come apart from the text.
    private var parser: ToolCallParser?
    private(set) var count = 0

    init(_ tools: CompletionRequest.Tools) {
        allowsSeveral = tools.allowsSeveral
        parser = tools.format.map { ToolCallParser($0, names: tools.tools.names) }
    }

    mutating func add(_ piece: TextPiece) -> (content: String, calls: [Call]) {
        let text = Array(piece.text.utf8)
        var read: ToolCallParser.Output = parser?.add(text) ?? (text, [])
        read.calls += piece.toolCalls
        return output(read)
    }

    /// - Parameter isCut: Whether the answer reached its limit of tokens.
    mutating func finish(isCut: Bool) -> (content: String, calls: [Call]) { output(parser?.finish(isCut: isCut) ?? ([], [])) }

    private mutating func output(_ output: ToolCallParser.Output) -> (content: String, calls: [Call]) {
        var calls: [Call] = []
        for call in output.calls where allowsSeveral || count == 0 {
            calls.append(Call(index: count, id: Self.newID(), call: call))
            count += 1
        }
        return (String(decoding: output.content, as: UTF8.self), calls)
    }

    /// Nine letters and digits, which Mistral's templates require.
    private static func newID() -> String {
        let characters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        return String((0..<9).map { _ in characters[Int.random(in: 0..<characters.count)] })
    }
}
