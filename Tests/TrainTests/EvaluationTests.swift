import Autograd
import Checkpoint
import Corpus
import Distributed
import Glibc
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Train

@Suite(.serialized) struct EvaluationTests {
    private let folder = TemporaryFolder()
    private static let vocabulary = Vocabulary.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"])
    private let context = 24

    /// Writes ten conversations, some longer than the context.
    private func chats() -> String {
        let lines = (0..<10).map { i -> String in
            let answer = String(repeating: "a\(i)", count: 1 + i * i % 17)
            let first = #"{"role":"user","content":"what is \#(i)?"},{"role":"assistant","content":"\#(answer)"}"#
            return #"{"messages":["# + first + #",{"role":"user","content":"ü"},{"role":"assistant","content":"two\nlines"}]}"#
        }
        return folder.write(lines.joined(separator: "\n"), to: "chats.jsonl")
    }

    /// A briefly trained model, which predicts some tokens correctly.
    private func checkpoint(form: ChatTemplate = .specialTokens) throws -> Checkpoint {
        let configuration = GPTConfiguration(layers: 1, heads: 2, width: 16, context: context, vocabulary: Self.vocabulary.count)
        let trainer = try Trainer(configuration, on: Processor(threads: 1), precision: .float32, seed: 5)
        let ids = Array("what is 3?a3a3a3a3a3a3a3ü two lines".utf8).map { Int32($0) + 4 }
        let batch = Batch(inputs: Array(ids[..<context]), targets: Array(ids[1...context]), rows: 1)
        for _ in 0..<30 { _ = trainer.step(batch, rate: 1e-2) }
        return try Checkpoint(configuration, trainer.parameters, Self.vocabulary, form)
    }

    private func reader(_ checkpoint: Checkpoint, joins: Bool = false, lossScope: LossScope = .all) throws -> EvaluationReader {
        var reader = try EvaluationReader(checkpoint, on: WorkerPool(threads: 1))
        reader.readsAsOneStream = joins
        reader.lossScope = lossScope
        return reader
    }

    private func pieces(
        _ checkpoint: Checkpoint, _ text: EvaluationText, stride: Int? = nil, rows: Int? = nil, threads: Int = 1
    ) throws -> [Evaluation] {
        var evaluator = try Evaluator(checkpoint, on: Processor(threads: threads, cores: threads), precision: .float32)
        evaluator.stride = stride
        evaluator.rows = rows
        return try evaluator.pieces(of: text)
    }

    /// The reference: for each single token its window and the whole softmax, in f64.
    private struct ReferenceEvaluator {
        let model: GPT
        let tape: Tape

        init(_ checkpoint: Checkpoint) throws {
            let processor = try Processor(threads: 1), parameters: Parameters
            (model, parameters) = try checkpoint.model(on: processor)
            tape = Tape(processor, parameters: parameters)
        }

        /// - Parameter ends: Tokens that are one event.
        func loss(
            at position: Int, in document: ArraySlice<TokenID>, stride: Int, ends: [Int]
        ) -> (nats: Double, isTop: Bool) {
            let context = model.configuration.context, before = position - document.startIndex
            let windows = Swift.stride(from: 0, to: document.count, by: stride)
            let start = document.startIndex + (windows.first { $0 + context >= before } ?? 0)
            let seen = Array(document[start..<position])
            tape.reset()
            let logits = tape.withoutRecording { model.logits(of: tape.ids(seen, [1, seen.count]), on: tape).floats }
            let last = logits.suffix(260).map { Double($0) }, target = Int(document[position])
            let sum: Double = last.reduce(0) { $0 + exp($1) }
            let event = ends.contains(target) ? ends : [target]
            let logit: Double = log(event.reduce(0) { $0 + exp(last[$1]) })
            return (log(sum) - logit, event.contains { last[$0] == last.max() })
        }
    }

    @Test(arguments: [(1, false), (12, false), (24, false), (7, true)], LossScope.allCases)
    func `each token is a target once, with the context of its window`(
        _ windows: (stride: Int, joins: Bool), lossScope: LossScope
    ) throws {
        let checkpoint = try checkpoint(), reference = try ReferenceEvaluator(checkpoint)
        let text = try reader(checkpoint, joins: windows.joins, lossScope: lossScope).text(at: chats())
        let found = try pieces(checkpoint, text, stride: windows.stride), ids = text.ids
        let ends = text.pieces.map(\.start).dropFirst() + [ids.count]
        #expect(found.count == 10 && text.conversations == 10 && text.hasChats)
        var totalCorrect = 0
        for (i, (piece, end)) in zip(text.pieces, ends).enumerated() {
            let document = windows.joins ? ids[...] : ids[piece.start..<end]
            var isAssistant = false, losses: [Double] = [], correct = 0, endLosses: [Double] = []
            for position in piece.start..<end {
                // Targets follow the assistant's role token, up to the user's role token or the end token.
                let counts = lossScope == .all || isAssistant
                if ids[position] == 1 { isAssistant = true } else if ids[position] == 0 || ids[position] == 2 { isAssistant = false }
                guard counts, position > document.startIndex else { continue }
                let ends = windows.joins ? [] : [0, 2]
                let (nats, isTop) = reference.loss(at: position, in: document, stride: windows.stride, ends: ends)
                losses.append(nats)
                if ids[position] < 4, !windows.joins { endLosses.append(nats) }
                correct += isTop ? 1 : 0
            }
            expectClose([Float(found[i].nats)], [losses.reduce(0, +)], within: .gradient, "conversation \(i)")
            #expect(found[i].targets == losses.count && found[i].correct == correct && found[i].turnEnds == endLosses.count)
            expectClose([Float(found[i].turnEndNats)], [endLosses.reduce(0, +)], within: .gradient, "ends of turns in \(i)")
            totalCorrect += correct
        }
        #expect(totalCorrect > 10)
    }

