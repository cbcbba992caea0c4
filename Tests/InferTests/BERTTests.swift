import Autograd
import Checkpoint
import Formats
import Glibc
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Threads
import Tokenize

/// The forward pass of embedding models, held against plain loops.
@Suite struct BERTTests {
    private let folder = TemporaryFolder()
    private let texts: [[TokenID]] = [[2, 4, 5, 3], [2, 3], [2, 7, 8, 4, 5, 9, 3], (0..<24).map { TokenID(4 + $0 * 5 % 9) }]

    private func runner(_ sample: SampleBERT = SampleBERT(), _ precision: WeightPrecision = .float32) throws -> BERTRunner {
        let processor = try Processor(threads: 2), opened = try EncoderFile(sample.write(to: folder, "bert"))
        let (model, parameters) = try #require(opened.bert).model(on: processor)
        return BERTRunner(of: model, parameters, on: processor, precision: precision)
    }

    @Test(arguments: [.float32, .bfloat16, .int8] as [WeightPrecision])
    func `states are those of plain loops`(precision: WeightPrecision) throws {
        let sample = SampleBERT { $0.width = 192 }, runner = try runner(sample, precision)
        let expected = texts.flatMap { PlainBERT(sample).states(of: $0) }
        for _ in 0..<3 {                                      // from the file, then packed
            let found = runner.hiddenStates(of: texts).floats
            switch precision {
            case .float32: expectClose(found, expected, within: .gradient)
            default:
                let error = zip(found, expected).reduce(0.0) { $0 + pow(Double($1.0) - $1.1, 2) } / Double(found.count)
                #expect(error.squareRoot() < 0.05, "\(precision): \(error)")
            }
        }
    }

    @Test func `a text has the same bits alone and among others`() throws {
        let runner = try runner(), C = 12
        _ = runner.hiddenStates(of: texts)
        let together = runner.hiddenStates(of: texts).floats
        var row = 0
        for text in texts {
            expectSame(runner.hiddenStates(of: [text]).floats, Array(together[row * C..<(row + text.count) * C]))
            row += text.count
        }
    }

    @Test func `a vector is the mean of the states, or the first`() throws {
        let runner = try runner(), states = PlainBERT(SampleBERT()).states(of: texts[2]), T = texts[2].count
        let mean = (0..<12).map { c in (0..<T).reduce(0.0) { $0 + states[$1 * 12 + c] } / Double(T) }
        expectClose(runner.pooled([texts[2]], isMean: true).floats, mean, within: .gradient)
        expectClose(runner.pooled([texts[2]], isMean: false).floats, Array(states[..<12]), within: .gradient)
    }

    /// Long enough for all groups of distances.
    @Test(arguments: SampleBERT.Family.allCases) func `states of all families are those of plain loops`(family: SampleBERT.Family) throws {
        let sample = SampleBERT { $0.family = family; $0.context = 200 }, runner = try runner(sample)
        let long = (0..<200).map { TokenID(4 + $0 * 5 % 9) }
        let texts = texts + [long], expected = texts.flatMap { PlainBERT(sample).states(of: $0) }
        expectClose(runner.hiddenStates(of: texts).floats, expected, within: .gradient)
        let count = 12 * texts[0].count, last = Array(runner.hiddenStates(of: [long, texts[0]]).floats.suffix(count))
        expectClose(last, Array(expected.prefix(count)), within: .gradient)
    }

    /// Two blocks where tokens attend to all others, 19 where they attend to a window.
    @Test(arguments: [SampleBERT.Family.mpnet, .modern]) func `a long text is computed in blocks`(family: SampleBERT.Family) throws {
        let sample = SampleBERT { $0.family = family; $0.context = 1_210; $0.layers = family == .modern ? 2 : 1 }
        let text = (0..<1_210).map { TokenID(4 + $0 * $0 % 9) }
        let found = try runner(sample).hiddenStates(of: [text]).floats
        expectClose(found, PlainBERT(sample).states(of: text), within: .gradient)
    }

    @Test(arguments: [true, false]) func `ModernBERT scores the mean of the states, or the first`(isMean: Bool) throws {
        let sample = SampleBERT { $0.family = .modern; $0.isReranker = true; $0.isMean = isMean }, runner = try runner(sample)
        let pairs: [[TokenID]] = [[2, 4, 5, 3, 7, 8, 3], [2, 3, 5, 3], [2, 7, 3] + (0..<20).map { TokenID(4 + $0 * 5 % 9) } + [3]]
        expectClose(runner.scores(of: pairs, endingWith: 3), pairs.map { PlainBERT(sample).score(of: $0) }, within: .gradient)
    }

