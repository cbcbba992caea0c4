import HTTPServer
import Infer
import JSON
import Store

/// OpenAI's Responses API. Responses of accounts are stored, so that the next request can continue them.
extension App {
    static var responsesRoutes: [Route] {
        [
            Route("POST", "/v1/responses", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.createResponse($1) },
            Route("GET", "/v1/responses/{id}", access: .apiClient) { try $0.showResponse($1) },
            Route("DELETE", "/v1/responses/{id}", access: .apiClient) { try $0.deleteResponse($1) },
        ]
    }

    private func createResponse(_ context: RequestContext) throws -> Response? {
        let served = try servedModels
        let fields = try RequestFields(of: context.request, known: nil)
        let model = try served.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let previous = try previousResponse(fields, context)
        let request = try ResponsesRequest(fields, after: previous.items)
        let completion = try request.completion(for: model)
        let stores = try fields.boolean("store") ?? true, owner = stores ? context.client.account : nil, id = ResponseID()
        let object = ResponseObject(id: id.description, of: request, completion, model: model.name, stores: owner != nil)
        var save: ResponsesEncoder.Save?
        if let owner {
            save = { [store, input = request.input, previous = previous.id] response in
                try store.add(StoredResponse(id, after: previous, input: input, response: response), of: owner)
            }
        }
        return try complete(completion, model, ResponsesEncoder(completion, object, save: save), context)
    }

    /// The response that a request continues, and the items of its conversation.
    private func previousResponse(_ fields: RequestFields, _ context: RequestContext) throws -> (id: ResponseID?, items: [JSONElement]) {
        let field = "previous_response_id"
        guard let name = try fields.optionalText(field, 0...200) else { return (nil, []) }
        guard let account = context.client.account else {
            let reason = "responses are stored for accounts only. Send an API key, or the whole conversation in input."
            throw APIError.invalid(field, reason)
        }
        do {
            let id = try Self.responseID(name)
            let items = try store.responses(through: id, of: account).flatMap { response in
                let input = try JSONElement.parsed(Array(response.input.utf8)).elements
                let output = try JSONElement.parsed(Array(response.response.utf8))["output"]?.elements
                return (input.map { Array($0) } ?? []) + (output.map { Array($0) } ?? [])
            }
            return (id, items)
        } catch StoreError.notFound(.response) {
            throw APIError(
                status: .badRequest, code: "previous_response_not_found", message: "Previous response with id '\(name)' not found.",
                field: field)
        }
    }

    private func showResponse(_ context: RequestContext) throws -> Response {
        if context.request.query("stream") == "true" { throw APIError.invalid("stream", "not supported: a stored response is complete.") }
        let (id, account) = try storedResponse(context)
        return Response(.ok, [("Content-Type", "application/json")], Array(try store.response(id, of: account).response.utf8))
    }

    private func deleteResponse(_ context: RequestContext) throws -> Response {
        let (id, account) = try storedResponse(context)
        try store.deleteResponse(id, of: account)
        return Response.json {
            $0["id"] = ResponseObject.idPrefix + id.description
            $0["object"] = "response"
            $0["deleted"] = true
        }
    }

    /// The response that a path names. Guests have none.
    private func storedResponse(_ context: RequestContext) throws -> (ResponseID, UserID) {
        guard let account = context.client.account else { throw StoreError.notFound(.response) }
        return (try Self.responseID(context.parameters.first ?? ""), account)
    }

    private static func responseID(_ name: String) throws(StoreError) -> ResponseID {
        let prefix = ResponseObject.idPrefix
        guard name.hasPrefix(prefix), let id = ResponseID(String(name.dropFirst(prefix.count))) else { throw .notFound(.response) }
        return id
    }
}
