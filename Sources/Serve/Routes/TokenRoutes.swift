import HTTPServer
import Infer
import JSON
import Tokenize

/// Texts to tokens and back.
extension App {
    static var tokenRoutes: [Route] {
        [
            Route("POST", "/tokenize", by: .reading) { try $0.tokenize($1) },
            Route("POST", "/detokenize", by: .reading) { try $0.detokenize($1) },
        ]
    }

    private static let mostTokens = 1_000_000

    private var modelInfo: ModelInfo {
        get throws(Failure) {
            guard let modelInfo = try models.ready.modelInfo else {
                throw Failure(
                    status: .notImplemented, code: "unsupported",
                    message: "The model answers from another address, and its tokens are known there only.")
            }
            return modelInfo
        }
    }

    private func tokenize(_ call: Call) throws -> Response {
        let fields = try Fields(of: call.request, known: ["text", "messages"]), model = try modelInfo
        let text = try fields.optionalText("text", 0...1_000_000), turns = try fields.turns("messages")
        guard (text == nil) != (turns == nil) else { throw Failure.invalid("text", "expected either text or messages.") }
        try rates.checkChat(call.caller.person)
        let ids: [TokenID] = if let text { try model.tokenizer.ids(of: text) } else { try promptIDs(turns ?? [], model) }
        return Response.json { tokens in
            tokens.key("tokens")
            tokens.array { for id in ids { $0.integer(id) } }
            tokens.key("count"); tokens.integer(ids.count)
        }
    }

    private func promptIDs(_ turns: [Turn], _ model: ModelInfo) throws -> [TokenID] {
        guard let renderer = model.renderer else { throw GenerationError.noChatTemplate(model: model.name) }
        var encoder = try Encoder(model.tokenizer, cacheBits: 0), chat = ChatTokens()
        try renderer.append(promptOf: turns, with: &encoder, to: &chat)
        return chat.ids
    }

    private func detokenize(_ call: Call) throws -> Response {
        let fields = try Fields(of: call.request, known: ["tokens"]), model = try modelInfo
        guard let elements = fields["tokens"]?.elements else { throw Failure.invalid("tokens", "expected a list of tokens.") }
        var ids: [TokenID] = []
        for element in elements {
            guard ids.count < Self.mostTokens else { throw Failure.invalid("tokens", "expected at most \(Self.mostTokens).") }
            guard let id = element.integer, id >= 0, id < model.tokenizer.vocabulary.count else {
                throw Failure.invalid("tokens[\(ids.count)]", "expected a token from 0 to \(model.tokenizer.vocabulary.count - 1).")
            }
            ids.append(TokenID(id))
        }
        try rates.checkChat(call.caller.person)
        let text = model.tokenizer.text(of: ids)
        return Response.json { json in
            json.key("text"); json.string(text)
        }
    }
}