    @Test(arguments: [.float32, .bfloat16, .int8] as [WeightPrecision])
    func `scores of pairs are those of plain loops`(precision: WeightPrecision) throws {
        let sample = SampleBERT { $0.width = 192; $0.isReranker = true }, runner = try runner(sample, precision)
        let long: [TokenID] = [2, 7, 3] + (0..<20).map { TokenID(4 + $0 * 5 % 9) } + [3]
        let pairs: [[TokenID]] = [[2, 4, 5, 3, 7, 8, 3], [2, 3, 5, 3], [2, 4, 5, 3, 3], long]
        let expected = pairs.map { PlainBERT(sample).score(of: $0) }
        for _ in 0..<3 {
            let found = runner.scores(of: pairs, endingWith: 3)
            switch precision {
            case .float32: expectClose(found, expected, within: .gradient)
            default: for (found, expected) in zip(found, expected) { #expect(abs(Double(found) - expected) < 0.1, "\(precision)") }
            }
        }
        expectSame([runner.scores(of: [pairs[1]], endingWith: 3)[0]], [runner.scores(of: pairs, endingWith: 3)[1]])
    }

    @Test func `a reranker scores each passage with the question, from 0 to 1 unless its logits are the scores`() throws {
        let sample = SampleBERT { $0.isReranker = true }, processor = try Processor(threads: 1)
        let reranker = try EmbeddingModel(sample.write(to: folder, "bert"), for: .reranking, on: processor)
        let passages = ["reset the pump", "red car ?", "", String(repeating: "valve ", count: 100)]
        let pairs = passages.map { reranker.input.tokens(of: "the pumps?", with: $0) }
        #expect(pairs[0] == [2, 4, 5, 8, 9, 3, 7, 4, 5, 3] && pairs[2] == [2, 4, 5, 8, 9, 3, 3] && pairs[3].count == 24)
        let logits = pairs.map { PlainBERT(sample).score(of: $0) }
        expectClose(reranker.scores(of: passages, for: "the pumps?"), logits.map { 1 / (1 + exp(-$0)) }, within: .gradient)
        for setting in [
            #", "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.1.0"}"#,
            #", "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity""#,
        ] {
            let path = SampleBERT { $0.isReranker = true; $0.settings = setting }.write(to: folder, "logits")
            let plain = try EmbeddingModel(path, for: .reranking, on: processor)
            expectClose(plain.scores(of: passages, for: "the pumps?"), logits, within: .gradient)
            #expect(abs(plain.folder.scoreFunction.probability(ofScore: 2) - 0.880797) < 1e-5)
        }
    }

    @Test func `texts are cut at the context, and have the prefix of their role`() throws {
        let sample = SampleBERT { $0.prompts = #""query": "query: ", "document": "the ""# }
        let model = try EmbeddingModel(sample.write(to: folder, "bert"), on: try Processor(threads: 1))
        #expect(model.input.tokens(of: "Pumps?", as: .query) == [2, 10, 11, 5, 8, 9, 3])
        #expect(model.input.tokens(of: "Pumps?", as: .passage) == [2, 4, 5, 8, 9, 3])
        #expect(model.input.tokens(of: "?", as: .plain) == [2, 9, 3])
        let long = String(repeating: "pump ", count: 100)
        #expect(model.input.tokens(of: long, as: .plain, limit: model.input.context).count == 24)
        let vectors = model.vectors(of: ["the pump", long, "the pump"], as: .plain)
        #expect(vectors[0] == vectors[2] && vectors.count == 3)
        for vector in vectors { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5) }
        let plain = SampleBERT { $0.isNormalized = false }.write(to: folder, "plain")
        let vector = try EmbeddingModel(plain, on: try Processor(threads: 1)).vectors(of: ["the pump"], as: .plain)[0]
        expectClose(vector.normalized, vectors[0], within: .forward)
        #expect(vector != vectors[0])
    }

    @Test func `a static model's vector is the mean of its tokens' rows`() throws {
        var trainer = try WordPieceTrainer()
        try trainer.add("the red pump and the red valve")
        let tokenizer = trainer.train(vocabularySize: 60), processor = try Processor(threads: 1)
        let rows = processor.buffer(of: tokenizer.count * 3, .float32)
        rows.write { span in for i in span.indices { span[i] = Float((i * 7) % 11) - 5 } }
        try StaticModel.write(rows, width: 3, tokenizer, to: folder("static"))
        let texts = ["the red pump", "valve", "", "the the"], model = try EmbeddingModel(folder("static"), on: processor)
        for _ in 0..<2 {
            let vectors = model.vectors(of: texts, as: .query)
            for (text, vector) in zip(texts, vectors) {
                let ids = tokenizer.textIDs(of: text)
                let sum = (0..<3).map { c in ids.reduce(Float(0)) { $0 + Float((Int($1) * 3 + c) * 7 % 11) - 5 } }
                expectClose(vector, sum.normalized, within: .gradient)
            }
            #expect(vectors[2] == [0, 0, 0])
        }
        let halves = try EmbeddingModel(folder("static"), on: processor, precision: .int8).vectors(of: texts, as: .query)
        #expect(zip(halves[0], model.vectors(of: texts, as: .query)[0]).allSatisfy { abs($0 - $1) < 0.03 })
    }

    @Test func `a backend answers many requests, and refuses what is no text of the model`() throws {
        let path = SampleBERT().write(to: folder, "bert")
        let backend = try EmbeddingBackend(path, name: "bert") { try Processor(threads: 1) }
        let model = try EmbeddingModel(path, on: try Processor(threads: 1)), expected = model.vectors(of: texts)
        let ended = Mailbox<EmbeddingResult>()
        for _ in 0..<5 { _ = try backend.embed(texts) { ended.put($0) } }
        for _ in 0..<5 {
            let result = ended.take()
            #expect(result.reason == .stop)
            for (found, expected) in zip(result.embeddings, expected) { expectClose(found, expected, within: .forward) }
        }
        #expect(throws: GenerationError.emptyPrompt) { try backend.embed([]) { _ in } }
        #expect(throws: GenerationError.textTooLong(index: 1, tokens: 25, context: 24)) {
            try backend.embed([[2], Array(repeating: 5, count: 25)]) { _ in }
        }
        #expect(throws: GenerationError.field("texts", value: "token 14", expected: "token ids from 0 to 13")) {
            try backend.embed([[14]]) { _ in }
        }
        #expect(throws: GenerationError.unsupported("bert is an embedding model: it answers no prompts.")) {
            try backend.start(GenerationRequest(.text("Hi"))) { _ in }
        }
        let ranking = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker")
        #expect(throws: CheckpointError.self) { try EmbeddingBackend(ranking, name: "x") { try Processor(threads: 1) } }
        #expect(throws: CheckpointError.self) { try EmbeddingBackend(path, name: "x", for: .reranking) { try Processor(threads: 1) } }
        let reranker = try EmbeddingBackend(ranking, name: "x", for: .reranking) { try Processor(threads: 1) }
        #expect(reranker.embeddingWidth == nil)
        let pairs = ["the pump", "red car"].map { reranker.input.tokens(of: "pump?", with: $0) }
        _ = try reranker.embed(pairs) { ended.put($0) }
        let scores = try EmbeddingModel(ranking, for: .reranking, on: try Processor(threads: 1))
            .scores(of: ["the pump", "red car"], for: "pump?")
        expectClose(ended.take().embeddings.map { $0[0] }, scores, within: .forward)
    }
}

