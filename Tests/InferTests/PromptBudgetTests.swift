import Infer
import Testing
import TestSupport
import Tokenize

@Suite struct PromptBudgetTests {
    private typealias Message = Conversation.Message

    /// With merges, so that a text cut in two may have more tokens than before.
    private static func tokenizer(system: Bool) throws -> Tokenizer {
        var trainer = BPETrainer(vocabularySize: 330), counts = try WordCounts(pattern: .gpt2)
        trainer.specialTokens = ["<|eos|>", "<|user|>", "<|assistant|>"] + (system ? ["<|system|>"] : [])
        trainer.minFrequency = 1
        try counts.add(Array("the other weather is there and the theory, isn't it? Human: Assistant: 日本日本 thethethe".utf8).span)
        return try Tokenizer(trainer.train(on: counts).vocabulary)
    }

    private func history(_ noise: inout TestRandom) -> [Message] {
        let parts = ["the", " other", " weather", "日本", "é", " ", "\n", "x", " theory", "👩‍🚀"]
        func text(_ most: Int) -> String { (0..<noise.below(most)).map { _ in parts[noise.below(parts.count)] }.joined() }
        var messages: [Message] = noise.below(2) == 0 ? [.init(.system, text(noise.below(5) == 0 ? 60 : 8))] : []
        for turn in 0..<noise.below(8) {
            if noise.below(12) > 0 { messages.append(.init(.user, text(noise.below(6) == 0 ? 80 : 12))) }
            if noise.below(20) == 0 { messages.append(.init(.system, text(5))) }
            if noise.below(12) > 0 || turn == 3 { messages.append(.init(.assistant, text(12))) }
        }
        if noise.below(10) > 0 { messages.append(.init(.user, text(noise.below(4) == 0 ? 120 : 12))) }
        return messages
    }

    private func ids(_ messages: [Message], _ renderer: ChatRenderer, _ tokenizer: Tokenizer) throws -> [TokenID] {
        var encoder = try Encoder(tokenizer, cacheBits: 0), chat = ChatTokens()
        try renderer.append(promptOf: messages, with: &encoder, to: &chat)
        return chat.ids
    }

