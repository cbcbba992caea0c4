import HTTPServer
import Infer
import JSON

/// The fields that say what answers must consist of: OpenAI's `response_format`, llama.cpp's `grammar`, and those of vLLM.
extension RequestFields {
    /// nil for any text, and for a model on another server, which reads the fields itself.
    func responseFormat(for model: ServedModel) throws(APIError) -> Grammar? {
        let names = answerFormatFields
        if names.count > 1 { throw .invalid(names[1], "not supported together with \(names[0]).") }
        guard let name = names.first, let value = self[name] else { return nil }
        let isRemote = model.modelInfo == nil
        let grammar: Grammar?
        switch name {
        case ForwardedField.responseFormat: grammar = try openAIFormat(value, isRemote: isRemote)
        case "structured_outputs":
            guard let members = value.members else { throw .invalid(name, "expected an object, found \(value.kind.rawValue).") }
            let given = members.filter { !$0.value.isNull }.compactMap { $0.key.string }
            let known = given.filter { ["json", "json_object", "regex", "choice", "grammar"].contains($0) }
            if let other = given.first(where: { !known.contains($0) && $0 == "structural_tag" }) {
                throw .invalid("\(name).\(other)", "not supported.")
            }
            guard known.count == 1, let part = value[known[0]] else {
                throw .invalid(name, "expected one of json, json_object, regex, choice and grammar.")
            }
            grammar = try constraint(part, "\(name).\(known[0])", kind: known[0], isRemote: isRemote)
        default:
            grammar = try constraint(value, name, kind: name.replacing("guided_", with: ""), isRemote: isRemote)
        }
        return grammar
    }

    /// Those of the fields that the request has.
    var answerFormatFields: [String] {
        ForwardedField.answerFormats.filter { name in
            guard let value = self[name] else { return false }
            return name != ForwardedField.responseFormat || value["type"]?.string != "text"
        }
    }

    private func openAIFormat(_ value: JSONElement, isRemote: Bool) throws(APIError) -> Grammar? {
        let grammar: Grammar
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

    /// - Parameter kind: `json`, `json_object`, `regex`, `choice` or `grammar`.
    private func constraint(_ value: JSONElement, _ field: String, kind: String, isRemote: Bool) throws(APIError) -> Grammar? {
        if isRemote { return nil }
        switch kind {
        case "json_object":
            guard value.boolean == true else { throw .invalid(field, "expected true.") }
            return Grammar.anyObject.afterOptionalSpace
        case "json":
            guard let text = value.string else { return try Self.grammar(of: value, field, isStrict: false).afterOptionalSpace }
            guard let schema = try? JSONElement(parsing: Array(text.utf8)) else { throw .invalid(field, "expected a JSON schema.") }
            return try Self.grammar(of: schema, field, isStrict: false).afterOptionalSpace
        default: break
        }
        do throws(GrammarTextError) {
            if kind == "choice" {
                let texts = value.elements?.map(\.string) ?? []
                guard !texts.contains(nil) else { throw GrammarTextError(reason: "expected a list of strings.") }
                return try Grammar(choices: texts.compactMap(\.self))
            }
            guard let text = value.string else { throw GrammarTextError(reason: "expected a string, found \(value.kind.rawValue).") }
            return kind == "regex" ? try Grammar(regex: text) : try Grammar(gbnf: text)
        } catch { throw .invalid(field, error.reason) }
    }

    private static func grammar(of schema: JSONElement, _ field: String, isStrict: Bool) throws(APIError) -> Grammar {
        do throws(JSONSchemaError) { return try Grammar(jsonSchema: schema, isStrict: isStrict) } catch {
            throw .invalid(field + error.path, error.reason)
        }
    }
}
