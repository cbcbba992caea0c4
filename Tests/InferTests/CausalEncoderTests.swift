import Autograd
import Checkpoint
import Formats
import Infer
import Kernels
import Model
import Testing
import TestSupport
import Threads
import Tokenize

/// Vectors of causal models. Tests/Peers/check_embeddings.py compares with transformers.
@Suite struct CausalEncoderTests {
    private let folder = TemporaryFolder()
    /// One of them is longer than what is computed at once.
    private let texts: [[TokenID]] = [2, 0, 40, 1_500, 3].map { length in
        var ids: [TokenID] = []
        for i in 0..<length { ids.append(TokenID(i * 7 % 250)) }
        return ids + [SampleCausalEncoder.end]
    }

    private func model(_ sample: SampleCausalEncoder, _ precision: WeightPrecision = .float32) throws -> EmbeddingModel {
        try EmbeddingModel(sample.write(to: folder, "qwen"), on: try Processor(threads: 2), precision: precision)
    }

    /// The last hidden state of a forward pass on a tape, scaled to the length 1.
    private func expected(_ ids: [TokenID], _ checkpoint: Checkpoint) throws -> [Double] {
        let processor = try Processor(threads: 1), (model, parameters) = try checkpoint.model(on: processor)
        let tape = Tape(processor, parameters: parameters), C = checkpoint.configuration.width
        let states = tape.withoutRecording { model.hiddenStates(of: tape.ids(ids, [1, ids.count]), on: tape) }.floats
        let last = states.suffix(C).map(Double.init), length = last.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return last.map { $0 / length }
    }

    @Test(arguments: [SampleFamily.qwen3, .llama, .gemma3]) func `a vector is the last state of a text`(family: SampleFamily) throws {
        let sample = try SampleCausalEncoder(family), model = try model(sample), vectors = model.vectors(of: texts)
        #expect(model.width == 32 && vectors.count == texts.count)
        for (ids, vector) in zip(texts, vectors) {
            let expected = try expected(ids, sample.checkpoint)
            #expect(zip(vector, expected).allSatisfy { abs(Double($0) - $1) < 1e-4 } && vector.count == 32, "\(ids.count) tokens")
        }
    }

    @Test(arguments: [.float32, .bfloat16, .int8] as [WeightPrecision])
    func `a text has the same bits alone and among others, in every step`(precision: WeightPrecision) throws {
        let model = try model(SampleCausalEncoder(), precision)
        for _ in 0..<3 { _ = model.vectors(of: texts) }       // until all weights are packed
        let together = model.vectors(of: texts + texts + texts.reversed())
        for (i, text) in (texts + texts + texts.reversed()).enumerated() {
            #expect(model.vectors(of: [text])[0] == together[i], "\(text.count) tokens")
        }
    }

    @Test func `bf16 and int8 change vectors little`() throws {
        let sample = try SampleCausalEncoder(), exact = try model(sample).vectors(of: texts)
        for precision in [WeightPrecision.bfloat16, .int8] {
            for (a, b) in zip(exact, try model(sample, precision).vectors(of: texts)) {
                let cosine = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
                #expect(cosine > 0.9 && cosine < 1.001, "\(precision.rawValue): \(cosine)")
            }
        }
    }

    @Test func `a GGUF file has the vectors of the folder`() throws {
        let sample = try SampleCausalEncoder(), path = folder.write(try sample.gguf(in: folder), to: "qwen.gguf")
        let found = try EmbeddingModel(path, on: try Processor(threads: 1)).vectors(of: ["a pump", "a valve"], as: .passage)
        let expected = try model(sample).vectors(of: ["a pump", "a valve"], as: .passage)
        for (a, b) in zip(found, expected) { #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 }) }
        #expect(found.count == 2 && found[0] != found[1])
    }

    @Test func `requests for embeddings are answered, and questions are not scored`() throws {
        let path = try SampleCausalEncoder().write(to: folder, "qwen")
        let backend = try EmbeddingBackend(path, name: "qwen") { try Processor(threads: 1) }
        #expect(backend.embeddingWidth == 32 && backend.context == 2_048)
        let ended = Mailbox<EmbeddingResult>()
        _ = try backend.embed(texts) { ended.put($0) }
        let result = ended.take(), vectors = try EmbeddingModel(path, on: try Processor(threads: 1)).vectors(of: texts)
        #expect(result.reason == .stop && result.embeddings.count == texts.count)
        for (a, b) in zip(result.embeddings, vectors) { #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 }) }
        #expect(throws: CheckpointError.self) { try EmbeddingBackend(path, name: "qwen", for: .reranking) { try Processor(threads: 1) } }
    }
}
