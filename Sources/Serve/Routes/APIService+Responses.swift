import HTTPServer
import Infer
import JSON
import Store

/// OpenAI's Responses API. Responses of accounts are stored, so that the next request can continue them.
extension APIService {
    static let responsesRoutes: [Route] = [
        Route("POST", "/v1/responses", access: .apiClient, limit: .checkedByHandler, body: .text) { try $0.api.createResponse($1) },
        Route("GET", "/v1/responses/{id}", access: .apiClient) { try $0.api.showResponse($1) },
        Route("GET", "/v1/responses/{id}/input_items", access: .apiClient) { try $0.api.listInputItems($1) },
        Route("DELETE", "/v1/responses/{id}", access: .apiClient) { try $0.api.deleteResponse($1) },
    ]

    private func createResponse(_ context: RequestContext) throws -> Response? {
        let served = try generator.servedModels
        let fields = try RequestFields(of: context.request, known: nil)
        let model = try served.selected(by: fields, for: ServedModels.Sender(context.client)).forChats()
        let previous = try previousResponse(fields, context)
        var read: [ResponseID: [String: JSONElement]] = [:]
        let request = try ResponsesRequest(fields, after: previous.items) { id throws(APIError) in
            try storedItem(id, of: context.client.account, &read)
        }
        if !request.fileSearch.stores.isEmpty { try rateLimits.checkSearch(context.client.key) }
        let completion = try request.completion(for: model, documents.readable(by: context.client.account))
        let stores = try fields.boolean("store") ?? true, owner = stores ? context.client.account : nil, id = ResponseID()
        let object = ResponseObject(id: id, of: request, completion, model: model.name, stores: owner != nil)
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
            let items = try store.responses(through: id, of: account).flatMap { try $0.inputItems() + $0.outputItems() }
            return (id, items.map(\.item))
        } catch StoreError.notFound(.response) {
            throw APIError(
                status: .badRequest, code: "previous_response_not_found", message: "Previous response with id '\(name)' not found.",
                field: field)
        }
    }

    /// An item of a stored response of an account; nil if there is none.
    ///
    /// - Parameter read: The items of the responses that were read.
    private func storedItem(
        _ id: String, of account: UserID?, _ read: inout [ResponseID: [String: JSONElement]]
    ) throws(APIError) -> JSONElement? {
        guard let account, let response = ResponseItemID.response(of: id) else { return nil }
        if read[response] == nil {
            do {
                let stored = try store.response(response, of: account)
                let items = try stored.inputItems() + stored.outputItems()
                read[response] = Dictionary(items.flatMap { [($0.id, $0.item), ($0.ownID, $0.item)] }) { first, _ in first }
            } catch StoreError.notFound(.response) {
                read[response] = [:]
            } catch { throw APIError(any: error) }
        }
        return read[response]?[id]
    }

    /// Lists what a response was generated from: the items of the responses that it continues, and of its request.
    private func listInputItems(_ context: RequestContext) throws -> Response {
        let (id, account) = try storedResponse(context), request = context.request
        let limit = try request.integer("limit", 1...100, default: 20)
        let responses = try store.responses(through: id, of: account, stopsAtDeleted: true)
        var items = try responses.dropLast().flatMap { try $0.inputItems() + $0.outputItems() } + (responses.last?.inputItems() ?? [])
        // An item that was sent again, or by reference, has the id of the first one. In a list, `after` must find one place.
        var known: Set<String> = []
        for index in items.indices where !known.insert(items[index].id).inserted { items[index].id = items[index].ownID }
        return try .page(of: items.reversed(), request, limit: limit, id: \.id) { $0.write(to: &$1) }
    }

    private func showResponse(_ context: RequestContext) throws -> Response {
        if context.request.query("stream") == "true" { throw APIError.invalid("stream", "not supported: a stored response is complete.") }
        let (id, account) = try storedResponse(context)
        return .json(Array(try store.response(id, of: account).response.utf8))
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
