import Autograd
import Glibc
package import Kernels
import Random
import Tokenize

/// Trains a static embedding model: a table of vectors, of which the mean over a text's tokens is the text's vector.
///
///     let trainer = EmbeddingTrainer(examples, vocabulary: 16_384, EmbeddingTrainer.Settings(), on: processor)
///     while let loss = trainer.step() { … }
///     trainer.table                                            // [V, C]
///
/// The loss is contrastive: the cosine similarities of a question with the passages of its batch, divided by a temperature, are logits, and
/// its own passage is the target (InfoNCE; MultipleNegativesRankingLoss of sentence-transformers).
package final class EmbeddingTrainer {
    package struct Settings: Sendable {
        /// Numbers of a vector.
        package var width = 256
        /// Questions with their passages in a step.
        package var batch = 256
        package var epochs = 30
        /// The learning rate of the first step, from which it falls to 0.
        package var lr = 0.01
        package var temperature = 0.05
        package var seed = 1

        package init() {}

        fileprivate var randomSeed: UInt64 { UInt64(bitPattern: Int64(seed)) }
    }

    private let settings: Settings
    private let processor: Processor
    private let parameters: Parameters
    private let rows: Parameter                               // [V, C]
    private let optimizer: Optimizer
    private let tape: Tape
    private let training, heldOut: EmbeddingExamples
    private let schedule: LearningRateSchedule
    private let stepsPerEpoch: Int
    package private(set) var steps = 0

    /// The share of the examples that is not trained on, and the most of them: their questions measure the model.
    private static let heldOutShare = 0.05, mostHeldOut = 512

    package init(_ examples: EmbeddingExamples, vocabulary: Int, _ settings: Settings, on processor: Processor) {
        self.settings = settings
        self.processor = processor
        var training = examples, random = SeededRandom(seed: settings.randomSeed, stream: 0)
        heldOut = training.split(min(Self.mostHeldOut, Int(Self.heldOutShare * Double(examples.count))), &random)
        self.training = training
        stepsPerEpoch = max(1, training.count / settings.batch)
        schedule = LearningRateSchedule(.linear, peak: Float(settings.lr), warmup: 0, steps: settings.epochs * stepsPerEpoch, floor: 0)
        var list = ParameterList()
        let C = settings.width
        rows = list.add("tokens.weight", [vocabulary, C], .normal(deviation: 1 / Float(C).squareRoot()))
        parameters = Parameters(list, on: processor, seed: settings.randomSeed)
        optimizer = Optimizer(for: parameters, on: processor)
        optimizer.decay = 0
        // Most tokens have no gradient in most steps: their second moments need a long memory.
        optimizer.beta2 = 0.999
        tape = Tape(processor, parameters: parameters)
        weightByRarity(training)
    }

    /// The length of a new vector is its token's inverse document frequency, so that the mean begins as a search by words does.
    private func weightByRarity(_ examples: EmbeddingExamples) {
        let C = settings.width, counts = examples.documentCounts(vocabulary: rows.shape[0]), total = Float(examples.count)
        table.write { span in
            for (token, count) in counts.enumerated() {
                let weight = log(1 + total / Float(1 + count))
                for i in token * C..<(token + 1) * C { span[i] *= weight }
            }
        }
    }

    package var table: Buffer { parameters.values[rows.range] }
    package var gradients: Buffer { parameters.allGradients()[rows.range] }
    package var totalSteps: Int { schedule.steps }
    /// The examples that are trained on, and those that are only asked for.
    package var counts: (training: Int, heldOut: Int) { (training.count, heldOut.count) }

    /// Trains on one batch. Returns its loss; nil after the last step.
    package func step() -> Float? {
        guard steps < schedule.steps else { return nil }
        let (epoch, index) = (steps / stepsPerEpoch, steps % stepsPerEpoch)
        let order = Shuffle(count: training.count, seed: settings.randomSeed &+ UInt64(epoch))
        var random = SeededRandom(seed: settings.randomSeed, stream: UInt64(steps) + 1)
        let count = min(settings.batch, training.count)
        let pairs = (0..<count).map { training.pair(order[index * count + $0], &random) }
        let loss = addGradients(of: pairs)
        optimizer.update(rate: schedule.rate(at: steps))
        steps += 1
        return loss
    }

    /// Adds the gradient of the mean of −log softmax(q·pᵀ/temperature)[own passage], and returns it.
    package func addGradients(of pairs: [EmbeddingExamples.Pair]) -> Float {
        tape.reset()
        let questions = vectors(pairs.map(\.question)), passages = vectors(pairs.map(\.passage))
        let loss = tape.linearCrossEntropy(
            tape.scale(questions, by: Float(1 / settings.temperature)), weight: passages,
            targets: tape.ids(pairs.indices.map(Int32.init), [pairs.count]))
        tape.backward(from: loss)
        return loss.floats[0]
    }

    /// The vector of each text, of length 1.   [texts, C]
    private func vectors(_ texts: [[TokenID]]) -> Tensor {
        let C = settings.width, counts = texts.map(\.count), N = counts.reduce(0, +)
        let ids = tape.ids(texts.flatMap { $0 }, [N])
        let means = tape.rowMeans(tape.embed(ids, in: tape.value(of: rows)), counts: counts)
        // x/√⟨x²⟩·1/√C has the length 1.
        let scale = tape.constant(Array(repeating: 1 / Float(C).squareRoot(), count: C), [C])
        return tape.rmsNorm(means, scale: scale, epsilon: 1e-12)
    }

    /// The share of questions that were held out whose own passage is the most similar one, and among the ten most similar ones.
    package func hitRates() -> (first: Double, firstTen: Double)? {
        if heldOut.count == 0 { return nil }
        var random = SeededRandom(seed: settings.randomSeed, stream: .max)
        let pairs = (0..<heldOut.count).map { heldOut.pair($0, &random) }, C = settings.width
        let (q, p) = tape.withoutRecording { (vectors(pairs.map(\.question)), vectors(pairs.map(\.passage))) }
        let products = processor.buffer(of: pairs.count * pairs.count, .float32)
        processor.run(
            Matmul(of: Matrix(q.elements, rows: pairs.count, columns: C), Matrix(p.elements, rows: pairs.count, columns: C).transposed,
                   into: Matrix(products, rows: pairs.count, columns: pairs.count)), as: "similarities")
        return products.read { span in
            var first = 0, ten = 0
            for row in pairs.indices {
                let start = row * pairs.count, own = span[start + row]
                let better = pairs.indices.count { span[start + $0] > own }
                first += better == 0 ? 1 : 0
                ten += better < 10 ? 1 : 0
            }
            return (Double(first) / Double(pairs.count), Double(ten) / Double(pairs.count))
        }
    }
}
