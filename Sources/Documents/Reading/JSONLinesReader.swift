import JSON

/// Reads JSON Lines: each line as the names of its members with their values. A line that is not JSON stays as it is.
enum JSONLinesReader {
    static func document(_ text: [UInt8]) -> Document {
        let lines = SourceLines(text)
        var parser = JSONParser(), blocks: [Document.Block] = []
        for i in lines.indices where !lines[i].isBlank {
            var members: [String] = []
            do throws(JSONError) { add(try parser.parse(Array(lines[i])), "", to: &members) } catch {
                members = [String(decoding: lines[i], as: UTF8.self)]
            }
            // Escapes may stand for control characters.
            let text = String(decoding: TextDecoding.withoutControls(Array(members.joined(separator: "\n").utf8)[...]), as: UTF8.self)
            if !text.isEmpty { blocks.append(.init(.row(header: nil), text, line: i + 1)) }
        }
        return Document(blocks: blocks)
    }

    /// - Parameter name: The name of the value, such as `messages.content`.
    private static func add(_ value: JSONElement, _ name: String, to members: inout [String]) {
        if let object = value.members {
            for (key, value) in object { add(value, (name.isEmpty ? "" : name + ".") + (key.string ?? ""), to: &members) }
        } else if let elements = value.elements {
            for element in elements { add(element, name, to: &members) }
        } else if let text = text(of: value), !text.isEmpty {
            members.append(name.isEmpty ? text : "\(name): \(text)")
        }
    }

    private static func text(of value: JSONElement) -> String? {
        if let text = value.string { return text }
        if let number = value.integer { return "\(number)" }
        if let number = value.number { return "\(number)" }
        return value.boolean.map { "\($0)" }
    }
}
