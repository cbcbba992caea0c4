import Jinja
import JSON

extension JinjaChatRenderer {
    /// Sets variables that a request gives. Their text is never a special token: it does not come from the template.
    static func set(
        _ arguments: TemplateArguments, of template: JinjaTemplate, in variables: inout [String: JinjaValue]
    ) throws(TokenizeError) {
        guard let members = (try? JSONElement(parsing: arguments.json))?.members else { return }
        for (key, value) in members {
            do throws(JinjaError) { variables[key.string ?? ""] = try JinjaValue(value, source: toolsSource) } catch {
                throw .chatTemplate(error.description)
            }
        }
        // Templates such as those of Granite and DeepSeek V3.1 have another name for the variable that switches thinking.
        let switches = ["enable_thinking", "thinking"]
        if switches.filter(template.namesRead.contains) == ["thinking"], variables["thinking"] == nil {
            variables["thinking"] = variables["enable_thinking"]
        }
    }

    /// The texts between which the model thinks before it answers; nil if the template does not write them and the vocabulary has no
    /// token for them.
    static func thoughtMarks(in source: String, _ vocabulary: Vocabulary, _ channels: AnswerChannels?) -> ThoughtMarks? {
        let marks = ThoughtMarks.think, tokens = vocabulary.specialTokens.map(\.text) + vocabulary.addedTokens.map(\.text)
        return channels != nil || source.contains(marks.end) || tokens.contains(marks.end) ? marks : nil
    }
}

/// A prompt that ends inside of the assistant's last message, as transformers makes it (`continue_final_message`): the message is rendered
/// with a mark behind its text, and the prompt ends where the mark begins.
enum ContinuedAnswer {
    private static let mark = "CONTINUE_FINAL_MESSAGE_TAG "

    static func marked(_ messages: [Conversation.Message]) -> [Conversation.Message] {
        guard let last = messages.lastIndex(where: { $0.role == .assistant }) else { return messages }
        var messages = messages
        messages[last] = messages[last].with(text: messages[last].text + mark.utf8)
        return messages
    }

    /// A template that trims messages removes the mark's space, and so the prompt has none before it either.
    static func cut(
        _ text: JinjaText, of messages: [Conversation.Message], dividesThoughts: Bool
    ) throws(TokenizeError) -> ArraySlice<UInt32> {
        let prompt = try cut(text)
        // A template may drop a part of the message, such as a thought.
        func isSpace(_ scalar: UInt32) -> Bool { Unicode.Scalar(scalar)?.properties.isWhitespace ?? false }
        let message = messages.last { $0.role == .assistant }, said = message?.text ?? []
        let divided = dividesThoughts && message?.reasoning == nil ? message?.dividedText : nil
        let end = divided.map { ThoughtMarks.think.isOpen(atEndOf: said) ? $0.thought ?? [] : $0.text } ?? said
        let expected = String(decoding: end, as: UTF8.self).unicodeScalars.map(\.value).filter { !isSpace($0) }
        let written = prompt.map { $0 & JinjaText.scalarMask }.filter { !isSpace($0) }
        guard written.suffix(expected.count).elementsEqual(expected) else {
            throw .chatTemplate("it changes the assistant's last message, so that it cannot be continued")
        }
        return prompt
    }

    private static func cut(_ text: JinjaText) throws(TokenizeError) -> ArraySlice<UInt32> {
        let units = text.units, mark = mark.unicodeScalars.map(\.value), word = mark.dropLast()
        func matches(_ part: ArraySlice<UInt32>, at start: Int) -> Bool {
            start + part.count <= units.count
                && zip(units[start...], part).allSatisfy { $0 & JinjaText.scalarMask == $1 && JinjaText.source(of: $0) > 0 }
        }
        guard let start = units.indices.last(where: { matches(word, at: $0) }) else {
            throw .chatTemplate("it does not write the assistant's last message, so that it cannot be continued")
        }
        if matches(mark[...], at: start) { return units[..<start] }
        let end = units[..<start].lastIndex { unit in
            !(Unicode.Scalar(unit & JinjaText.scalarMask)?.properties.isWhitespace ?? false)
        }
        return units[..<(end.map { $0 + 1 } ?? 0)]
    }
}
