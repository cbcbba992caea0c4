import Files
import JSON

/// A call of a function that the model asks for.
package struct ToolCall: Sendable, Equatable {
    package let name: String
    /// A JSON object.
    package let arguments: [UInt8]

    package init(name: String, arguments: [UInt8]) {
        self.name = name
        self.arguments = arguments
    }
}

/// The functions that a model may call.
///
///     let tools = ChatTools(json: #"[{"type": "function", "function": {"name": "weather", "parameters": {…}}}]"#, names: ["weather"])
package struct ChatTools: Sendable, Equatable {
    /// The list of a request to OpenAI's API.
    package let json: [UInt8]
    package let names: [String]

    package init(json: [UInt8], names: [String]) {
        self.json = json
        self.names = names
    }
}

/// How a model writes tool calls in its answers.
package enum ToolCallFormat: String, Sendable, CaseIterable {
    /// `<tool_call>{"name": "f", "arguments": {…}}</tool_call>`, as often as there are calls: Hermes, Qwen2.5, Qwen3.
    case hermes
    /// `[TOOL_CALLS] [{"name": "f", "arguments": {…}}, …]` or `[TOOL_CALLS]f[ARGS]{…}…` at the end of the answer: Mistral.
    case mistral
    /// An answer that is `{"name": "f", "parameters": {…}}`, and nothing else: Llama 3.
    case llama
    /// A message to a function in the channel `commentary`, which ``ChannelReader`` reads from its tokens: gpt-oss.
    case harmony

    /// Tokens that are part of a call. Some vocabularies have them as special tokens, which answers without tools never contain.
    package var tokens: [String] {
        switch self {
        case .hermes: ["<tool_call>", "</tool_call>"]
        case .mistral: ["[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"]
        case .llama: ["<|python_tag|>"]
        // AnswerChannels has them.
        case .harmony: []
        }
    }

    /// The text and the calls of an answer.
    package func read(_ answer: some Sequence<UInt8>, names: [String]) -> ToolCallParser.Output {
        var parser = ToolCallParser(self, names: names)
        let (content, calls) = parser.add(Array(answer)), last = parser.finish()
        return (content + last.content, calls + last.calls)
    }
}

/// The texts around the name and the arguments of a call, as a chat template writes it.
package struct ToolCallShape: Sendable, Equatable {
    package let beforeName: [UInt8]
    package let beforeArguments: [UInt8]
    package let end: [UInt8]
}

extension ToolCallShape {
    /// nil if the template has changed the name or the arguments of a call whose only argument is a number.
    init?(of call: ToolCall, in answer: ArraySlice<UInt8>) {
        guard let name = answer.range(of: call.name.utf8),
            let start = answer[name.upperBound...].firstIndex(of: UInt8(ascii: "{")),
            let end = answer[start...].firstIndex(of: UInt8(ascii: "}"))
        else { return nil }
        guard let arguments = try? JSONElement(parsing: Array(answer[start...end])), arguments.json == call.arguments else { return nil }
        // Some templates write an empty thought before a call.
        let thoughtEnd = answer.range(of: "</think>".utf8)?.upperBound ?? answer.startIndex
        let first = thoughtEnd < name.lowerBound ? thoughtEnd : answer.startIndex
        beforeName = Array(first == answer.startIndex ? answer[..<name.lowerBound] : answer[first..<name.lowerBound].drop { $0 == 10 })
        beforeArguments = Array(answer[name.upperBound..<start])
        self.end = Array(answer[(end + 1)...])
    }
}

