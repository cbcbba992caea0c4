import HTTPServer
import Infer
import JSON

/// Anthropic's Messages API.
extension APIService {
    static let anthropicRoutes: [Route] = [
        Route("POST", "/v1/messages", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.createMessage($1) },
        Route("POST", "/v1/messages/count_tokens", access: .apiClient, limit: .checkedByHandler, on: .parsing, body: .text) {
            try $0.api.countMessageTokens($1)
        },
    ]

    private func createMessage(_ context: RequestContext) throws -> Response? {
        let message = try MessagesRequest(RequestFields(of: context.request, known: nil)), (request, model) = try chat(message, context)
        let encoder = MessagesEncoder(request, model: model.name, showsThoughts: try message.showsThoughts)
        return try complete(request, model, encoder, context)
    }

    private func countMessageTokens(_ context: RequestContext) throws -> Response? {
        let message = try MessagesRequest(RequestFields(of: context.request, known: nil))
        let (request, model) = try chat(message, context, countsOnly: true), info = try model.info
        try rateLimits.checkChat(context.client.key)
        let count = try info.promptTokenCount(of: request[0])
        return Response.json { $0["input_tokens"] = count }
    }

    private func chat(
        _ message: MessagesRequest, _ context: RequestContext, countsOnly: Bool = false
    ) throws -> (CompletionRequest, ServedModel) {
        let served = try generator.servedModels, fields = try message.chatCompletion(countsOnly: countsOnly)
        let model = try served.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        do throws(APIError) { return (try CompletionRequest(chat: fields, for: model, maxAnswers: 1), model) } catch {
            throw error.renamed(MessagesRequest.name(of:))
        }
    }
}
