package import JSON

/// What a chat prompt depends on besides its messages.
///
///     var form = ChatPromptForm()
///     form.arguments = try TemplateArguments(json)             // {"enable_thinking": false}
///     form.continuesAnswer = true                              // the prompt ends inside of the last message
package struct ChatPromptForm: Sendable, Equatable {
    /// Functions that the model may call. If the template has no tools, a system message describes them.
    package var tools: ChatTools?
    /// Whether that system message has only the names of functions and arguments, as in a small context.
    package var abbreviatesTools = false
    /// Only Jinja templates have variables.
    package var arguments: TemplateArguments?
    /// Whether the model continues the last message, which is the assistant's, instead of writing a new one.
    package var continuesAnswer = false

    package init(tools: ChatTools? = nil) { self.tools = tools }
}

/// Values for variables of a Jinja template (`chat_template_kwargs`).
package struct TemplateArguments: Sendable, Equatable {
    /// What is wrong with an argument. The name is nil if there is no object at all.
    package struct Failure: Error, Equatable {
        package let name: String?
        package let reason: String

        package init(name: String?, reason: String) {
            self.name = name
            self.reason = reason
        }
    }

    /// Names that slm sets itself.
    private static let reserved = Set(
        ["messages", "tools", "documents", "add_generation_prompt", "raise_exception", "strftime_now"] + JinjaChatTemplate.tokenNames)
    private static let maxBytes = 65_536

    /// An object, as JSON.
    package let json: [UInt8]

    /// - Parameters:
    ///   - element: An object; nil for one without members.
    ///   - defaults: The values, as JSON, of variables that the object may set itself.
    package init(_ element: JSONElement?, defaults: KeyValuePairs<String, String> = [:]) throws(Failure) {
        if let element, element.kind != .object {
            throw Failure(name: nil, reason: "expected an object, found \(element.kind.rawValue).")
        }
        json = try JSONWriter.bytes { object throws(Failure) in
            for (name, value) in defaults where element?[name] == nil { object.json(name, value) }
            guard let members = element?.members else { return }
            for (key, value) in members {
                let name = key.string ?? ""
                if Self.reserved.contains(name) { throw Failure(name: name, reason: "not allowed: it is set for every chat.") }
                object.element(name, value)
            }
        }
        guard json.count <= Self.maxBytes else { throw Failure(name: nil, reason: "expected at most \(Self.maxBytes) bytes of JSON.") }
    }
}
