package import Corpus
import Hashing
package import Tokenize

/// A prompt with an answer, as tokens. The targets are the tokens of the answer.
package struct PreferenceSequence: Sendable {
    package let inputs: [Int32]
    /// Negative where the token belongs to the prompt. One token further than the inputs.
    package let targets: [Int32]

    /// The number of the answer's tokens.
    package var answerTokens: Int { targets.reduce(0) { $0 + ($1 >= 0 ? 1 : 0) } }
}

package struct PreferenceExample: Sendable {
    /// The indices of sequences.
    package enum Answers: Sendable {
        case pair(chosen: Int, rejected: Int)
        case rated(Int, isGood: Bool)

        /// The chosen or good answer, which is the first one; nil if there is none.
        var good: Int? {
            switch self {
            case .pair(let chosen, _): chosen
            case .rated(let sequence, let isGood): isGood ? sequence : nil
            }
        }
    }

    package let answers: Answers
    /// The prompt with the answer of another conversation, from which the KL divergence is estimated. nil if there is none.
    package fileprivate(set) var mismatched: Int?
    /// The index of the preference in the data.
    package let index: Int

    /// The sequences of the answers.
    package var sequences: [Int] {
        switch answers {
        case .pair(let chosen, let rejected): [chosen, rejected]
        case .rated(let sequence, _): [sequence]
        }
    }
}

/// Preferences as tokens, split by conversation into examples to train on and held-out ones.
///
///     let data = try PreferenceData(["ratings.jsonl"], nil, vocabulary, .specialTokens, context: 384)
///     data.examples[data.training[0]].answers                  // .pair(chosen: 0, rejected: 1)
///
/// A prompt that is too long loses its first tokens. Answers that do not fit into the context are left out and counted.
package struct PreferenceData: Sendable {
    package let method: PreferenceMethod
    package private(set) var sequences: [PreferenceSequence] = []
    package private(set) var examples: [PreferenceExample] = []
    /// Indices of examples.
    package private(set) var training: [Int] = []
    package private(set) var validation: [Int] = []
    /// The numbers of preferences of each kind, and of those that are left out because an answer does not fit into the context.
    package private(set) var pairs = 0
    package private(set) var good = 0
    package private(set) var bad = 0
    package private(set) var tooLong = 0
    package let report: CorpusReport
    let padding: Int32

    /// - Parameters:
    ///   - method: nil to choose it by the data: DPO if there are only pairs, else KTO.
    ///   - validationShare: The share of the conversations that are held out.
    ///   - isForEvaluation: Keeps pairs and single answers as they are.
    package init(
        _ paths: [String], _ method: PreferenceMethod?, _ vocabulary: Vocabulary, _ template: ChatTemplate, context: Int,
        validationShare: Double = 0.1, skipsBad: Bool = false, isForEvaluation: Bool = false
    ) throws {
        var reader = try ConversationReader(paths, skipsBad: skipsBad)
        var items: [Preference] = []
        var firstRating: (path: String, line: Int)?
        try reader.forEachPreference { preference, path, line in
            items.append(preference)
            if case .rated = preference.answers, firstRating == nil { firstRating = (path, line) }
        }
        report = reader.report
        if items.isEmpty {
            throw CorpusError.noTrainingData(files: reader.fileCount, empty: report.empty, malformed: report.malformed)
        }
        let chosenMethod = method ?? (firstRating == nil ? .dpo : .kto)
        if chosenMethod == .dpo, let firstRating {
            throw PreferenceError.ratingForDPO(path: firstRating.path, line: firstRating.line)
        }
        self.method = chosenMethod
        padding = vocabulary.specialTokenID("<|pad|>") ?? 0
        if chosenMethod == .kto, !isForEvaluation { items = items.flatMap(\.ratings) }
        var builder = try SequenceBuilder(vocabulary, template, context: context)
        var kept: [Preference] = []
        for (index, item) in items.enumerated() {
            guard let example = try builder.example(of: item, at: index, into: &sequences) else {
                tooLong += 1
                continue
            }
            kept.append(item)
            examples.append(example)
            switch item.answers {
            case .pair: pairs += 1
            case .rated(_, isGood: true): good += 1
            case .rated(_, isGood: false): bad += 1
            }
        }
        if isForEvaluation {
            training = Array(examples.indices)
            return
        }
        if chosenMethod == .kto, good == 0 || bad == 0 { throw PreferenceError.oneSided(paths: paths, isGood: bad == 0) }
        split(kept, share: validationShare)
        for part in [training, validation] { try addMismatched(kept, part, &builder) }
    }

    /// Preferences of one conversation are in one set, and stay there when more are added.
    private mutating func split(_ items: [Preference], share: Double) {
        var conversations: [[UInt8]: Int] = [:]
        let indices = items.map { item in
            let key = Array(item.beginning.map { Array("\($0.role.rawValue)\0".utf8) + $0.text + [0] }.joined())
            let index = conversations[key] ?? conversations.count
            conversations[key] = index
            return index
        }
        let split = ValidationSplit(seed: 1, share: share).adjusted(to: conversations.count)
        let held = (0..<conversations.count).map { share > 0 && split.isInValidationSet($0) }
        for (i, conversation) in indices.enumerated() {
            if held[conversation] { validation.append(i) } else { training.append(i) }
        }
    }

    /// Gives each example the answer of the next one of another conversation.
    private mutating func addMismatched(_ items: [Preference], _ part: [Int], _ builder: inout SequenceBuilder) throws {
        for (k, i) in part.enumerated() {
            let beginning = items[i].beginning
            let others = (1..<max(part.count, 1)).lazy.map { part[(k + $0) % part.count] }
            guard let other = others.prefix(64).first(where: { items[$0].beginning != beginning }) else { continue }
            examples[i].mismatched = try builder.sequence(of: items[i], answering: items[other].firstAnswer, into: &sequences)
        }
    }

    /// The number of tokens that a model reads to score the answers of all examples.
    package func tokens(of examples: [Int]) -> Int {
        examples.reduce(0) { sum, i in sum + self.examples[i].sequences.reduce(0) { $0 + sequences[$1].inputs.count } }
    }

    /// Identifies the tokens, the preferences and their split.
    package var digest: String { digest(of: training + [-1] + validation) }

    /// - Parameter indices: Indices of examples; negative numbers count as they are.
    func digest(of indices: [Int]) -> String {
        let digest = Digest()
        for i in indices {
            guard i >= 0 else {
                digest.add([-3])
                continue
            }
            if case .rated(_, let isGood) = examples[i].answers { digest.add([isGood ? -4 : -5]) }
            for sequence in examples[i].sequences + (examples[i].mismatched.map { [$0] } ?? []) {
                digest.add(sequences[sequence].inputs + [-1])
                digest.add(sequences[sequence].targets + [-2])
            }
        }
        return digest.text
    }
}

