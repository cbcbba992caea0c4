import Autograd
import Model
package import Tokenize

/// Text that a model generates, with fixed seeds: on one machine it is the same each time.
///
///     let chats = try GeneratedText.chats(by: runner, tokenizer, renderer, seeds: GeneratedText.gateSeeds)
///
/// All samples are from the model's unmodified distribution, and are generated at once.
package enum GeneratedText {
    package struct Chat: Sendable, Equatable {
        package let question, answer: String
    }

    /// In lists of files, the chats that the model generates.
    package static let replayName = "generated"
    /// The share of generated chats in each batch where none is given.
    package static let replayShare = 0.5
    /// The share of older chats in each batch where none is given: see `decisions/background-training.md`.
    ///
    /// - Parameters:
    ///   - replay: The list of files.
    ///   - share: That of older chats which are not generated.
    package static func replayShare(of replay: [String], otherwise share: Double) -> Double {
        replay.contains(replayName) ? replayShare : share
    }

    /// To compare models on, and to train on: a model that was trained on its own text is compared on other text.
    package static let gateSeeds = 0..<32, replaySeeds = 1_000..<1_128

    private static let textCount = 16
    private static let questionTokens = 32, answerTokens = 128, textTokens = 256
    /// For models that generate no questions, because they were trained on the answers alone.
    private static let usualQuestion = "Hello"

    /// The tokens after each of the starts.
    ///
    /// - Parameters:
    ///   - seeds: One of each start; by default they are counted from 0.
    ///   - count: The most tokens after a start.
    ///   - ends: The tokens that end a text. They are left out.
    ///   - vocabulary: Only smaller ids are sampled; by default those of the model, which may be more than the tokenizer's.
    ///   - progress: Called with the share of `count` that is done.
    static func continuations(
        of starts: [[TokenID]], by runner: ModelRunner, seeds: [Int]? = nil, count: Int,
        until ends: Set<TokenID> = [], vocabulary: Int? = nil, progress: (Double) -> Void = { _ in }
    ) throws -> [[TokenID]] {
        let V = runner.model.configuration.vocabulary
        var samplers = (seeds ?? Array(starts.indices)).map { seed in
            var config = GenerationConfig()
            config.seed = UInt64(seed)
            return Sampler(config, vocabulary: min(vocabulary ?? V, V))
        }
        let caches = starts.map { _ in runner.makeKVCache() }
        var texts = starts.map { _ in [TokenID]() }
        var unfinished = Array(starts.indices)
        for step in 0..<count where !unfinished.isEmpty {
            progress(Double(step) / Double(count))
            let segments = unfinished.map { i in
                let start = step == 0 ? 0 : starts[i].count + step - 1
                return ModelRunner.Segment(caches[i], from: start, ids: step == 0 ? starts[i] : [texts[i][step - 1]])
            }
            let logits = runner.logits(for: segments).floats                                   // [unfinished, V]
            var going: [Int] = []
            for (row, i) in unfinished.enumerated() {
                var values = Array(logits[row * V..<(row + 1) * V]), span = values.mutableSpan
                // A model whose logits are not numbers has nothing to sample.
                guard let id = samplers[i].sample(&span)?.id, !ends.contains(id) else { continue }
                texts[i].append(id)
                going.append(i)
            }
            unfinished = going
        }
        return texts
    }

    /// A chat of each seed: one question and its answer, both by the model. Empty if it generates no answers. An answer that is still not
    /// finished after ``answerTokens`` is cut after its last sentence.
    ///
    /// - Parameter progress: Called with the share of the tokens that are generated at most.
    package static func chats(
        by runner: ModelRunner, _ tokenizer: Tokenizer, _ renderer: ChatRenderer, seeds: Range<Int>,
        progress: (Double) -> Void = { _ in }
    ) throws -> [Chat] {
        let context = runner.context, vocabulary = tokenizer.vocabulary
        var encoder = try Encoder(tokenizer)
        func prompt(_ question: String) throws -> [TokenID] {
            var chat = ChatTokens()
            try renderer.append(promptOf: [.init(.user, question)], with: &encoder, to: &chat)
            return chat.ids
        }
        let ends = Set(vocabulary.specialTokens.map(\.id) + vocabulary.endTokens + renderer.stopTokens)
        // The tokens before a question are those that two different questions begin with.
        let start = zip(try prompt("a"), try prompt("1")).prefix { $0 == $1 }.map(\.0)
        let first = start.isEmpty ? [vocabulary.beginOfTextToken ?? 0] : start
        let longestQuestion = min(questionTokens, max(1, context / 4)), longest = min(answerTokens, max(1, context / 2))
        let shareOfQuestions = Double(longestQuestion) / Double(longestQuestion + longest)
        let spoken = try continuations(
            of: Array(repeating: first, count: seeds.count), by: runner, seeds: Array(seeds),
            count: longestQuestion, until: ends.union([tokenizer.lineBreakToken].compactMap { $0 }),
            vocabulary: vocabulary.count) { progress($0 * shareOfQuestions) }
        let questions = spoken.map { text(of: $0, tokenizer) }.map { $0.isEmpty ? usualQuestion : $0 }
        let prompts = try zip(questions, seeds).map { (question: $0, ids: try prompt($0), seed: $1) }
            .filter { $0.ids.count + longest <= context }
        let answers = try continuations(
            of: prompts.map(\.ids), by: runner, seeds: prompts.map(\.seed), count: longest, until: ends,
            vocabulary: vocabulary.count) { progress(shareOfQuestions + $0 * (1 - shareOfQuestions)) }
        return zip(prompts, answers).map { prompt, ids in
            let answer = text(of: ids, tokenizer)
            return Chat(question: prompt.question, answer: ids.count < longest ? answer : wholeSentences(of: answer))
        }.filter { !$0.answer.isEmpty }
    }

    /// A text up to its last complete sentence or line; empty if there is none. A model that is trained on answers which end anywhere
    /// learns to end anywhere.
    package static func wholeSentences(of text: String) -> String {
        let characters = Array(text)
        let end = characters.indices.last { i in
            if characters[i].isNewline { return true }
            guard ".!?。！？".contains(characters[i]) else { return false }
            return i + 1 == characters.count || characters[i + 1].isWhitespace || !characters[i].isASCII
        }
        guard let end else { return "" }
        return String(decoding: Array(String(characters[...end]).utf8).trimmed, as: UTF8.self)
    }

    /// Texts of a model without a chat template. Empty if it generates none.
    package static func texts(by runner: ModelRunner, _ tokenizer: Tokenizer) throws -> [String] {
        let vocabulary = tokenizer.vocabulary
        let prefix = vocabulary.textPrefix.isEmpty ? [vocabulary.beginOfTextToken ?? vocabulary.endOfTextToken ?? 0] : vocabulary.textPrefix
        let texts = try continuations(
            of: Array(repeating: prefix, count: textCount), by: runner, count: min(textTokens, max(1, runner.context - prefix.count)),
            until: Set(vocabulary.specialTokens.map(\.id) + vocabulary.endTokens), vocabulary: vocabulary.count)
        return texts.map { text(of: $0, tokenizer) }.filter { !$0.isEmpty }
    }

    /// Without NUL characters, which no text for training may have, and a hardly trained model of bytes generates.
    private static func text(of ids: [TokenID], _ tokenizer: Tokenizer) -> String {
        String(decoding: tokenizer.bytes(of: ids).filter { $0 != 0 }.trimmed, as: UTF8.self)
    }
}
