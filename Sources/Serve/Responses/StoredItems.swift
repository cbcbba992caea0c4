import JSON
import Store

/// The ids of items name their response, so that a reference to one is found: `msg_`, the response, and `i0` for the first item of its
/// input or `o0` for the first of its output.
enum ResponseItemID {
    enum Part: String { case input = "i", output = "o" }

    /// - Parameter type: The item's type in the API.
    static func text(_ type: String, _ part: Part, _ index: Int, of response: ResponseID) -> String {
        let prefix = ["reasoning": "rs", "function_call": "fc", "function_call_output": "fco", "file_search_call": "fs"][type] ?? "msg"
        return "\(prefix)_\(response)\(part.rawValue)\(index)"
    }

    /// nil for an id that slm has not given.
    static func response(of id: String) -> ResponseID? {
        let end = id.drop { $0 != "_" }.dropFirst()
        return ResponseID(String(end.prefix { !Part.allNames.contains($0) }))
    }
}

extension ResponseItemID.Part: CaseIterable {
    /// No digit of a `ResponseID`.
    fileprivate static let allNames = Set(allCases.flatMap(\.rawValue))
}

/// An item of a stored response.
struct StoredItem {
    /// That of the client, if the item was sent with one.
    var id: String
    /// The one that names the response. No other item has it.
    let ownID: String
    let item: JSONElement

    static func type(of item: JSONElement) -> String { item["type"]?.string ?? "message" }

    /// Whether an item of a request stands for a stored one.
    static func isReference(_ item: JSONElement) -> Bool {
        if let type = item["type"], !type.isNull { return type.isString("item_reference") }
        return item["role"] == nil && item["id"]?.string != nil
    }

    /// Writes the item as lists have it: with its id and type, and the text of a message as a part.
    func write(to object: inout JSONWriter) {
        let type = Self.type(of: item)
        object["id"] = id
        object["type"] = type
        guard let members = item.members else { return }
        for (key, value) in members {
            guard let name = key.string, name != "id", name != "type" else { continue }
            object.key(name)
            guard type == "message", name == "content", let text = value.string else {
                object.element(value)
                continue
            }
            let isOutput = item["role"]?.isString("assistant") == true
            object.array { list in
                list.object { part in
                    part["type"] = isOutput ? "output_text" : "input_text"
                    part["text"] = text
                    if isOutput { part.array("annotations") { _ in } }
                }
            }
        }
    }
}

extension StoredResponse {
    /// The items of the request, without those of earlier responses.
    func inputItems() throws(APIError) -> [StoredItem] {
        let items = try JSONElement.parsed(Array(input.utf8)).elements.map { Array($0) } ?? []
        return items.enumerated().map { index, item in
            let id = ResponseItemID.text(StoredItem.type(of: item), .input, index, of: self.id)
            return StoredItem(id: item["id"]?.string ?? id, ownID: id, item: item)
        }
    }

    func outputItems() throws(APIError) -> [StoredItem] {
        let items = try JSONElement.parsed(Array(response.utf8))["output"]?.elements.map { Array($0) } ?? []
        return items.map { item in
            let id = item["id"]?.string ?? ""
            return StoredItem(id: id, ownID: id, item: item)
        }
    }
}
