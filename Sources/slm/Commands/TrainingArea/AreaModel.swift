import AdminAPI
import JSON

/// A model of a server's registry.
struct AreaModel {
    let json: JSONElement

    var id: String { json["id"]?.string ?? "" }
    var name: String { json["name"]?.string ?? "" }
    var state: String { json["state"]?.string ?? "" }
    var error: String? { json["error"]?.string }
    var verdict: String { json["verdict"]?.string?.replacing("_", with: " ") ?? "-" }
    var isServed: Bool { json["is_served"]?.boolean ?? false }
}

extension JSONElement {
    /// The elements of a member; none if the object has no such list.
    func list(_ name: String) -> [JSONElement] { self[name]?.elements.map { Array($0) } ?? [] }
}

extension AdminClient {
    /// Sends a request of the training area.
    ///
    /// - Returns: The text of the response, and the response; "" and null for one without a body.
    func document(
        _ method: String, _ path: String, _ parameters: [(name: String, value: String)] = [],
        _ write: ((inout JSONWriter) -> Void)? = nil
    ) throws -> (text: String, json: JSONElement) {
        let body = try training(method, path, parameters, write)
        return (String(decoding: body, as: UTF8.self), try JSONElement(parsing: body.isEmpty ? Array("null".utf8) : body))
    }

    /// All models of the registry, the newest first.
    func models() throws -> [AreaModel] { try document("GET", "models").json.list("items").map { AreaModel(json: $0) } }

    /// Finds a model by its id, or by its name: of several with the name, the one whose files were not replaced.
    func model(named name: String) throws -> AreaModel {
        let found = try models().filter { $0.id == name || $0.name == name }
        let usable = found.filter { $0.json["files_deleted_at"]?.string == nil }
        guard let model = usable.first ?? found.first else {
            throw CommandError(description: "no model has the name or id '\(name)'. All models: slm training models")
        }
        return model
    }
}