/// A forward pass in plain loops and f64.
private struct PlainBERT {
    private let sample: SampleBERT
    private let tensors: [String: [Double]]
    private let outputs: [String: Int]

    init(_ sample: SampleBERT) {
        self.sample = sample
        outputs = Dictionary(uniqueKeysWithValues: sample.tensors.map { ($0.name, $0.shape[0]) })
        tensors = Dictionary(uniqueKeysWithValues: sample.tensors.map { ($0.name, $0.numbers.map { Double($0) }) })
    }

    private subscript(name: String) -> [Double] { tensors[name] ?? [] }

    /// The logit of a pair, whose first text ends with the first [SEP].
    func score(of ids: [TokenID]) -> Double {
        let first = ids.firstIndex(of: 3).map { $0 + 1 } ?? ids.count, C = sample.width
        let states = states(of: ids, firstCount: first)
        guard sample.family == .modern else { return linear(linear(Array(states[..<C]), "pooler.dense").map { tanh($0) }, "classifier")[0] }
        let rows = sample.isMean ? ids.count : 1
        let state = (0..<C).map { c in (0..<rows).reduce(0.0) { $0 + states[$1 * C + c] } / Double(rows) }
        return linear(norm(linear(state, "pooler.dense").map(gelu), "pooler.LayerNorm"), "classifier")[0]
    }

