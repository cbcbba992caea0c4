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
        case "json_object": grammar = .anyObject
        case "json_schema":
            guard let format = value["json_schema"], format.kind == .object, let schema = format["schema"] else {
                throw .invalid("response_format.json_schema", "expected an object with the member schema.")
            }
            if isRemote { return nil }
            do throws(JSONSchemaError) {
                grammar = try Grammar(jsonSchema: schema, isStrict: format["strict"]?.boolean ?? false)
            } catch { throw .invalid("response_format.json_schema.schema\(error.path)", error.reason) }
        default: throw .invalid("response_format.type", "expected text, json_object or json_schema.")
        }
        return isRemote ? nil : grammar.afterOptionalSpace
    }
}
