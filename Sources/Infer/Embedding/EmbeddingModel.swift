import Autograd
package import Formats
package import Kernels
import Model
package import Tokenize

/// An embedding model on this machine: turns texts into vectors whose directions are close if the texts mean similar things.
///
///     let model = try EmbeddingModel("all-MiniLM-L6-v2", on: try Processor())
///     let vectors = model.vectors(of: ["how do I reset the pump?"], as: .query)
///
/// Only one thread may use it at a time.
package final class EmbeddingModel {
    package let folder: EncoderFile
    private let runner: BERTRunner

    /// About how many tokens are computed at once: activations should stay in the cache.
    private static let tokensPerStep = 1_024

    package init(_ folder: EncoderFile, on processor: Processor, precision: WeightPrecision = .float32) {
        self.folder = folder
        let (model, parameters) = folder.model(on: processor)
        runner = BERTRunner(of: model, parameters, on: processor, precision: precision)
    }

    package convenience init(_ path: String, on processor: Processor, precision: WeightPrecision = .float32) throws {
        self.init(try EncoderFile(path, for: .embedding), on: processor, precision: precision)
    }

    /// The length of a vector.
    package var width: Int { folder.configuration.width }
    package var input: EmbeddingInput { folder.input }
    package var weightBytes: Int { runner.weightBytes }

    /// The vectors of texts, each of length 1 if the model says so. The end of a text that is longer than the context is left out.
    package func vectors(of texts: [String], as role: EmbeddingInput.Role) -> [[Float]] {
        vectors(of: texts.map { input.tokens(of: $0, as: role, limit: input.context) })
    }

    /// - Parameter texts: Each of at most as many tokens as the context.
    package func vectors(of texts: [[TokenID]]) -> [[Float]] {
        Self.inSteps(texts, step)
    }

    /// What `step` computes of texts, of about `tokensPerStep` tokens at a time.
    static func inSteps<Result>(_ texts: [[TokenID]], _ step: ([[TokenID]]) -> [Result]) -> [Result] {
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

    func step(_ texts: [[TokenID]]) -> [[Float]] {
        let pooled = runner.pooled(texts, isMean: folder.pooling.mode == .mean), C = width
        return pooled.elements.read { span in
            texts.indices.map { i in
                let vector = (i * C..<(i + 1) * C).map { span[$0] }
                return folder.pooling.isNormalized ? vector.normalized : vector
            }
        }
    }
}