    @Test func `a long conversation in a Jinja template keeps its system message and its newest turns`() throws {
        let tokenizer = try Self.tokenizer(system: true)
        let template = JinjaChatTemplate(
            "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}"
                + "{% if add_generation_prompt %}<|assistant|>{% endif %}")
        let renderer = try ChatRenderer(.jinja(template), for: tokenizer), budget = PromptBudget(context: 60, tokenizer, renderer)
        var messages = [Message(.system, "the theory")]
        for turn in 0..<20 { messages += [Message(.user, "weather \(turn)"), Message(.assistant, "other \(turn)")] }
        messages.append(Message(.user, "isn't it?"))
        let fitted = try budget.prompt(of: messages, policy: .oldestTurns, maxTokens: 20)
        let text = tokenizer.text(of: fitted.ids)
        #expect(text.hasPrefix("<|system|>the theory<|user|>weather ")
            && text.hasSuffix("<|assistant|>other 19<|user|>isn't it?<|assistant|>"))
        #expect(fitted.droppedMessages > 20 && fitted.ids.count <= 40 && !fitted.wasTruncated)
        let long = try budget.prompt(of: [messages[0], Message(.user, String(repeating: "the weather ", count: 90))],
            policy: .oldestTurns, maxTokens: 20)
        #expect(long.wasTruncated && tokenizer.text(of: long.ids).hasPrefix("<|system|>the theory<|user|>") && long.ids.count <= 40)
    }

    @Test func `in a small context, tools are described by their names alone`() throws {
        let tokenizer = try Self.tokenizer(system: true), renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        let weather = #"{"name":"weather","parameters":{"properties":{"city":{"type":"string"},"days":{}}}}"#
        let json = #"[{"type":"function","function":\#(weather)},{"type":"function","function":{"name":"time"}}]"#
        let form = ChatPromptForm(tools: ChatTools(json: Array(json.utf8), names: ["weather", "time"]))
        func prompt(context: Int) throws -> String {
            let budget = PromptBudget(context: context, tokenizer, renderer)
            return tokenizer.text(of: try budget.prompt(of: [Message(.user, "x")], form, policy: .refuse, maxTokens: 9).ids)
        }
        #expect(try prompt(context: 4_000).contains("function signatures within <tools></tools>"))
        #expect(try prompt(context: 200) == "<|system|>Functions: weather(city, days), time()<|user|>x<|assistant|>")
        #expect(throws: GenerationError.self) { try prompt(context: 30) }
    }

    @Test(arguments: ChatTemplate.allCases, [true, false])
    func `random histories fit, and no more is dropped than needed`(template: ChatTemplate, hasSystem: Bool) throws {
        let tokenizer = try Self.tokenizer(system: hasSystem), renderer = try ChatRenderer(template, for: tokenizer)
        var noise = TestRandom(hasSystem ? 4 : 5), wrong: [String] = [], counts = (whole: 0, dropped: 0, cut: 0)
        for _ in 0..<fuzzRounds(default: 2_500) {
            let context = 2 + noise.below(noise.below(3) == 0 ? 12 : 120), most = noise.below(3) == 0 ? nil : 1 + noise.below(context * 2)
            let messages = history(&noise), budget = PromptBudget(context: context, tokenizer, renderer)
            let whole = try ids(messages, renderer, tokenizer), limit = context - max(1, most.map { min($0, context / 2) } ?? context / 4)
            func check(_ isRight: Bool, _ fault: String) {
                let lengths = messages.map { ($0.role, $0.text.count) }
                if !isRight { wrong.append("\(fault): context \(context), most \(most ?? 0), \(lengths)") }
            }
            for policy in TruncationPolicy.allCases {
                guard policy != .refuse || whole.count < context else {
                    #expect(throws: GenerationError.tooLong(promptTokens: whole.count, context: context)) {
                        try budget.prompt(of: messages, policy: policy, maxTokens: most)
                    }
                    continue
                }
                let fitted = try budget.prompt(of: messages, policy: policy, maxTokens: most)
                let isWithinContext = fitted.ids.count + fitted.maxNewTokens <= context
                check(isWithinContext && fitted.maxNewTokens >= 1 && !fitted.ids.isEmpty, "does not fit")
                check(fitted.maxNewTokens == min(most ?? context, context - fitted.ids.count), "part of the context is unused")
                if whole.count <= limit || policy == .refuse {
                    counts.whole += 1
                    check(fitted.ids == whole && fitted.droppedMessages == 0 && !fitted.wasTruncated, "fits but was changed")
                    continue
                }
                // System messages and the newest turns remain.
                let others = messages.indices.filter { messages[$0].role != .system }
                let dropped = Set(others.prefix(fitted.droppedMessages))
                let kept = messages.indices.filter { !dropped.contains($0) }.map { messages[$0] }
                let users = others.filter { messages[$0].role == .user }
                if fitted.droppedMessages > 0, let first = others.dropFirst(fitted.droppedMessages).first, !users.isEmpty {
                    check(messages[first].role == .user && first <= users.last ?? 0, "starts in the middle of a turn")
                }
                if fitted.wasTruncated {
                    counts.cut += 1
                    let newest = users.last.map { last in others.filter { $0 >= last } } ?? Array(others.suffix(1))
                    let keptCount = kept.filter { $0.role != .system }.count
                    check(others.isEmpty || keptCount == newest.count, "cut although older turns remain")
                    check(try ids(kept, renderer, tokenizer).count >= context, "cut although it fits")
                } else {
                    counts.dropped += 1
                    check(try fitted.ids == ids(kept, renderer, tokenizer), "differs from the kept messages")
                    if policy == .oldestTurns, let last = users.last(where: { dropped.contains($0) }) {
                        let oneMore = messages.indices.filter { $0 >= last || messages[$0].role == .system }.map { messages[$0] }
                        check(try ids(oneMore, renderer, tokenizer).count > limit, "one more turn would have fitted")
                    }
                    if policy == .allButLast { check(kept.count { $0.role == .user } <= 1, "keeps more than the last turn") }
                }
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.first ?? "")")
        #expect(min(counts.whole, counts.dropped, counts.cut) > 50, "\(counts)")
    }

    @Test(arguments: ChatTemplate.allCases)
    func `a user message that is too long loses its beginning and keeps its end`(template: ChatTemplate) throws {
        let tokenizer = try Self.tokenizer(system: true), renderer = try ChatRenderer(template, for: tokenizer)
        let long = (0..<40).map { "the \($0) other 日本 " }.joined()
        let messages = [Message(.system, "be there"), .init(.user, "x"), .init(.assistant, "y"), .init(.user, long)]
        let fitted = try PromptBudget(context: 90, tokenizer, renderer).prompt(of: messages, policy: .oldestTurns, maxTokens: 30)
        let text = tokenizer.text(of: fitted.ids)
        #expect(fitted.wasTruncated && fitted.droppedMessages == 2 && fitted.maxNewTokens == 30 && (55...60).contains(fitted.ids.count))
        #expect(text.contains("be there") && text.contains("39 other 日本"), "\(text)")
        #expect(!text.contains("the 3 other") && !text.contains("\u{FFFD}"), "\(text)")
    }

    /// A context of 256 and a prompt of 241 tokens: 192 of them were kept without a limit of the answer, and 128 with one of 4,096.
    @Test(arguments: [nil, 4_096, 10])
    func `a prompt that fits is not cut, and the answer is limited`(maxTokens: Int?) throws {
        let tokenizer = try Self.tokenizer(system: true), renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        let budget = PromptBudget(context: 256, tokenizer, renderer)
        let messages = [Message(.user, String(repeating: "z", count: 239))]
        for policy in TruncationPolicy.allCases {
            let fitted = try budget.prompt(of: messages, policy: policy, maxTokens: maxTokens)
            #expect(fitted.ids.count == 241 && !fitted.wasTruncated && fitted.maxNewTokens == min(15, maxTokens ?? 15))
            let text = try budget.prompt(of: String(repeating: "z", count: 255), policy: policy, maxTokens: maxTokens)
            #expect(text.ids.count == 255 && !text.wasTruncated && text.maxNewTokens == 1)
        }
    }

    @Test func `a system message that is too long loses its end`() throws {
        let tokenizer = try Self.tokenizer(system: true), renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        let system = "first " + String(repeating: "x", count: 300), user = String(repeating: "z", count: 300) + " last"
        let messages = [Message(.system, system), .init(.user, user)]
        let fitted = try PromptBudget(context: 64, tokenizer, renderer).prompt(of: messages, policy: .oldestTurns, maxTokens: 4)
        let text = tokenizer.text(of: fitted.ids)
        #expect(fitted.ids.count == 60 && text.hasPrefix("<|system|>first x") && text.hasSuffix("z last<|assistant|>"), "\(text)")
    }

    @Test func `a text that is too long is completed from its end`() throws {
        let tokenizer = try Self.tokenizer(system: false), budget = PromptBudget(context: 20, tokenizer, nil)
        let text = String(repeating: "x", count: 50) + "abc"
        let fitted = try budget.prompt(of: text, policy: .oldestTurns, maxTokens: nil)
        #expect(fitted.ids.count == 15 && fitted.wasTruncated && fitted.maxNewTokens == 5)
        #expect(tokenizer.text(of: fitted.ids).hasSuffix("xabc"))
        var whole = PromptBudget.FittedPrompt()
        whole.ids = try tokenizer.ids(of: "abc")
        whole.maxNewTokens = 17
        #expect(try budget.prompt(of: "abc", policy: .refuse, maxTokens: 100) == whole)
        #expect(throws: GenerationError.tooLong(promptTokens: 53, context: 20)) {
            try budget.prompt(of: text, policy: .refuse, maxTokens: nil)
        }
        // An empty text is completed from the end-of-text token.
        #expect(try budget.prompt(of: "", policy: .refuse, maxTokens: nil).ids == [tokenizer.vocabulary.specialTokenID("<|eos|>")])
        #expect(throws: GenerationError.noChatTemplate(model: "this model")) {
            try budget.prompt(of: [Conversation.Message](), policy: .refuse, maxTokens: nil)
        }
        #expect(throws: GenerationError.tooLong(promptTokens: 1, context: 1)) {
            try PromptBudget(context: 1, tokenizer, nil).prompt(of: "a", policy: .oldestTurns, maxTokens: nil)
        }
    }
}
