import HTTPServer
import Infer
import JSON
import Tokenize

/// Tokenizes and detokenizes texts.
struct TokenService: Sendable {
    let models: ModelHolder
    let rateLimits: RateLimits

    static let routes: [Route] = [
        Route("POST", "/tokenize", limit: .checkedByHandler, on: .parsing, body: .text) { try $0.tokens.tokenize($1) },
        Route("POST", "/detokenize", limit: .checkedByHandler, on: .parsing, body: .text) { try $0.tokens.detokenize($1) },
    ]

    private func modelInfo(for fields: RequestFields) throws(APIError) -> ModelInfo { try models.ready.selected(by: fields).info }

    private func tokenize(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["text", "messages", "model"])
        let model = try modelInfo(for: fields)
        let text = try fields.optionalText("text", 0...RequestFields.maxPromptLength)
        let messages = try fields.messages("messages")
        guard (text == nil) != (messages == nil) else { throw APIError.invalid("text", "expected either text or messages.") }
        try rateLimits.checkChat(context.client.key)
        let ids: [TokenID] = if let text { try model.tokenizer.ids(of: text) } else { try promptTokens(messages ?? [], model) }
        return Response.json { tokens in
            tokens.array("tokens") { for id in ids { $0.integer(id) } }
            tokens["count"] = ids.count
        }
    }

    private func promptTokens(_ messages: [ChatMessage], _ model: ModelInfo) throws -> [TokenID] {
        let renderer = try model.chatRenderer
        var encoder = try Encoder(model.tokenizer, cacheBits: 0)
        var chat = ChatTokens()
        try renderer.append(promptOf: messages, with: &encoder, to: &chat)
        return chat.ids
    }

    private func detokenize(_ context: RequestContext) throws -> Response {
        let fields = try RequestFields(of: context.request, known: ["tokens", "model"])
        let model = try modelInfo(for: fields)
        guard let elements = fields["tokens"]?.elements else { throw APIError.invalid("tokens", "expected a list of token ids.") }
        let vocabularySize = model.tokenizer.vocabulary.count, most = RequestFields.maxPromptLength
        var ids: [TokenID] = []
        for element in elements {
            guard ids.count < most else { throw APIError.invalid("tokens", "expected at most \(most) tokens.") }
            guard let id = element.integer, id >= 0, id < vocabularySize else {
                throw APIError.invalid("tokens[\(ids.count)]", "expected a token id from 0 to \(vocabularySize - 1).")
            }
            ids.append(TokenID(id))
        }
        try rateLimits.checkChat(context.client.key)
        let text = model.tokenizer.text(of: ids)
        return Response.json { $0["text"] = text }
    }
}
