import Hashing
import Infer
import JSON
import Store

/// The models that this server has loaded: the one that answers, the canary, and those of API keys.
///
/// A request that names no model is answered by the model of its API key, else by the canary if its conversation is among the canary's
/// share, else by the active model. A name that is served wins over all of that.
struct ServedModels: Sendable {
    struct Canary: Sendable {
        let id: ModelID
        let model: ServedModel
        let share: Double
    }

    /// The client that requests an answer.
    struct Sender: Sendable {
        /// What the canary's share is chosen by: the id of the conversation, else the client.
        let key: String
        /// The model of the API key.
        var pinned: ModelID?

        init(_ conversation: ConversationID) { key = conversation.description }

        init(_ client: Client) {
            key = client.key.text
            pinned = client.pinnedModel
        }
    }

    let active: ServedModel
    /// The registry's id of `active`; nil without a registry.
    var activeID: ModelID?
    /// The name of the command line's model, which clients may go on sending when another model has become active.
    var alias: String?
    var canary: Canary?
    var pinned: [ModelID: ServedModel] = [:]
    /// Why models of the registry could not be loaded.
    var errors: [ModelID: String] = [:]
    /// The models that were opened, which the next load takes over.
    var loaded: [ModelFiles: ServedModel] = [:]

    init(_ active: ServedModel) { self.active = active }

    func isServed(_ id: ModelID) -> Bool { id == activeID || id == canary?.id || pinned[id] != nil }

    /// The model for a request that names none.
    func model(for sender: Sender?) throws(APIError) -> ServedModel {
        if let id = sender?.pinned {
            if let model = pinned[id] { return model }
            guard let error = errors[id] else {
                throw .serviceUnavailable("loading", "The model of this API key is loading. Try again in a moment.", retryAfter: 2)
            }
            var unavailable = APIError.serviceUnavailable(
                "model_unavailable", "The model of this API key cannot be loaded. Ask the owner of this server.", retryAfter: 60)
            unavailable.cause = error
            throw unavailable
        }
        if let canary, let sender, Self.number(sender.key, canary.id) < canary.share { return canary.model }
        return active
    }

    /// The model that a request names in `model`, or that answers if it names none.
    func selected(by fields: RequestFields, for sender: Sender? = nil) throws(APIError) -> ServedModel {
        guard let name = try fields.optionalText("model", 0...1_000) else { return try model(for: sender) }
        return try named(name, for: sender)
    }

    /// The model with a name: the active one or one of its adapters, the canary, or the model of the sender's API key. Clients may send
    /// `default`, or the name of the command line's model, for the model that answers them.
    func named(_ name: String, for sender: Sender? = nil) throws(APIError) -> ServedModel {
        let own = sender?.pinned.flatMap { pinned[$0] }
        if let model = (active.all + [canary?.model, own].compactMap { $0 }).first(where: { $0.name == name }) { return model }
        if name == ServedModel.placeholder || name == alias { return try model(for: sender) }
        return try active.named(name)
    }

    /// The models that clients are shown: the model of their API key, the active one and its adapters. The canary answers its share of
    /// conversations without being chosen.
    func listed(for sender: Sender) -> [ServedModel] {
        let own = sender.pinned.flatMap { pinned[$0] }
        return [own].compactMap { $0 } + active.all.filter { $0.name != own?.name }
    }

    /// Writes which models are loaded, for what, and which could not be.
    func write(to writer: inout JSONWriter) {
        var roles: [(id: ModelID, name: String?, role: String)] = activeID.map { [($0, active.name, "active")] } ?? []
        if let canary { roles.append((canary.id, canary.model.name, "canary")) }
        roles += pinned.map { ($0.key, $0.value.name, "pinned") }
        roles += errors.keys.map { ($0, nil, "failed") }
        roles.sort { ($0.role, $0.id.description) < ($1.role, $1.id.description) }
        writer.objects(roles) { model, object in
            object["id"] = model.id.description
            object["name"] = model.name
            object["role"] = model.role
            object["error"] = errors[model.id]
        }
    }

    /// A number from 0 up to 1 that depends on the key and on the canary, so that the next canary answers others.
    static func number(_ key: String, _ canary: ModelID) -> Double { Digest.fraction(of: "\(canary) \(key)") }
}
