package import Formats
package import Kernels
import Tokenize

/// A reranker on this machine, also called a cross-encoder: reads a question and a passage together, and says how well the passage answers.
///
///     let reranker = try Reranker("ms-marco-MiniLM-L6-v2", on: try Processor())
///     reranker.scores(of: passages, for: "how do I reset the pump?")
///
/// It compares more exactly than the vectors of an ``EmbeddingModel``, but has to read each passage again for each question. Only one
/// thread may use it at a time.
package final class Reranker {
    package let folder: EncoderFile
    private let runner: BERTRunner

    package init(_ folder: EncoderFile, on processor: Processor, precision: WeightPrecision = .float32) {
        self.folder = folder
        let (model, parameters) = folder.model(on: processor)
        runner = BERTRunner(of: model, parameters, on: processor, precision: precision)
    }

    package convenience init(_ path: String, on processor: Processor, precision: WeightPrecision = .float32) throws {
        self.init(try EncoderFile(path, for: .reranking), on: processor, precision: precision)
    }

    package var input: EmbeddingInput { folder.input }
    package var weightBytes: Int { runner.weightBytes }

    /// The score of each passage: the larger, the better. From 0 to 1, unless the model's scores are its logits.
    package func scores(of passages: [String], for question: String) -> [Float] {
        let pairs = passages.map { input.tokens(of: question, with: $0) }
        return EmbeddingModel.inSteps(pairs, step)
    }

    /// - Parameter pairs: The tokens of a question and a passage, each pair of at most as many as the context.
    func step(_ pairs: [[TokenID]]) -> [Float] {
        runner.scores(of: pairs, endingWith: input.separator).map { folder.scoreFunction.score(of: $0) }
    }
}
