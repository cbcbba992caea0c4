import HTTPServer
import Infer

/// Ranks documents for a query, in the form of Jina and Cohere.
extension APIService {
    static let rerankRoutes: [Route] = [
        Route("POST", "/v1/rerank", access: .apiClient, limit: .checkedByHandler, on: .parsing, body: .text) { try $0.api.rerank($1) },
    ]

    private func rerank(_ context: RequestContext) throws -> Response? {
        guard let model = settings.reranker, let input = model.backend.embeddingInput else {
            throw APIError(
                status: .notImplemented, code: "unsupported", message: "Not supported: the server has no reranker (slm serve --reranker).")
        }
        let fields = try RequestFields(of: context.request, known: nil)
        if let name = try fields.optionalText("model", 0...1_000) { _ = try model.named(name) }
        let request = try RerankFields(fields)
        return try embed(try request.tokens(for: input), with: model, context) { scores, tokens in
            request.response(scores.map { $0[0] }, model: model.name, tokens: tokens)
        }
    }
}