/// Encodes preferences.
private struct SequenceBuilder: ~Copyable {
    private let renderer: ChatRenderer
    private var encoder: Encoder
    private let context: Int

    init(_ vocabulary: Vocabulary, _ template: ChatTemplate, context: Int) throws {
        let tokenizer = try Tokenizer(vocabulary)
        let renderer = try ChatRenderer(template, for: tokenizer)
        let encoder = try Encoder(tokenizer)
        self.renderer = renderer
        self.encoder = encoder
        self.context = context
    }

    /// nil if an answer does not fit into the context.
    mutating func example(of item: Preference, at index: Int, into sequences: inout [PreferenceSequence]) throws -> PreferenceExample? {
        let answers = switch item.answers { case .pair(let chosen, let rejected): [chosen, rejected]; case .rated(let one, _): [one] }
        let encoded = try answers.map { try encode(item, $0) }
        // The prompt of both answers is cut in the same way.
        let excess = encoded.map { $0.inputs.count - context }.max() ?? 0
        let cut = max(0, excess)
        guard encoded.allSatisfy({ $0.promptTokens > cut && $0.targets.contains { $0 >= 0 } }) else { return nil }
        let first = sequences.count
        for part in encoded {
            sequences.append(PreferenceSequence(inputs: Array(part.inputs.dropFirst(cut)), targets: Array(part.targets.dropFirst(cut))))
        }
        switch item.answers {
        case .pair: return PreferenceExample(answers: .pair(chosen: first, rejected: first + 1), index: index)
        case .rated(_, let isGood): return PreferenceExample(answers: .rated(first, isGood: isGood), index: index)
        }
    }

    mutating func sequence(
        of item: Preference, answering answer: [Conversation.Message], into sequences: inout [PreferenceSequence]
    ) throws -> Int? {
        let encoded = try encode(item, answer)
        let cut = max(0, encoded.inputs.count - context)
        guard encoded.promptTokens > cut, encoded.targets.contains(where: { $0 >= 0 }) else { return nil }
        sequences.append(PreferenceSequence(inputs: Array(encoded.inputs.dropFirst(cut)), targets: Array(encoded.targets.dropFirst(cut))))
        return sequences.count - 1
    }

    private mutating func encode(
        _ item: Preference, _ answer: [Conversation.Message]
    ) throws -> (inputs: [Int32], targets: [Int32], promptTokens: Int) {
        var chat = ChatTokens()
        try renderer.append(item.conversation(with: answer), with: &encoder, to: &chat)
        var targets = [Int32](repeating: -1, count: max(0, chat.ids.count - 1))
        for range in chat.ranges(of: .assistant) {
            for i in range where i > 0 { targets[i - 1] = chat.ids[i] }
        }
        return (Array(chat.ids.dropLast()), targets, targets.firstIndex { $0 >= 0 } ?? 0)
    }
}

extension Preference {
    /// The answers alone, good or bad.
    fileprivate var ratings: [Preference] {
        guard case .pair(let chosen, let rejected) = answers else { return [self] }
        return [(chosen, true), (rejected, false)].map { Preference(prompt: prompt, .rated($0, isGood: $1), tools: tools) }
    }

    fileprivate var firstAnswer: [Conversation.Message] {
        switch answers { case .pair(let chosen, _): chosen; case .rated(let answer, _): answer }
    }
}
