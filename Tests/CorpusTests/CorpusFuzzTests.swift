import Corpus
import TestSupport
import Testing
import Tokenize

/// Reads randomly damaged chat files. A failed round is reproducible by its number.
@Suite struct CorpusFuzzTests {
    static let seeds = [
        "[INST] Hi [/INST] Hello! [INST] Bye [/INST]\n[INST] é😀 [/INST] [x]\r\n\n[INST] a [/INST] b\n",
        #"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"H\u00e9 \ud83d\ude00"}]}]}"#
            + "\n" + #"{"messages":[{"role":"system","content":"s"}]}"# + "\n",
        #"{"timestamp":"2025","user":"a\nb","assistant":"c\\d\"e"}"# + "\n" + #"{"user":"x","assistant":"y"}"#,
        #"{"prompt":"Hi","chosen":"Hello!","rejected":"No."}"# + "\n" + #"{"prompt":"a","completion":"b","label":true}"# + "\n"
            + #"{"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"#
            + #""rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]}"# + "\n",
        #"{"chosen":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d","#
            + #""rejected":"\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: e"}"# + "\n"
            + #"{"chosen":"it is so","rejected":"it is no"}"#,
        "Once upon a time\n\nthere was a text.\r\n  And more of it.\n",
        "\u{FEFF}[INST] a [/INST] b\n",
    ]
    private static let formats: [ChatFileFormat?] = [nil] + ChatFileFormat.allCases
    private static let pieces =
        [
            "[INST]", "[/INST]", "\n", "\r\n", "\0", "\"", "{", "}", "[", "]", ":", ",", "\\u", "\\ud800", "é", "😀", "\u{FEFF}", " ",
            "\"role\"", "null", "true", "\"label\"", "\"chosen\"",
        ].map { Array($0.utf8) }
        + [[0xFF], [0xC3], [0xED, 0xA0, 0x80]]

    /// Every line is a conversation, empty, or malformed; block borders do not matter; and all conversations can be rendered.
    @Test func `damaged input never crashes the readers`() throws {
        let folder = TemporaryFolder(), tokenizer = try byteTokenizer(), renderer = try ChatRenderer(.specialTokens, for: tokenizer)
        var random = TestRandom(11), encoder = try Encoder(tokenizer), read = 0
        let rounds = fuzzRounds(default: 3_000)
        for round in 0..<rounds {
            var text = Array(Self.seeds[Int.random(in: 0..<Self.seeds.count, using: &random)].utf8)
            for _ in 0..<Int.random(in: 0...4, using: &random) { Self.mutate(&text, using: &random) }
            let path = folder.write(text, to: "fuzz"), format = Self.formats[Int.random(in: 0...9, using: &random) % 6]
            var whole: [String] = []
            for size in [1 << 18, Int.random(in: 1...60, using: &random)] {
                var blocks = try CorpusBlocks([path], format: format, blockSize: size, maxLineBytes: 1_000)
                var parser = ConversationParser()
                var entries: [String] = []
                var textSoFar: [UInt8] = []
                while let block = try blocks.next() {
                    try parser.parse(block) { entry in
                        switch entry {
                        case .text(let text, _): textSoFar += text
                        case .conversation(let conversation, let line):
                            var chat = ChatTokens()
                            try renderer.append(conversation, with: &encoder, to: &chat)
                            let texts = conversation.messages.map(\.text)
                            let isComplete = chat.bytes.total == texts.reduce(0) { $0 + $1.count } && chat.ids.count { $0 == 2 } == 1
                            if !isComplete || texts.contains(where: \.isEmpty) { Issue.record("round \(round): \(conversation)") }
                            read += 1
                            entries.append("\(line) \(texts)")
                        case .empty(let line): entries.append("\(line) empty")
                        case .malformed(let line): entries.append("\(line)")
                        }
                    }
                }
                entries.append("\(textSoFar)")
                // The format is detected by the first block, so small blocks are only comparable with a given format.
                if size == 1 << 18 {
                    whole = entries
                } else if format != nil, entries != whole {
                    Issue.record("round \(round): \(entries) in blocks of \(size), \(whole) as a whole")
                }
            }
        }
        #expect(read > rounds / 10)
    }

    /// Every line is a preference, empty, or malformed, and all answers can be rendered.
    @Test func `damaged preferences never crash the reader`() throws {
        let folder = TemporaryFolder(), renderer = try ChatRenderer(.specialTokens, for: byteTokenizer())
        var random = TestRandom(12), encoder = try Encoder(byteTokenizer()), read = 0
        let rounds = fuzzRounds(default: 2_000)
        let seeds = Self.seeds.filter { $0.contains("chosen") }
        for round in 0..<rounds {
            var text = Array(seeds[Int.random(in: 0..<seeds.count, using: &random)].utf8)
            for _ in 0..<Int.random(in: 0...3, using: &random) { Self.mutate(&text, using: &random) }
            var reader = try ConversationReader([folder.write(text, to: "fuzz.jsonl")], skipsBad: true)
            try reader.forEachPreference { preference, _, _ in
                read += 1
                let answers: [[Conversation.Message]] = switch preference.answers {
                case .pair(let chosen, let rejected): [chosen, rejected]
                case .rated(let answer, _): [answer]
                }
                for answer in answers {
                    var chat = ChatTokens()
                    try renderer.append(preference.conversation(with: answer), with: &encoder, to: &chat)
                    let targets = chat.ranges(of: .assistant).reduce(0) { $0 + $1.count }
                    if targets == 0 || preference.prompt.isEmpty { Issue.record("round \(round): \(preference)") }
                }
            }
        }
        #expect(read > rounds / 4)
    }

    private static func mutate(_ text: inout [UInt8], using random: inout TestRandom) {
        let start = text.isEmpty ? 0 : Int.random(in: 0..<text.count, using: &random)
        let length = Int.random(in: 0...min(12, text.count - start), using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0, 1: text.insert(contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)], at: start)
        case 2: text.removeSubrange(start..<start + length)
        case 3: text.insert(contentsOf: Array(text[start..<start + length]), at: Int.random(in: 0...text.count, using: &random))
        case 4: text.removeSubrange(start...)
        default: if start < text.count { text[start] = UInt8.random(in: 0...255, using: &random) }
        }
    }
}
