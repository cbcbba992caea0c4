import HTTPServer
import Infer
import JSON

extension RequestFields {
    /// Parses `response_format`: JSON that answers must consist of. nil for text, and for a model on another server, which reads it itself.
    func responseFormat(for model: ServedModel) throws(APIError) -> Grammar? {
        guard let value = self["response_format"] else { return nil }
        let grammar: Grammar, isRemote = model.modelInfo == nil
        switch value["type"]?.string {
        case "text": return nil
        case "json_object":
            if isRemote { return nil }
            // The schema is an extension of llama.cpp.
            if let schema = value["schema"], schema.kind != .null {
                grammar = try Self.grammar(of: schema, "response_format.schema", isStrict: false)
            } else {
                grammar = .anyObject
            }
        case "json_schema":
            guard let format = value["json_schema"], format.kind == .object, let schema = format["schema"] else {
                throw .invalid("response_format.json_schema", "expected an object with the member schema.")
            }
            if isRemote { return nil }
            grammar = try Self.grammar(of: schema, "response_format.json_schema.schema", isStrict: format["strict"]?.boolean ?? false)
        default: throw .invalid("response_format.type", "expected text, json_object or json_schema.")
        }
        return grammar.afterOptionalSpace
    }

    private static func grammar(of schema: JSONElement, _ field: String, isStrict: Bool) throws(APIError) -> Grammar {
        do throws(JSONSchemaError) { return try Grammar(jsonSchema: schema, isStrict: isStrict) } catch {
            throw .invalid(field + error.path, error.reason)
        }
    }
}
