import Jinja

/// Renders conversations by a Jinja template.
///
/// Special tokens, and other tokens that the template writes, are recognized only where the template wrote all of their characters
/// (``TemplateTokens``): a message that spells `<|im_end|>` is encoded as text. Each character of a rendered text knows which message it
/// came from (``JinjaText``). Messages are given to the template as they are.
struct JinjaChatRenderer: MessageRenderer {
    let stopTokens: [TokenID]
    private(set) var toolCallFormat: ToolCallFormat?
    private(set) var toolCallShape: ToolCallShape?
    private(set) var aroundQuestion: (before: [UInt8], after: [UInt8]) = ([], [])
    let thoughtMarks: ThoughtMarks?
    let channels: AnswerChannels?

    private let template: JinjaChatTemplate
    private let jinja: JinjaTemplate
    private let templateTokens: TemplateTokens
    private let vocabulary: Vocabulary
    private let clock: @Sendable () -> JinjaClock
    let turns: TurnShape
    /// Whether `tools` is an empty list instead of none.
    private let hasToolList: Bool

    /// What the template writes around messages, found by rendering short conversations.
    struct TurnShape: Sendable {
        /// Whether the template accepts a system message and writes it.
        var hasSystemRole = true
        /// What follows a message of the user, or the result of a function, before the answer.
        var openings: [Conversation.Role: [UInt8]] = [:]
        /// The tokens that the template writes around the messages of a user and an answer.
        var delimiters: Set<TokenID> = []
        /// What `add_generation_prompt` adds.
        var generationPrompt: [UInt8] = []
        /// The beginnings of that which end with a special token or a line, longest first. A template may add more to a prompt than it
        /// writes before an answer, such as `<think>`.
        var generationPromptBeginnings: [[UInt8]] = []
        /// The special token that ends the assistant's turn.
        var end: TokenID?
        /// What follows an answer at the end of a conversation.
        var closing: [UInt8] = []
    }

    /// A rendered text as UTF-8.
    struct Rendered {
        private(set) var bytes: [UInt8] = []
        /// For each byte, the source and the generation bit, as in `JinjaText`.
        private(set) var origins: [UInt32] = []
        /// The tokens in it that the template wrote, or that structure an answer.
        var specialTokens: [TemplateTokens.Match] = []

        func source(at index: Int) -> Int { JinjaText.source(of: origins[index]) }

        func isGenerated(at index: Int) -> Bool { origins[index] & JinjaText.generationBit != 0 }

        /// For each source, from its first to its last byte.
        private(set) var ranges: [Int: Range<Int>] = [:]

        func range(of source: Int) -> Range<Int>? { ranges[source] }

        mutating func append(_ byte: UInt8, _ origin: UInt32) {
            let source = JinjaText.source(of: origin), index = bytes.count
            if source > 0 { ranges[source] = (ranges[source]?.lowerBound ?? index)..<index + 1 }
            bytes.append(byte)
            origins.append(origin)
        }
    }

    /// The messages of a conversation to train on, which have sources of their own. Further ones are left out.
    static let maxMessages = 1_000

