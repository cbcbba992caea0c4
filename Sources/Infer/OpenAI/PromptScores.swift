import Files
import HTTPClient
import JSON
import Tokenize

/// Log-probabilities of prompts on another server: `echo` with `logprobs` for texts, as in OpenAI's and vLLM's APIs, and `prompt_logprobs`
/// for chats, as in vLLM's and slm's.
extension GenerationRequest {
    /// Asks another server for the log-probabilities of a question with a text that continues it: `promptTokens` of the result has all of
    /// its tokens.
    ///
    /// - Parameter isChat: Whether the question is a user's message, and the text the answer.
    package static func logProbability(of text: String, after question: String, isChat: Bool) throws(GenerationError) -> GenerationRequest {
        var config = try GenerationConfig { $0.maxTokens = 1; $0.temperature = 0 }
        config.promptLogProbabilities = 0
        guard isChat else { return GenerationRequest(.text(question + text), config) }
        var request = GenerationRequest(.chat([.init(.user, question), .init(.assistant, text)]), config)
        request.continuesAnswer = true
        return request
    }

    /// Asks another server for the number of a question's tokens: `end.promptTokens` of the result.
    package static func tokenCount(of question: String, isChat: Bool) throws(GenerationError) -> GenerationRequest {
        let config = try GenerationConfig { $0.maxTokens = 1; $0.temperature = 0 }
        if isChat { return GenerationRequest(.chat([.init(.user, question)]), config) }
        return GenerationRequest(.text(String(question.trimmingSuffix(while: \.isWhitespace))), config)
    }
}

/// Parses the response to a request for the log-probabilities of a prompt, which is no stream.
struct PromptScores {
    private let address: String
    private var head = HTTPHead()
    private var body: [UInt8] = []
    private static let maxBytes = 64 << 20

    init(address: String) { self.address = address }

    mutating func receive(_ head: HTTPHead, _ bytes: Span<UInt8>) {
        self.head = head
        for i in bytes.indices where body.count < Self.maxBytes { body.append(bytes[i]) }
    }

    /// The tokens of the prompt. The first has no log-probability. Of others, null stands for -∞, which JSON does not have.
    func tokens() throws(RemoteError) -> [GeneratedToken] {
        guard head.status == 200 else { throw .status(of: head, address: address, body: body) }
        let root: JSONElement
        do throws(JSONError) { root = try JSONElement(parsing: body) } catch {
            throw .invalidResponse(address: address, reason: "the response is not valid: \(error)")
        }
        let count = root["usage"]?["prompt_tokens"]?.integer ?? 0
        let tokens = root["prompt_logprobs"]?.elements.map { Self.chatTokens($0) }
            ?? root["choices"]?.elements?.first { _ in true }?["logprobs"].map { Array(OpenAIStream.tokens($0).prefix(count)) } ?? []
        guard count > 0, tokens.count == count else {
            throw .invalidResponse(
                address: address, reason: "expected log-probabilities of the prompt's \(count) tokens, found \(tokens.count). "
                    + "Servers such as slm and vLLM have them; others may have them of texts alone (--as text)")
        }
        if count > 1, tokens.dropFirst().allSatisfy({ $0.logProbability == nil }) {
            throw .invalidResponse(address: address, reason: "expected log-probabilities of the prompt's tokens, found none")
        }
        return tokens.enumerated().map { index, token in
            GeneratedToken(nil, token.bytes, logProbability: index == 0 ? nil : token.logProbability ?? -.infinity)
        }
    }

    /// `prompt_logprobs`: null for the first token, then an object with the token by its id.
    private static func chatTokens(_ elements: some Sequence<JSONElement>) -> [GeneratedToken] {
        elements.map { element in
            let token = element.members?.first { _ in true }?.value
            return GeneratedToken(nil, token?["decoded_token"]?.bytes ?? [], logProbability: token?["logprob"]?.number.map { Float($0) })
        }
    }
}
