import Infer
import Testing
import TestSupport
import Tokenize

@Suite struct TextStreamerTests {
    /// All 256 bytes, then tokens of several characters and of incomplete ones.
    private static let vocabulary: Vocabulary = {
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        for text in ["EN", "ND", "END", " E", "\n\n", "é", "日本", "ab", "ba", "aba", "  "] { vocabulary.tokens.append(text.utf8) }
        vocabulary.tokens.append([0xE6, 0x97] as [UInt8])
        vocabulary.tokens.append([0xA5, 0x41] as [UInt8])
        vocabulary.add(specialTokens: ["<|eos|>", "<|user|>"])
        return vocabulary
    }()
    private static let eos: TokenID = 269
    /// Its vocabulary has bytes only, and the same `<|eos|>`.
    private let renderer: ChatRenderer

    init() throws {
        let others = (256..<269).map { "<|\($0)|>" }
        let tokenizer = try Tokenizer(Vocabulary.ofBytes(specialTokens: others + ["<|eos|>", "<|user|>", "<|assistant|>"], first: false))
        renderer = try ChatRenderer(.specialTokens, for: tokenizer)
    }

    private func rules(_ stopTexts: [String], trims: Bool) -> StopRules {
        StopRules(for: trims ? .chat([]) : .text(""), Self.vocabulary, renderer, stop: stopTexts)
    }

    private func run(_ ids: [TokenID], _ stopTexts: [String], trims: Bool) -> (pieces: [TextPiece], used: Int) {
        var text = TextStreamer(Self.vocabulary, rules(stopTexts, trims: trims)), pieces: [TextPiece] = [], used = 0
        for id in ids where !text.isFinished {
            used += 1
            if let piece = text.add(.init(id)) { pieces.append(piece) }
        }
        if let piece = text.finish() { pieces.append(piece) }
        return (pieces, used)
    }

    /// The expected text, computed from all tokens at once.
    private func expectedText(_ ids: [TokenID], _ stopTexts: [String], trims: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for id in ids.prefix(while: { $0 != Self.eos }) { bytes += Self.vocabulary.tokens[Int(id)] }
        var text = Array(String(decoding: bytes.dropLast(bytes.span.incompleteUTF8Suffix), as: UTF8.self).utf8), isCut = false
        let longestFirst = stopTexts.map { Array($0.utf8) }.sorted { $0.count > $1.count }
        cut: for end in 0...text.count {
            for stop in longestFirst where end >= stop.count && text[end - stop.count..<end].elementsEqual(stop) {
                text.removeSubrange((end - stop.count)...)
                isCut = true
                break cut
            }
        }
        // White space before a stop text belongs to the answer.
        return !trims ? text : isCut ? Array(text[text.trimmed(text.indices).lowerBound...]) : text.trimmed
    }

    @Test func `pieces concatenate to the text before the first stop text`() {
        var noise = TestRandom(21), wrong: [String] = []
        let stops = ["END", "ENDE", "E", " END", "\n\n", "\n", "aba", "ab", "abab", "日本", "é", "  a", "\u{FFFD}", "ND"]
        for _ in 0..<fuzzRounds(default: 30_000) {
            let kinds = [(0, 269), (256, 13), (97, 2), (10, 1), (32, 1)]
            let ids = (0..<noise.below(24)).map { _ in
                let (start, count) = kinds[noise.below(noise.below(3) == 0 ? 5 : 4)]
                return noise.below(40) == 0 ? Self.eos : TokenID(start + noise.below(count))
            }
            let chosen = (0..<noise.below(4)).map { _ in stops[noise.below(stops.count)] }, trims = noise.below(2) == 0
            let (pieces, used) = run(ids, chosen, trims: trims), text = pieces.flatMap { Array($0.text.utf8) }
            let isSame = text == expectedText(ids, chosen, trims: trims)
            let tokens = pieces.flatMap { $0.tokens.compactMap(\.id) }
            // Without a stop text, no token is missing.
            let isComplete = chosen.isEmpty ? tokens == ids.prefix { $0 != Self.eos } : ids.prefix(used).starts(with: tokens)
            if !isSame || pieces.dropLast().contains(where: { $0.text.isEmpty }) || !isComplete {
                wrong.append("\(ids) \(chosen) \(trims): \(pieces.map(\.text))")
            }
        }
        #expect(wrong.isEmpty, "\(wrong.count): \(wrong.first ?? "")")
    }

    @Test func `text that may begin a stop text is held back until that is decided`() {
        var text = TextStreamer(Self.vocabulary, rules(["END."], trims: false))
        let ids = "aENx".utf8.map { TokenID($0) }
        #expect(ids.map { text.add(.init($0))?.text } == ["a", nil, nil, "ENx"])
        #expect("END.z".utf8.map { text.add(.init(TokenID($0)))?.text } == [nil, nil, nil, nil, nil])
        #expect(text.isFinished && text.finish() == nil)
    }

    @Test(arguments: ["<|im_end|>", "<end_of_turn>", "</s>"])
    func `an end of turn that is not a special token ends the text, or is banned`(_ end: String) throws {
        var vocabulary = Vocabulary.ofBytes()
        vocabulary.addedTokens.append(.init(id: 256, text: end))
        vocabulary.tokens.append(Array(end.utf8))
        for prompt in [Prompt.text(""), .chat([])] {
            let usual = StopRules(for: prompt, vocabulary, nil, stop: [])
            #expect(usual.stopTokens == [256] && usual.banned.isEmpty)
            let endless = StopRules(for: prompt, vocabulary, nil, stop: [], ignoresEOS: true)
            #expect(endless.stopTokens.isEmpty && endless.banned == [256])
        }
    }

