import JSON
package import Tokenize

extension Grammar {
    /// Calls of functions with arguments that their schemas describe, as the model's chat template writes calls.
    ///
    /// - Parameters:
    ///   - name: The function to call; nil for any of them.
    ///   - allowed: The names of the functions that may be called; nil for all.
    ///   - allowsSeveral: Whether further calls may follow the first. Only the format of Hermes has an end of each call.
    package init(
        callsOf tools: ChatTools, named name: String?, among allowed: Set<String>? = nil, _ format: ToolCallFormat,
        _ shape: ToolCallShape, allowsSeveral: Bool
    ) throws(JSONSchemaError) {
        var parser = JSONParser(), grammar = Grammar(), calls: [[Element]] = []
        let list = (try? parser.parse(tools.json))?.elements.map(Array.init) ?? []
        for (index, toolName) in tools.names.enumerated() where (name == nil || toolName == name) && allowed?.contains(toolName) != false {
            let function = list[index]["function"], parameters = function?["parameters"]
            var arguments = grammar.rule([Grammar.text("{}")])
            if let parameters, !parameters.isNull {
                do throws(JSONSchemaError) {
                    arguments = grammar.add(try Grammar(jsonSchema: parameters, isStrict: function?["strict"]?.boolean ?? false))
                } catch { throw JSONSchemaError(path: "[\(index)].function.parameters\(error.path)", reason: error.reason) }
            }
            let name = Self.text(shape.beforeName) + Self.text(toolName)
            calls.append(name + Self.text(shape.beforeArguments) + [arguments] + Self.text(shape.end))
        }
        let call = grammar.rule(calls)
        var sequence = [call]
        if allowsSeveral, format == .hermes {
            let separator = shape.beforeName.first == UInt8(ascii: "\n") ? [] : Self.text("\n")
            sequence.append(grammar.repeated(separator + [call]))
        }
        let start = grammar.newRule()
        grammar.define(start, [sequence])
        grammar.start = start
        self = grammar
    }
}