    init(_ template: JinjaChatTemplate, for tokenizer: Tokenizer, clock: @escaping @Sendable () -> JinjaClock) throws(TokenizeError) {
        self.template = template
        self.clock = clock
        vocabulary = tokenizer.vocabulary
        channels = AnswerChannels(in: template, vocabulary)
        thoughtMarks = Self.thoughtMarks(in: template.source, vocabulary, channels)
        let jinja: JinjaTemplate
        do throws(JinjaError) { jinja = try JinjaTemplate(template.source) } catch { throw .chatTemplate(error.description) }
        var templateTokens = TemplateTokens(of: vocabulary), written: Set<TokenID> = []
        func shape(hasToolList: Bool) throws(TokenizeError) -> (TurnShape, stopTokens: [TokenID]) {
            try Self.shape(of: template, tokenizer.vocabulary) { (messages, prompts) throws(TokenizeError) in
                let text = try Self.rendered(
                    messages, prompts: prompts, by: jinja, template, clock(), hasToolList: hasToolList, finding: templateTokens)
                written.formUnion(text.specialTokens.map(\.id))
                return text
            }
        }
        // Templates that are only for tools cannot render without a list of them.
        let withoutList = try? shape(hasToolList: false)
        let (turns, stops) = if let withoutList { withoutList } else { try shape(hasToolList: true) }
        hasToolList = withoutList == nil
        self.jinja = jinja
        self.turns = turns
        templateTokens.restrict(toThoseIn: template.source, written, delimiters: turns.delimiters.union(stops))
        self.templateTokens = templateTokens
        stopTokens = stops + [channels?.call].compactMap(\.self).filter { !stops.contains($0) }
        let calls = renderedToolCallFormat()
        toolCallFormat = calls?.format
        toolCallShape = calls?.shape
        aroundQuestion = textsAroundQuestion()
    }

    // MARK: Rendering

    /// - Parameter prompts: whether the text ends where the assistant's answer starts.
    func rendered(_ messages: [Conversation.Message], prompts: Bool, tools: ChatTools? = nil) throws(TokenizeError) -> Rendered {
        try Self.rendered(
            messages, prompts: prompts, by: jinja, template, clock(), hasToolList: hasToolList, tools: tools, finding: templateTokens)
    }

    /// The prompt of a form.
    private func renderedPrompt(_ messages: [Conversation.Message], _ form: ChatPromptForm) throws(TokenizeError) -> Rendered {
        try Self.rendered(
            messages, prompts: !form.continuesAnswer, by: jinja, template, clock(), hasToolList: hasToolList, tools: form.tools,
            arguments: form.arguments, isContinued: form.continuesAnswer, finding: templateTokens)
    }

