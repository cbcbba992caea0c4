import Autograd
package import Checkpoint
package import Formats
package import Kernels
import Model
package import Tokenize

/// An embedding model on this machine: turns texts into vectors whose directions are close if the texts mean similar things. Or a reranker,
/// also called a cross-encoder: reads a question and a passage together, and says how well the passage answers.
///
///     let model = try EmbeddingModel("all-MiniLM-L6-v2", on: try Processor())
///     let vectors = model.vectors(of: ["how do I reset the pump?"], as: .query)
///     let reranker = try EmbeddingModel("ms-marco-MiniLM-L6-v2", for: .reranking, on: try Processor())
///     let scores = reranker.scores(of: passages, for: "how do I reset the pump?")
///
/// Scores compare more exactly than vectors, but a reranker has to read each passage again for each question. Only one thread may use a
/// model at a time.
package final class EmbeddingModel {
    package let folder: EncoderFile
    package let input: EmbeddingInput
    private let runner: Runner

    private enum Runner {
        case bert(BERTRunner)
        case gpt(CausalEncoder)
    }

    /// About how many tokens are computed at once: activations should stay in the cache.
    private static let tokensPerStep = 1_024

    package init(
        _ folder: EncoderFile, on processor: Processor, precision: WeightPrecision = .float32
    ) throws(CheckpointError) {
        self.folder = folder
        var input = folder.input
        switch folder.network {
        case .bert(let file):
            let (model, parameters) = file.model(on: processor)
            runner = .bert(BERTRunner(of: model, parameters, on: processor, precision: precision))
        case .gpt(let checkpoint):
            let encoder = try CausalEncoder(of: checkpoint, on: processor, precision: precision, context: input.context)
            input.context = encoder.context
            runner = .gpt(encoder)
        }
        self.input = input
    }

    package convenience init(
        _ path: String, for purpose: EncoderFile.Purpose = .embedding, on processor: Processor, precision: WeightPrecision = .float32
    ) throws {
        try self.init(EncoderFile(path, for: purpose), on: processor, precision: precision)
    }

    /// The length of a vector.
    package var width: Int { folder.sizes.width }
    package var weightBytes: Int {
        switch runner {
        case .bert(let runner): runner.weightBytes
        case .gpt(let encoder): encoder.weightBytes
        }
    }

    /// The vectors of texts, each of length 1 if the model says so. The end of a text that is longer than the context is left out.
    package func vectors(of texts: [String], as role: EmbeddingInput.Role) -> [[Float]] {
        vectors(of: texts.map { input.tokens(of: $0, as: role, limit: input.context) })
    }

    /// - Parameter texts: Each of at most as many tokens as the context.
    package func vectors(of texts: [[TokenID]]) -> [[Float]] {
        Self.inSteps(texts) { step($0, isNormalized: folder.pooling.isNormalized) }
    }

    /// The score of each passage: the larger, the better. From 0 to 1, unless the model's scores are its logits.
    package func scores(of passages: [String], for question: String) -> [Float] {
        Self.inSteps(passages.map { input.tokens(of: question, with: $0) }, scoreStep)
    }

    /// What `step` computes of texts, of about `tokensPerStep` tokens at a time.
    private static func inSteps<Result>(_ texts: [[TokenID]], _ step: ([[TokenID]]) -> [Result]) -> [Result] {
        var results: [Result] = []
        while results.count < texts.count {
            results += step(Array(texts[results.count..<end(ofStepFrom: results.count, in: texts)]))
        }
        return results
    }

    /// The end of the texts that are computed together with the first one.
    static func end(ofStepFrom first: Int, in texts: [[TokenID]]) -> Int {
        var end = first, tokens = 0
        while end < texts.count, end == first || tokens + texts[end].count <= tokensPerStep {
            tokens += texts[end].count
            end += 1
        }
        return end
    }

    /// - Parameter isNormalized: Whether the vectors get the length 1.
    func step(_ texts: [[TokenID]], isNormalized: Bool) -> [[Float]] {
        let vectors: [[Float]], C = width
        switch runner {
        case .bert(let runner):
            let pooled = runner.pooled(texts, isMean: folder.pooling.mode == .mean)                   // [texts, C]
            vectors = pooled.elements.read { span in texts.indices.map { i in (i * C..<(i + 1) * C).map { span[$0] } } }
        case .gpt(let encoder): vectors = encoder.lastStates(of: texts)
        }
        return isNormalized ? vectors.map(\.normalized) : vectors
    }

    /// - Parameter pairs: The tokens of a question and a passage, each pair of at most as many as the context.
    func scoreStep(_ pairs: [[TokenID]]) -> [Float] {
        guard case .bert(let runner) = runner else { preconditionFailure("a causal model has no score") }
        return runner.scores(of: pairs, endingWith: input.separator).map { folder.scoreFunction.score(of: $0) }
    }
}