    /// [T, C]
    ///
    /// - Parameter firstCount: The tokens of type 0; the others have type 1.
    func states(of ids: [TokenID], firstCount: Int = .max) -> [Double] {
        let C = sample.width, D = C / sample.heads, T = ids.count
        let word = self["embeddings.word_embeddings.weight"], position = self["embeddings.position_embeddings.weight"]
        let type = self["embeddings.token_type_embeddings.weight"]
        let distances = self["encoder.relative_attention_bias.weight"], first = sample.family.paddingPositions
        var x: [Double] = []
        for t in 0..<T {
            for c in 0..<C {
                let kind = type.isEmpty ? 0.0 : type[(t < firstCount ? 0 : C) + c]
                x.append(word[Int(ids[t]) * C + c] + (position.isEmpty ? 0 : position[(first + t) * C + c]) + kind)
            }
        }
        x = norm(x, "embeddings.LayerNorm")
        let isModern = sample.family == .modern
        for layer in 0..<sample.layers {
            let prefix = "encoder.layer.\(layer).", base = sample.family.rotaryBase(ofLayer: layer)
            let a = isModern && layer > 0 ? norm(x, prefix + "attention.input.LayerNorm") : x
            let q = rotated(linear(a, prefix + "attention.self.query"), base), k = rotated(linear(a, prefix + "attention.self.key"), base)
            let v = linear(a, prefix + "attention.self.value")
            var attended = [Double](repeating: 0, count: T * C)
            for h in 0..<sample.heads {
                for t in 0..<T {
                    let near = sample.family.isLocal(layer) ? max(0, t - SampleBERT.reach)...min(T - 1, t + SampleBERT.reach) : 0...T - 1
                    let weights = near.map { s in
                        let product = (0..<D).reduce(0.0) { $0 + q[t * C + h * D + $1] * k[s * C + h * D + $1] }
                        let bias = distances.isEmpty ? 0.0 : distances[bucket(s - t) * sample.heads + h]
                        return exp(product / Double(D).squareRoot() + bias)
                    }
                    let sum = weights.reduce(0, +)
                    for (s, weight) in zip(near, weights) {
                        for d in 0..<D { attended[t * C + h * D + d] += weight / sum * v[s * C + h * D + d] }
                    }
                }
            }
            x = add(x, linear(attended, prefix + "attention.output.dense"))
            if !isModern { x = norm(x, prefix + "attention.output.LayerNorm") }
            let b = isModern ? norm(x, prefix + "intermediate.LayerNorm") : x, up = linear(b, prefix + "intermediate.dense")
            let hidden = switch sample.family {
            case .nomic: zip(up, linear(b, prefix + "intermediate.gate")).map { $0 * $1 / (1 + exp(-$1)) }
            case .modern: zip(up, linear(b, prefix + "intermediate.gate")).map { $0 * gelu($1) }
            default: up.map(gelu)
            }
            x = add(x, linear(hidden, prefix + "output.dense"))
            if !isModern { x = norm(x, prefix + "output.LayerNorm") }
        }
        return isModern ? norm(x, "final.LayerNorm") : x
    }

    private func gelu(_ x: Double) -> Double { x * 0.5 * (1 + erf(x / 2.0.squareRoot())) }

    /// Queries or keys with rotary positions, in families that have them.
    private func rotated(_ x: [Double], _ base: Double?) -> [Double] {
        guard let base else { return x }
        let C = sample.width, D = C / sample.heads
        var y = x
        for t in 0..<x.count / C {
            for h in 0..<sample.heads {
                for i in 0..<D / 2 {
                    let angle = Double(t) * pow(base, -2 * Double(i) / Double(D)), a = t * C + h * D + i, b = a + D / 2
                    y[a] = x[a] * cos(angle) - x[b] * sin(angle)
                    y[b] = x[b] * cos(angle) + x[a] * sin(angle)
                }
            }
        }
        return y
    }

    /// 16 groups before a token and 16 after it: 8 of one distance, and 8 up to 128.
    private func bucket(_ distance: Int) -> Int {
        let n = abs(distance), side = distance > 0 ? 16 : 0
        return side + (n < 8 ? n : min(8 + Int(log(Float(n) / 8) / Float(log(16.0)) * 8), 15))
    }

    private func add(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

    private func linear(_ x: [Double], _ name: String) -> [Double] {
        let w = self[name + ".weight"], b = self[name + ".bias"], O = outputs[name + ".weight"] ?? 1, I = w.count / O
        return (0..<x.count / I).flatMap { n in
            (0..<O).map { o in (0..<I).reduce(b.isEmpty ? 0 : b[o]) { $0 + x[n * I + $1] * w[o * I + $1] } }
        }
    }

    private func norm(_ x: [Double], _ name: String) -> [Double] {
        let w = self[name + ".weight"], b = self[name + ".bias"], C = w.count
        return (0..<x.count / C).flatMap { n in
            let row = x[n * C..<(n + 1) * C], mean = row.reduce(0, +) / Double(C)
            let rstd = 1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(C) + 1e-12).squareRoot()
            return row.enumerated().map { ($1 - mean) * rstd * w[$0] + (b.isEmpty ? 0 : b[$0]) }
        }
    }
}