    @Test func `the end of an answer is one event, whether the chat goes on or not`() throws {
        let checkpoint = try checkpoint(), reader = try reader(checkpoint, lossScope: .assistant)
        let exchange = #"{"role":"user","content":"what is 3?"},{"role":"assistant","content":"a3a3"}"#
        let short = folder.write(#"{"messages":[\#(exchange)]}"#, to: "short.jsonl")
        let long = folder.write(#"{"messages":[\#(exchange),{"role":"user","content":"ü"}]}"#, to: "long.jsonl")
        let (a, b) = try (reader.text(at: short), reader.text(at: long))
        #expect(a.ids.prefix(while: { $0 != 2 }) == b.ids[..<(a.ids.count - 1)] && b.ids[a.ids.count - 1] == 0)
        let (alone, continued) = try (pieces(checkpoint, a)[0], pieces(checkpoint, b)[0])
        #expect(alone.turnEnds == 1 && continued.turnEnds == 1 && alone.targets == 5 && continued.targets == 5)
        expectClose([Float(alone.turnEndLoss), Float(alone.textLoss)], [continued.turnEndLoss, continued.textLoss], within: .forward)
        expectClose([Float(alone.loss)], [(4 * alone.textLoss + alone.turnEndLoss) / 5], within: .forward)
    }

    @Test(arguments: LossScope.allCases) func `in the human-assistant template, the line end of an answer ends a turn`(
        lossScope: LossScope
    ) throws {
        let checkpoint = try checkpoint(form: .humanAssistant)
        let found = try pieces(checkpoint, reader(checkpoint, lossScope: lossScope).text(at: chats()))
        // Two answers.
        #expect(found.count == 10 && found.allSatisfy { $0.turnEnds == 2 && $0.targets > 10 }, "\(found.map(\.turnEnds))")
    }

    @Test func `windows without overlap match nanoGPT's evaluation`() throws {
        let checkpoint = try checkpoint(), reference = try ReferenceEvaluator(checkpoint)
        let text = try reader(checkpoint, joins: true).text(at: chats())
        let T = context
        let all = try pieces(checkpoint, text, stride: T).reduce(into: Evaluation(), +=)
        var sum = 0.0, start = 0
        while start + 1 < text.ids.count {
            let end = min(start + T, text.ids.count - 1), tape = reference.tape
            tape.reset()
            let inputs = tape.ids(Array(text.ids[start..<end]), [1, end - start])
            let targets = tape.ids(Array(text.ids[start + 1...end]), [1, end - start])
            let loss = tape.withoutRecording { reference.model.loss(of: inputs, predicting: targets, on: tape) }
            sum += Double(loss.scalar) * Double(end - start)
            start += T
        }
        expectClose([Float(all.loss)], [sum / Double(text.ids.count - 1)], within: .gradient)
        #expect(all.targets == text.ids.count - 1)
    }

    @Test func `results do not depend on rows per batch and threads`() throws {
        let checkpoint = try checkpoint(), text = try reader(checkpoint).text(at: chats())
        let once = try pieces(checkpoint, text)
        for (rows, threads) in [(nil, 2), (1, 1), (3, 2), (50, 3)] as [(Int?, Int)] {
            let again = try pieces(checkpoint, text, rows: rows, threads: threads) == once
            #expect(again, "\(rows ?? 0) rows, \(threads) threads")
        }
    }

    @Test func `ranks share the batches, and are refused if they have other texts`() throws {
        let checkpoint = try checkpoint(), alone = try pieces(checkpoint, reader(checkpoint).text(at: chats()), rows: 2)
        try checkpoint.write(to: folder("a.h5"))
        let path = folder("a.h5"), text = folder("chats.jsonl")
        let other = folder.write(#"{"messages":[{"role":"user","content":"Hi"}]}"#, to: "other.jsonl")
        let evaluate = { @Sendable (ranks: RankGroup, text: String) -> (pieces: [Evaluation], error: String) in
            do {
                let checkpoint = try Checkpoint(reading: path)
                var evaluator = try Evaluator(checkpoint, on: Processor(threads: 1, cores: 1), precision: .float32)
                evaluator.rows = 2
                evaluator.ranks = ranks
                return (try evaluator.pieces(of: EvaluationReader(checkpoint, on: WorkerPool(threads: 1)).text(at: text)), "")
            } catch { return ([], "\(error)") }
        }
        for count in [1, 2, 3] {
            for found in try withRanks(count, { evaluate($0, text) }) { #expect(found.pieces == alone && found.error.isEmpty) }
        }
        for found in try withRanks(2, { evaluate($0, $0.isFirst ? text : other) }) {
            #expect(found.error.hasPrefix("all ranks need the same data: rank 0 has "), "\(found.error)")
        }
    }

    @Test func `evaluations add up, and have means`() {
        var one = Evaluation()
        #expect([one.loss, one.accuracy, one.bitsPerByte, one.turnEndLoss, one.textLoss].allSatisfy { $0.isNaN })
        one.nats = 12
        one.targets = 8
        one.correct = 2
        one.bytes = 16
        one.turnEnds = 2
        one.turnEndNats = 1
        #expect(one.loss == 1.5 && one.accuracy == 0.25 && one.turnEndLoss == 0.5)
        #expect(abs(one.perplexity - exp(1.5)) < 1e-12 && abs(one.bitsPerByte - 0.75 / M_LN2) < 1e-12)
        #expect(abs(one.textLoss - 11.0 / 6) < 1e-12)
        var sum = one
        sum += one
        #expect(sum.nats == 24 && sum.targets == 16 && sum.correct == 4 && sum.bytes == 32 && sum.turnEnds == 4 && sum.turnEndNats == 2)
        one.turnEnds = 8
        #expect(one.textLoss.isNaN)
    }

    @Test(arguments: ChatTemplate.allCases, LossScope.allCases) func `chat files and token files give the same metrics`(
        form: ChatTemplate, lossScope: LossScope
    ) throws {
        let checkpoint = try checkpoint(form: form), path = chats(), reader = try reader(checkpoint, lossScope: lossScope)
        var encoding = CorpusEncoder(try Tokenizer(Self.vocabulary), file: "tokenizer.json", template: form)
        encoding.validationShare = 1
        let report = try encoding.write([path], to: folder("tokens"), on: WorkerPool(threads: 1))
        #expect(try EvaluationReader.files(at: [folder("tokens"), path]) == [folder("tokens/val.bin"), path])
        let chats = try reader.text(at: path), tokens = try reader.text(at: folder("tokens/val.bin"))
        let same = try pieces(checkpoint, chats) == pieces(checkpoint, tokens)
        #expect(same && chats.conversations == tokens.conversations && tokens.hasChats)
        #expect(chats.pieces.reduce(0) { $0 + $1.bytes } == (lossScope == .all ? report.val.bytes.total : report.val.bytes.assistant))
    }

    @Test func `plain text is one stream with pieces of 4,096 bytes`() throws {
        let checkpoint = try checkpoint(), words = (0..<2_000).map { "word \($0)\n" }.joined()
        let text = try reader(checkpoint, lossScope: .assistant).text(at: folder.write(words, to: "text.txt"))
        #expect(text.conversations == 1 && !text.hasChats && text.pieces.count == words.utf8.count / 4_096)
        #expect(text.pieces.reduce(0) { $0 + $1.bytes } == words.utf8.count - 1)                     // nothing predicts the first
        #expect(text.pieces.map(\.start) == text.pieces.indices.map { $0 * 4_096 })
        let found = try pieces(checkpoint, text)
        #expect(found.reduce(into: Evaluation(), +=).targets == text.ids.count - 1)
    }

    @Test func `files without targets, other vocabularies and long strides are errors`() throws {
        var checkpoint = try checkpoint()
        let reader = try reader(checkpoint, lossScope: .assistant)
        let silent = folder.write(#"{"messages":[{"role":"user","content":"Hi"}]}"#, to: "silent.jsonl")
        #expect(throws: EvaluationError.noTargets(path: silent, scope: .assistant)) { try reader.text(at: silent) }
        let empty = folder.write("", to: "empty.txt")
        #expect(throws: CorpusError.malformed(MalformedLine(path: empty, line: 1, reason: "the file is empty"))) {
            try reader.text(at: empty)
        }
        var other = CorpusEncoder(
            try Tokenizer(.ofBytes(specialTokens: ["<|user|>", "<|assistant|>", "<|eos|>"])), file: "tokenizer.json",
            template: .specialTokens)
        other.validationShare = 1
        try other.write([chats()], to: folder("other"), on: WorkerPool(threads: 1))
        #expect(throws: CheckpointError.self) { try reader.text(at: folder("other/val.bin")) }
        #expect(throws: EvaluationError.strideTooLong(stride: 25, context: 24)) {
            try pieces(checkpoint, try reader.text(at: chats()), stride: 25)
        }
        checkpoint.tokenizer = nil
        #expect(throws: EvaluationError.noTokenizer(checkpoint: "the checkpoint")) {
            try EvaluationReader(checkpoint, on: WorkerPool(threads: 1))
        }
    }
}