/// Separates tool calls from the text of an answer while it is generated. Text that may begin a call is held back until that is decided.
///
///     var parser = ToolCallParser(.hermes, names: ["weather"])
///     let (content, calls) = parser.add(piece)
///     let last = parser.finish()
///
/// The result does not depend on how the answer is divided into pieces. What looks like a call and cannot be read stays text.
package struct ToolCallParser: Sendable {
    package typealias Output = (content: [UInt8], calls: [ToolCall])

    private let format: ToolCallFormat
    private let names: Set<String>
    /// Text that was not returned yet.
    private var held: [UInt8] = []
    /// How much of it was searched already.
    private var searched = 0
    private var state = State.text

    private enum State {
        case text
        /// Behind the beginning of a call, which is not in `held`.
        case call
        /// The answer is not a call, and the rest of it is returned as it comes (``ToolCallFormat/llama``).
        case plain
    }

    private static let hermesStart = Array("<tool_call>".utf8), hermesEnd = Array("</tool_call>".utf8)
    private static let mistralStart = Array("[TOOL_CALLS]".utf8)
    private static let pythonTag = Array("<|python_tag|>".utf8)

    /// - Parameter names: The functions' names. The form of Llama has no other mark, so there only these are calls.
    package init(_ format: ToolCallFormat, names: [String]) {
        self.format = format
        self.names = Set(names)
    }

    /// Adds text, and returns what is decided.
    package mutating func add(_ text: [UInt8]) -> Output {
        held += text
        switch format {
        case .hermes: return readHermes()
        case .mistral: return readMistral()
        case .llama: return readLlama()
        case .harmony:
            defer { held = [] }
            return (held, [])
        }
    }

    /// Returns the rest at the end of the answer.
    ///
    /// - Parameter isCut: Whether the answer reached its limit of tokens: then a call that has begun is not text, but lost.
    package mutating func finish(isCut: Bool = false) -> Output {
        defer { held = [] }
        guard state == .call else {
            return format == .llama ? state == .text ? lastLlamaCalls() : ([], []) : (Array(held[...].trimmingSuffix(while: \.isSpace)), [])
        }
        switch format {
        case .hermes:
            // The answer ends where the last call ends.
            if let call = Self.call(in: held[...], arguments: ["arguments", "parameters"]) { return ([], [call]) }
            return (isCut ? [] : Self.hermesStart + held, [])
        case .mistral:
            if let calls = Self.mistralCalls(in: held) { return ([], calls) }
            return (isCut ? [] : Self.mistralStart + held, [])
        case .llama, .harmony: return ([], [])
        }
    }

    // MARK: Forms

    private mutating func readHermes() -> Output {
        var output: Output = ([], [])
        while true {
            if state == .text {
                guard let start = find(Self.hermesStart) else {
                    output.content += releasedText(before: Self.hermesStart)
                    return output
                }
                output.content += held[..<start].trimmingSuffix(while: \.isSpace)
                drop(start + Self.hermesStart.count)
                state = .call
            }
            guard let end = findEndOfHermesCall() else { return output }
            if let call = Self.call(in: held[..<end], arguments: ["arguments", "parameters"]) {
                output.calls.append(call)
            } else {
                output.content += Self.hermesStart + held[..<end] + Self.hermesEnd
            }
            drop(end + Self.hermesEnd.count)
            state = .text
        }
    }

    /// A text in the arguments may contain the mark.
    private mutating func findEndOfHermesCall() -> Int? {
        while let end = find(Self.hermesEnd) {
            guard Self.endsInsideString(held[..<end]) else { return end }
            searched = end + Self.hermesEnd.count
        }
        return nil
    }

    private mutating func readMistral() -> Output {
        guard state == .text else { return ([], []) }
        guard let start = find(Self.mistralStart) else { return (releasedText(before: Self.mistralStart), []) }
        let content = Array(held[..<start].trimmingSuffix(while: \.isSpace))
        drop(start + Self.mistralStart.count)
        state = .call
        return (content, [])
    }

    private mutating func readLlama() -> Output {
        if state == .text {
            let start = held.trimmed(held.indices).lowerBound, text = held[start...]
            let mayBeCall = text.isEmpty || text.first == UInt8(ascii: "{") || text.starts(with: Self.pythonTag)
                || Self.pythonTag.starts(with: text)
            if mayBeCall { return ([], []) }
            state = .plain
        }
        defer { held = [] }
        return (held, [])
    }

    private func lastLlamaCalls() -> Output {
        var rest = held[held.trimmed(held.indices)], calls: [ToolCall] = []
        if rest.starts(with: Self.pythonTag) { rest = rest.dropFirst(Self.pythonTag.count) }
        while true {
            rest = rest.drop { $0.isSpace || $0 == UInt8(ascii: ";") }
            if rest.isEmpty { break }
            guard let end = Self.objectEnd(in: rest), let call = Self.call(in: rest[..<end], arguments: ["parameters", "arguments"]),
                names.contains(call.name)
            else { return (held, []) }
            calls.append(call)
            rest = rest[end...]
        }
        return calls.isEmpty ? (held, []) : ([], calls)
    }

    /// A list of calls, or calls one behind the other; nil if there is anything else.
    private static func mistralCalls(in text: [UInt8]) -> [ToolCall]? {
        let text = text.trimmed
        if text.first == UInt8(ascii: "[") {
            guard let list = (try? JSONElement(parsing: text))?.elements else { return nil }
            var calls: [ToolCall] = []
            for element in list {
                guard let call = call(element, arguments: ["arguments"]) else { return nil }
                calls.append(call)
            }
            return calls.isEmpty ? nil : calls
        }
        var rest = text[...], calls: [ToolCall] = []
        while !rest.isEmpty {
            guard let start = rest.firstIndex(of: UInt8(ascii: "{")), let end = objectEnd(in: rest[start...]) else { return nil }
            let head = String(decoding: rest[..<start], as: UTF8.self)
            // f[CALL_ID]123456789[ARGS]{…}, both marks optional
            let name = head.prefix { $0 != "[" }.trimming(while: \.isWhitespace)
            let isMark = head.dropFirst(head.prefix { $0 != "[" }.count).allSatisfy { $0 != "\n" }
            guard !name.isEmpty, isMark, let arguments = try? JSONElement(parsing: Array(rest[start..<end])) else { return nil }
            calls.append(ToolCall(name: String(name), arguments: arguments.json))
            rest = rest[end...].drop(while: \.isSpace)
            if rest.starts(with: mistralStart) { rest = rest.dropFirst(mistralStart.count) }
        }
        return calls.isEmpty ? nil : calls
    }

    // MARK: Calls

    private static func call(in text: ArraySlice<UInt8>, arguments names: [String]) -> ToolCall? {
        guard let element = try? JSONElement(parsing: Array(text).trimmed) else { return nil }
        return call(element, arguments: names)
    }

    /// - Parameter names: The member that has the arguments: the first of these.
    private static func call(_ element: JSONElement, arguments names: [String]) -> ToolCall? {
        guard let name = element["name"]?.string, !name.isEmpty else { return nil }
        guard let arguments = names.lazy.compactMap({ element[$0] }).first else { return ToolCall(name: name, arguments: Array("{}".utf8)) }
        if arguments.kind == .object { return ToolCall(name: name, arguments: arguments.json) }
        // Some models write the object as a string.
        guard let text = arguments.bytes, let object = try? JSONElement(parsing: text), object.kind == .object else { return nil }
        return ToolCall(name: name, arguments: object.json)
    }

    /// The end of the JSON object at the start of a text; nil if it has none.
    private static func objectEnd(in text: ArraySlice<UInt8>) -> Int? {
        guard text.first == UInt8(ascii: "{") else { return nil }
        var scanner = JSONNesting()
        for index in text.indices {
            scanner.add(text[index])
            if scanner.depth == 0 { return index + 1 }
        }
        return nil
    }

    /// Whether the end of a text is inside of a string of the JSON object that it begins with.
    private static func endsInsideString(_ text: ArraySlice<UInt8>) -> Bool {
        let text = text.drop(while: \.isSpace)
        guard text.first == UInt8(ascii: "{") else { return false }
        var scanner = JSONNesting()
        for byte in text { scanner.add(byte) }
        return scanner.isInString
    }

    // MARK: The text that is held

    /// Where a mark begins. Text that was searched before is not searched again.
    private mutating func find(_ mark: [UInt8]) -> Int? {
        if let found = held.range(of: mark, from: max(0, searched - mark.count + 1)) { return found.lowerBound }
        searched = held.count
        return nil
    }

    private mutating func drop(_ count: Int) {
        held.removeFirst(count)
        searched = 0
    }

    /// Text without a mark: all but its end, which may begin one, and the white space before that, which may belong to it.
    private mutating func releasedText(before mark: [UInt8]) -> [UInt8] {
        let partial = (1..<mark.count).last { $0 <= held.count && held.suffix($0).elementsEqual(mark.prefix($0)) } ?? 0
        let text = Array(held.dropLast(partial).trimmingSuffix(while: \.isSpace))
        drop(text.count)
        return text
    }
}

/// Where in a JSON text its scanned part ends.
private struct JSONNesting {
    /// The number of open objects and arrays.
    private(set) var depth = 0
    private(set) var isInString = false
    private var isEscaped = false

    mutating func add(_ byte: UInt8) {
        if isInString {
            if byte == UInt8(ascii: "\""), !isEscaped { isInString = false }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            return
        }
        switch byte {
        case UInt8(ascii: "\""): isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
        default: break
        }
    }
}
