import Checkpoint
import Hashing
import HTTPServer
import Infer
import JSON
import Store
import Tokenize

/// Ollama's API. Its own port (`ServeSettings.ollamaPort`) has these paths without the prefix, and those under `/v1`.
extension APIService {
    static let ollamaRoutes: [Route] = [
        Route("POST", "/ollama/api/chat", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.ollamaChat($1) },
        Route("POST", "/ollama/api/generate", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.ollamaGenerate($1) },
        Route("POST", "/ollama/api/embed", access: .apiClient, limit: .checkedByHandler, on: .parsing, body: .text) {
            try $0.api.ollamaEmbed($1, hasInput: true)
        },
        Route("POST", "/ollama/api/embeddings", access: .apiClient, limit: .checkedByHandler, on: .parsing, body: .text) {
            try $0.api.ollamaEmbed($1, hasInput: false)
        },
        Route("GET", "/ollama/api/tags", access: .apiClient) { try $0.api.listOllamaModels($1) },
        Route("GET", "/ollama/api/ps", access: .apiClient) { try $0.api.listOllamaModels($1) },
        Route("POST", "/ollama/api/show", access: .apiClient) { try $0.api.showOllamaModel($1) },
        Route("GET", "/ollama/api/version", on: .connection) { _, _ in
            Response.json { $0["version"] = Self.ollamaVersion }
        },
        Route("GET", "/ollama", on: .connection) { _, _ in .text(.ok, "Ollama is running") },
    ]

    /// The version of Ollama whose API this is: clients ask whether it is new enough.
    private static let ollamaVersion = "0.13.0"

    private static let usualTag = ":latest"

    /// - Parameter encoder: The server's embedding model, if a request with this name means it.
    private func ollamaRequest(
        _ context: RequestContext, encoder: (_ name: String?) -> ServedModel? = { _ in nil }
    ) throws -> (RequestFields, ServedModel) {
        let served = try generator.servedModels, sender = ServedModels.Sender(context.client)
        let fields = try RequestFields(of: context.request, known: nil, hasAnyType: true)
        let name = try fields.optionalText("model", 0...1_000)
        // Clients add the usual tag to names without one.
        let untagged = name.map { $0.hasSuffix(Self.usualTag) ? String($0.dropLast(Self.usualTag.count)) : $0 }
        if let encoder = encoder(untagged) { return (fields, encoder) }
        guard let name, let untagged else { return (fields, try served.model(for: sender)) }
        let isListed = served.listed(for: sender).contains { $0.name == name }
        return (fields, try served.named(isListed ? name : untagged, for: sender))
    }

    private func ollamaChat(_ context: RequestContext) throws -> Response? {
        let (fields, model) = try ollamaRequest(context)
        guard let body = try OllamaRequest(fields).chatCompletion() else { return Self.loaded(model, isChat: true) }
        let completion = try CompletionRequest(chat: body, for: model.forChats(), maxAnswers: 1)
        return try complete(completion, model, OllamaEncoder(isChat: true, request: completion, model: model.name), context)
    }

    private func ollamaGenerate(_ context: RequestContext) throws -> Response? {
        let (fields, model) = try ollamaRequest(context)
        let hasTemplate = model.modelInfo.map { $0.renderer != nil } ?? true, isRaw = try fields.boolean("raw") ?? false || !hasTemplate
        guard let body = try OllamaRequest(fields).generation(isRaw: isRaw) else { return Self.loaded(model, isChat: false) }
        let completion = isRaw
            ? try CompletionRequest(text: body, for: model, maxAnswers: 1) : try CompletionRequest(chat: body, for: model, maxAnswers: 1)
        return try complete(completion, model, OllamaEncoder(isChat: false, request: completion, model: model.name), context)
    }

    private static func loaded(_ model: ServedModel, isChat: Bool) -> Response {
        .json(OllamaEncoder.loaded(model: model.name, isChat: isChat))
    }

    private func ollamaEmbed(_ context: RequestContext, hasInput: Bool) throws -> Response? {
        let (fields, model) = try ollamaRequest(context, encoder: embeddingModel)
        var request = try EmbeddingFields(OllamaRequest(fields).embedding(hasInput: hasInput), for: model)
        request.truncates = try fields.boolean("truncate") ?? true
        return try embed(try request.tokens(for: model), with: model, context) { [request] embeddings, tokens in
            return JSONWriter.bytes { response in
                if !hasInput {
                    response.key("embedding"); request.write(embeddings.first ?? [], to: &response)
                    return
                }
                response["model"] = model.name
                response.array("embeddings") { list in for embedding in embeddings { request.write(embedding, to: &list) } }
                response["prompt_eval_count"] = tokens
            }
        }
    }

    /// All models that are served are loaded.
    private func listOllamaModels(_ context: RequestContext) throws -> Response {
        let listed = try models.ready.listed(for: ServedModels.Sender(context.client)) + [settings.embeddingModel].compactMap(\.self)
        return Response.json { response in
            response.objects("models", listed) { model, object in
                object["name"] = model.name
                object["model"] = model.name
                writeOllamaDetails(of: model, to: &object)
                // As Ollama writes for a model that is never unloaded.
                object["expires_at"] = "2318-01-01T00:00:00Z"
            }
        }
    }

    private func showOllamaModel(_ context: RequestContext) throws -> Response {
        let (_, model) = try ollamaRequest(context) { $0 == settings.embeddingModel?.name ? settings.embeddingModel : nil }
        let renderer = model.modelInfo?.renderer
        let defaults = model.samplingDefaults
        return Response.json { response in
            writeOllamaDetails(of: model, to: &response)
            response["parameters"] = "temperature \(defaults.temperature)\ntop_k \(defaults.topK)\ntop_p \(defaults.topP)\n"
                + "min_p \(defaults.minP)\nrepeat_penalty \(defaults.repetitionPenalty)"
            response.object("model_info") { info in
                info["general.architecture"] = "slm"
                if let context = model.context { info["slm.context_length"] = context }
                if let width = model.backend.embeddingWidth { info["slm.embedding_length"] = width }
            }
            response.array("capabilities") { list in
                if model.backend.embeddingInput != nil { return list.string("embedding") }
                list.string("completion")
                if renderer != nil || model.modelInfo == nil { list.string("tools") }
                if renderer?.thoughtMarks != nil { list.string("thinking") }
            }
        }
    }

    private func writeOllamaDetails(of model: ServedModel, to object: inout JSONWriter) {
        let bytes = model.backend.weightBytes ?? 0, digest = Digest()
        digest.add(Array("\(model.name) \(models.loadedAt)".utf8).span)
        object["modified_at"] = Timestamp(milliseconds: Int64(models.loadedAt) * 1_000).description
        object["size"] = bytes
        object["size_vram"] = 0
        object["digest"] = digest.text + digest.text
        if let context = model.context { object["context_length"] = context }
        object.object("details") {
            for name in ["parent_model", "parameter_size", "quantization_level"] { $0[name] = "" }
            $0["format"] = "slm"
            $0["family"] = "slm"
            $0.array("families") { $0.string("slm") }
        }
    }
}