    private static func rendered(
        _ messages: [Conversation.Message], prompts: Bool, by jinja: JinjaTemplate, _ template: JinjaChatTemplate, _ clock: JinjaClock,
        hasToolList: Bool, tools: ChatTools? = nil, arguments: TemplateArguments? = nil, isContinued: Bool = false,
        finding templateTokens: TemplateTokens
    ) throws(TokenizeError) -> Rendered {
        var list: [JinjaValue] = []
        for (index, message) in (isContinued ? ContinuedAnswer.marked(messages) : messages).enumerated() {
            list.append(try value(of: message, dividesThoughts: template.dividesThoughts, source: source(of: index)))
        }
        var variables: [String: JinjaValue] = [
            "messages": .list(list), "tools": hasToolList ? .list([]) : .none, "documents": .none, "add_generation_prompt": .bool(prompts),
        ]
        if let tools { variables["tools"] = try value(of: tools, describesAll: template.dividesThoughts) }
        for (name, text) in template.tokens { variables[name] = .string(text) }
        if let arguments { try set(arguments, of: jinja, in: &variables) }
        let text: JinjaText
        do throws(JinjaError) { text = try jinja.render(variables, clock: clock) } catch { throw .chatTemplate(error.description) }
        var result = Rendered()
        for unit in try isContinued ? ContinuedAnswer.cut(text, of: messages, dividesThoughts: template.dividesThoughts) : text.units[...] {
            let scalar = Unicode.Scalar(unit & JinjaText.scalarMask) ?? "\u{FFFD}"
            for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
                result.append(byte, unit & ~JinjaText.scalarMask)
            }
        }
        result.specialTokens = templateTokens.matches(in: result) { source in
            // Messages share a source if there are more of them than sources.
            stride(from: source - 1, to: messages.count, by: JinjaText.sources.upperBound).allSatisfy { messages[$0].role == .assistant }
                && source <= messages.count
        }
        return result
    }

    /// The source of `tools`. A conversation to train on has no message with this number.
    static let toolsSource = JinjaText.sources.upperBound

    /// The number of a message's source, from 1.
    static func source(of index: Int) -> Int { 1 + index % JinjaText.sources.upperBound }

    private func normalized(_ history: [Conversation.Message]) -> [Conversation.Message] {
        let messages = channels == nil ? history : Self.withOneCallEach(history)
        return turns.hasSystemRole ? messages : messages.withoutSystemRole
    }

    /// What follows an answer, if it has no special token, so that nothing would end the answers of a model that is trained with the
    /// template; nil if it has one.
    var textAfterAnswers: String? { turns.end == nil ? String(decoding: turns.closing, as: UTF8.self) : nil }

    // MARK: Tokens

    func append(
        promptOf history: [Conversation.Message], _ form: ChatPromptForm, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) {
        let messages = normalized(history)
        let text = try renderedPrompt(messages, form)
        try append(text, said: [], messages, maxTokens: .max, with: &encoder, to: &chat)
    }

    func append(
        _ conversation: Conversation, maxTokens: Int, with encoder: inout Encoder, to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        let all = normalized(conversation.messages), messages = Array(all.prefix(Self.maxMessages))
        if messages.isEmpty { return true }
        let text = try rendered(messages, prompts: false, tools: conversation.tools)
        try requireTools(of: conversation, in: text, messages)
        let said = try assistantRanges(in: text, messages, conversation.tools)
        let isWhole = try append(text, said: said, messages, maxTokens: maxTokens, with: &encoder, to: &chat)
        return isWhole && all.count == messages.count
    }

    /// Encodes a rendered text. Special tokens, and the borders of what the assistant said, are borders of tokens.
    @discardableResult
    private func append(
        _ text: Rendered, said: [Range<Int>], _ messages: [Conversation.Message], maxTokens: Int, with encoder: inout Encoder,
        to chat: inout ChatTokens
    ) throws(TokenizeError) -> Bool {
        let start = chat.ids.count
        let contents = messages.indices.compactMap { text.range(of: Self.source(of: $0)) }
        let firstContent = contents.map(\.lowerBound).min() ?? text.bytes.count
        let systemEnd = messages.first?.role == .system ? text.range(of: Self.source(of: 0))?.upperBound ?? 0 : 0
        var beginning = Encoder.Beginning.ofText
        var position = 0, nextSpecial = 0, nextSaid = 0, keptBytes = text.bytes.count
        chat.turns.append(.init(start, .preamble))
        func addTurn(_ role: TokenRole) {
            // The first token is always the preamble: it starts the conversation.
            guard chat.turns.last?.role != role, chat.ids.count > start else { return }
            chat.turns.append(.init(chat.ids.count, role))
        }
        while position < text.bytes.count, chat.ids.count - start <= maxTokens {
            while nextSaid < said.count, said[nextSaid].upperBound <= position { nextSaid += 1 }
            while nextSpecial < text.specialTokens.count, text.specialTokens[nextSpecial].range.lowerBound < position { nextSpecial += 1 }
            let isSaid = nextSaid < said.count && said[nextSaid].contains(position)
            func role(at byte: Int) -> TokenRole {
                if isSaid { return .assistant }
                return byte < firstContent ? .preamble : byte < systemEnd ? .system : .user
            }
            if nextSpecial < text.specialTokens.count, text.specialTokens[nextSpecial].range.lowerBound == position {
                addTurn(role(at: position))
                if chat.ids.count - start == maxTokens { keptBytes = min(keptBytes, position) }
                chat.ids.append(text.specialTokens[nextSpecial].id)
                position = text.specialTokens[nextSpecial].range.upperBound
                beginning = .afterSpecialToken
                continue
            }
            var end = nextSpecial < text.specialTokens.count ? text.specialTokens[nextSpecial].range.lowerBound : text.bytes.count
            if nextSaid < said.count { end = min(end, isSaid ? said[nextSaid].upperBound : said[nextSaid].lowerBound) }
            var ids: [TokenID] = []
            try encoder.encode(text.bytes.span.extracting(position..<end), asText: templateTokens.ids, from: beginning, into: &ids)
            beginning = .insideText
            var byte = position
            for id in ids {
                addTurn(role(at: byte))
                if chat.ids.count - start == maxTokens { keptBytes = min(keptBytes, byte) }
                chat.ids.append(id)
                byte += vocabulary.tokens.range(of: Int(id)).count
            }
            position = end
        }
        for index in 0..<min(keptBytes, text.bytes.count) {
            let source = text.source(at: index)
            guard source > 0, source <= messages.count else { continue }
            let message = messages[source - 1]
            chat.bytes[message.isContext && message.role == .assistant ? .user : TokenRole(message.role)] += 1
        }
        guard chat.ids.count - start > maxTokens else { return true }
        chat.cut(after: maxTokens, from: start)
        return false
    }

    // MARK: What the assistant said

    /// The ranges that the model writes itself: each answer with what the template adds to it, up to the token that ends its turn.
    private func assistantRanges(
        in text: Rendered, _ messages: [Conversation.Message], _ tools: ChatTools?
    ) throws(TokenizeError) -> [Range<Int>] {
        let contents = messages.indices.map { text.range(of: Self.source(of: $0)) }
        func isContext(_ range: Range<Int>) -> Bool {
            messages.indices.contains { messages[$0].isContext && contents[$0].map { range.overlaps($0) } ?? false }
        }
        if text.origins.contains(where: { $0 & JinjaText.generationBit != 0 }) {
            return text.generatedRanges.filter { !isContext($0) }
        }
        var ranges: [Range<Int>] = []
        for index in messages.indices where messages[index].role == .assistant && !messages[index].isContext {
            let before = contents[..<index].compactMap { $0?.upperBound }.max() ?? 0
            // A message may be rendered again later: only one that starts behind this is the next one.
            let from = contents[index]?.upperBound ?? before
            let bound = contents[(index + 1)...].compactMap { $0?.lowerBound }.first { $0 >= from } ?? text.bytes.count
            guard let start = try start(of: index, in: text, messages, tools, contents[index], before, bound) else { continue }
            let end = messages[index].toolCalls.isEmpty
                ? end(of: contents[index], from: start, in: text, bound)
                : endOfCalls(of: index, from: start, in: text, messages, tools, bound)
            if end > start { ranges.append(max(start, ranges.last?.upperBound ?? 0)..<end) }
        }
        return ranges.filter { !$0.isEmpty }
    }

    /// Where the model starts to write an answer: at the end of its prompt.
    func start(
        of index: Int, in text: Rendered, _ messages: [Conversation.Message], _ tools: ChatTools?, _ content: Range<Int>?, _ before: Int,
        _ bound: Int
    ) throws(TokenizeError) -> Int? {
        let latest = content?.lowerBound ?? bound
        // Some templates write the tools behind the last question.
        if index > 0, let opening = turns.openings[messages[index - 1].role], !opening.isEmpty || tools == nil,
            before + opening.count <= latest, text.bytes[before...].starts(with: opening) {
            return before + opening.count
        }
        if !turns.generationPrompt.isEmpty, before + turns.generationPrompt.count <= latest {
            let starts = before...latest - turns.generationPrompt.count
            if let found = starts.last(where: { text.bytes[$0...].starts(with: turns.generationPrompt) }) {
                return found + turns.generationPrompt.count
            }
        }
        // The template rejects some conversations without an answer; then the prompt is unknown.
        if index <= 64, let prompt = try? rendered(Array(messages[..<index]), prompts: true, tools: tools),
            prompt.bytes.count <= latest, prompt.bytes.count >= before, text.bytes.starts(with: prompt.bytes) {
            return prompt.bytes.count
        }
        if !messages[index].toolCalls.isEmpty, let start = startOfCalls(in: text, before..<latest) { return start }
        return content?.lowerBound
    }

    private func end(of content: Range<Int>?, from start: Int, in text: Rendered, _ bound: Int) -> Int {
        let contentEnd = max(content?.upperBound ?? start, start)
        let following = text.specialTokens.filter { $0.range.lowerBound >= contentEnd && $0.range.lowerBound < max(bound, contentEnd + 1) }
        if let end = following.first(where: { $0.id == turns.end }) ?? following.first(where: { stopTokens.contains($0.id) }) {
            return end.range.upperBound
        }
        if let end = following.first, end.range.lowerBound == contentEnd { return end.range.upperBound }
        let isClosed = turns.end == nil && text.bytes[contentEnd...].starts(with: turns.closing)
        return contentEnd + (isClosed ? turns.closing.count : 0)
    }

    // MARK: The shape of a turn

    private static func shape(
        of template: JinjaChatTemplate, _ vocabulary: Vocabulary,
        _ render: (_ messages: [Conversation.Message], _ prompts: Bool) throws(TokenizeError) -> Rendered
    ) throws(TokenizeError) -> (TurnShape, stopTokens: [TokenID]) {
        var shape = TurnShape()
        let user = Conversation.Message(.user, "U"), assistant = Conversation.Message(.assistant, "A")
        let prompt = try render([user], true)
        if let text = try? render([.init(.system, "S"), user], true) {
            shape.hasSystemRole = text.range(of: source(of: 0)) != nil
        } else {
            shape.hasSystemRole = false
        }
        guard let question = prompt.range(of: source(of: 0)) else { throw .chatTemplate("it does not write the user's message") }
        shape.openings[.user] = Array(prompt.bytes[question.upperBound...])
        let calling = [user] + ToolProbe.callAndResult
        if let prompt = try? render(calling, true), prompt.range(of: source(of: 1)) != nil, let result = prompt.range(of: source(of: 2)) {
            shape.openings[.tool] = Array(prompt.bytes[result.upperBound...])
        }
        if let unprompted = try? render([user], false), prompt.bytes.starts(with: unprompted.bytes) {
            let start = unprompted.bytes.count
            shape.generationPrompt = Array(prompt.bytes[start...])
            let specialEnds = prompt.specialTokens.map(\.range.upperBound)
            shape.generationPromptBeginnings = (start..<prompt.bytes.count).reversed()
                .filter { $0 > start && (prompt.bytes[$0 - 1] == UInt8(ascii: "\n") || specialEnds.contains($0)) }
                .map { Array(prompt.bytes[start..<$0]) }
        }
        // Some templates end the last answer of a conversation with another token than the others.
        var last: TokenID?
        for messages in [[user, assistant, user], [user, assistant]] {
            guard let text = try? render(messages, false), let answer = text.range(of: source(of: 1)) else { continue }
            let bound = text.range(of: source(of: 2)).flatMap { $0.lowerBound >= answer.upperBound ? $0.lowerBound : nil }
                ?? text.bytes.count
            shape.end = shape.end
                ?? text.specialTokens.first { $0.range.lowerBound >= answer.upperBound && $0.range.lowerBound < bound }?.id
            guard messages.count == 2 else {
                shape.delimiters = Set(text.specialTokens.map(\.id))
                continue
            }
            shape.closing = Array(text.bytes[answer.upperBound...])
            last = text.specialTokens.first { $0.range.lowerBound == answer.upperBound }?.id
        }
        var stops = shape.end.map { [$0] } ?? []
        if let last, !stops.contains(last) { stops.append(last) }
        let named = template.tokens["eos_token"].flatMap { vocabulary.specialTokenID($0) }
        let further = (named.map { [$0] } ?? []) + template.stopTokens.filter(vocabulary.contains)
        for id in further where !stops.contains(id) { stops.append(id) }
        return (shape, stops)
    }
}

extension JinjaChatRenderer.Rendered {
    /// What the template wrote inside of `{% generation %}`.
    var generatedRanges: [Range<Int>] {
        var ranges: [Range<Int>] = [], start: Int?
        for index in bytes.indices {
            if isGenerated(at: index) { start = start ?? index } else if let first = start {
                ranges.append(first..<index)
                start = nil
            }
        }
        if let start { ranges.append(start..<bytes.count) }
        return ranges
    }
}