    @Test func `a chat answer is trimmed, a completed text is not`() {
        let ids = " \n hi  you \n".utf8.map { TokenID($0) }
        #expect(run(ids, [], trims: true).pieces.map(\.text) == ["h", "i", "  y", "o", "u", ""])
        #expect(run(ids, [], trims: false).pieces.map(\.text).joined() == " \n hi  you \n")
        let blank = run(" \n ".utf8.map { TokenID($0) }, [], trims: true).pieces
        #expect(blank.map(\.text) == [""] && blank.flatMap(\.tokens).map(\.id) == [32, 10, 32])
    }

    @Test func `white space before a stop text of the request stays, and before the end of a turn does not`() throws {
        func text(_ answer: String, _ rules: StopRules) -> String {
            var text = TextStreamer(Self.vocabulary, rules), pieces = ""
            for id in answer.utf8 { pieces += text.add(.init(TokenID(id)))?.text ?? "" }
            return pieces + (text.finish()?.text ?? "")
        }
        let rules = rules(["Lima"], trims: true)
        #expect(text(" The capital of Peru is Lima.", rules) == "The capital of Peru is ")
        #expect(text(" \n Lima", rules) == "" && text(" a \n", rules) == "a")
        let vocabulary = SampleCheckpoint.vocabulary
        let human = try ChatRenderer(.humanAssistant, for: try Tokenizer(vocabulary))
        let turns = StopRules(for: .chat([]), vocabulary, human, stop: ["Lima"])
        #expect(text("It is \nHuman:", turns) == "It is" && text("It is Lima\n", turns) == "It is ")
    }

    @Test func `a stop token is kept where it is asked for, without text`() {
        var text = TextStreamer(Self.vocabulary, rules([], trims: false), keepsStopToken: true)
        #expect(text.add(.init(97))?.text == "a")
        let last = text.add(.init(Self.eos))
        #expect(last?.text == "" && last?.tokens.map(\.id) == [Self.eos] && text.isFinished)
    }

    @Test func `a token comes with the piece in which its text begins`() {
        let ids: [TokenID] = [97, 0xE6, 0x97, 0xA5, 98, 0xE6]
        let pieces = run(ids, [], trims: false).pieces
        #expect(pieces.map(\.text) == ["a", "日", "b", ""])
        #expect(pieces.map { $0.tokens.map(\.id) } == [[97], [0xE6, 0x97, 0xA5], [98], [0xE6]])
        #expect(run([97, 256, 68, 99], ["END"], trims: false).pieces.flatMap(\.tokens).map(\.id) == [97])
    }

    @Test func `special tokens that do not end the answer, and unused ids, are banned`() throws {
        var vocabulary = SampleCheckpoint.vocabulary
        vocabulary.tokens.append([])
        let tokenizer = try Tokenizer(vocabulary)
        let special = try ChatRenderer(.specialTokens, for: tokenizer), human = try ChatRenderer(.humanAssistant, for: tokenizer)
        let chat = StopRules(for: .chat([]), vocabulary, special, stop: [])
        #expect(chat.stopTokens == [256, 257] && chat.banned == [258, 259, 260])
        let text = StopRules(for: .text(""), vocabulary, special, stop: [])
        #expect(text.stopTokens == [256] && text.banned == [257, 258, 259, 260])
        #expect(StopRules(for: .chat([]), vocabulary, human, stop: []).stopTokens == [10, 256])
        let all = StopRules(for: .chat([]), vocabulary, special, stop: [], ignoresEOS: true)
        #expect(all.stopTokens.isEmpty && all.banned == [256, 257, 258, 259, 260])
        // A line break inside a token also ends the turn.
        var lines = TextStreamer(Self.vocabulary, StopRules(for: .chat([]), Self.vocabulary, human, stop: ["x"]))
        #expect([TokenID(97), 260].map { lines.add(.init($0))?.text } == ["a", nil] && lines.isFinished)
    }

    @Test func `tokens of channels neither end an answer nor are part of its text`() throws {
        let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>"])
        let source = """
            {% for m in messages %}{{ '<|start|>' + m.role + '<|message|>' + m.content }}
            {{- '<|return|>' if loop.last and m.role == 'assistant' else '<|end|>' }}{% endfor %}
            {%- if add_generation_prompt %}<|start|>assistant{% endif %}{# <|channel|>analysis<|message|> #}
            """
        let tokenizer = try Tokenizer(vocabulary), renderer = try ChatRenderer(.jinja(JinjaChatTemplate(source)), for: tokenizer)
        let rules = StopRules(for: .chat([]), vocabulary, renderer, stop: [])
        func id(_ text: String) throws -> TokenID { try #require(vocabulary.specialTokenID(text)) }
        let (start, channel, message, end) = try (id("<|start|>"), id("<|channel|>"), id("<|message|>"), id("<|end|>"))
        let stop = try id("<|return|>")
        #expect(rules.stopTokens == [stop] && rules.banned.isEmpty)
        var text = TextStreamer(vocabulary, rules, channels: renderer.channels.map { ChannelReader($0) }), answer = ""
        func ids(_ text: String) throws -> [TokenID] { try tokenizer.ids(of: Array(text.utf8)) }
        let thought = try [channel] + ids("analysis") + [message] + ids("Hm") + [end]
        let final = try [start] + ids("assistant") + [channel] + ids("final") + [message]
        for id in try thought + final + ids("Yes") + [stop] { answer += text.add(.init(id))?.text ?? "" }
        #expect(answer == "<think>Hm</think>Yes" && text.isFinished)
    }
}
