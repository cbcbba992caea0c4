package import Autograd
package import Kernels
package import Model
package import Tokenize

/// The derivative of the mean loss of a text with respect to one weight, computed in three ways.
///
///     let gradient = ExplainedGradient(of: head, row: 337, column: 0, ids, model, parameters, on: processor, includingCurve: false)
///     gradient.backward                                        // by the autograd engine
package struct ExplainedGradient {
    /// The weight's value.
    package let weight: Float
    package let loss: Float
    /// From the backward pass.
    package let backward: Float
    /// (loss(w + h) − loss(w − h)) / 2h
    package let finiteDifference: Float
    package static let step: Float = 0.003
    /// Losses around the weight's value, from 41 forward passes; empty if they were not asked for.
    package let curve: [(weight: Float, loss: Float)]

    /// - Parameters:
    ///   - parameter: a trainable matrix [rows, columns].
    ///   - parameters: in memory that may be written to; they are unchanged afterwards.
    package init(
        of parameter: Parameter,
        row: Int,
        column: Int,
        _ ids: [TokenID],
        _ model: GPT,
        _ parameters: Parameters,
        on processor: Processor,
        includingCurve: Bool
    ) {
        let tape = Tape(processor, parameters: parameters)
        let inputs = tape.ids(Array(ids.dropLast()), [1, ids.count - 1])
        let targets = tape.ids(Array(ids.dropFirst()), [1, ids.count - 1])
        let element = row * parameter.shape[-1] + column
        let values = parameters.value(of: parameter).elements
        let original = values.read { $0[element] }

        func loss(at weight: Float) -> Float {
            values.write { $0[element] = weight }
            tape.reset()
            return tape.withoutRecording { model.loss(of: inputs, predicting: targets, on: tape).scalar }
        }

        tape.reset()
        parameters.zeroGradients()
        tape.backward(from: model.loss(of: inputs, predicting: targets, on: tape))
        backward = parameters.gradient(of: parameter).floats[element]
        self.weight = original
        let h = Self.step
        finiteDifference = (loss(at: original + h) - loss(at: original - h)) / (2 * h)
        curve = !includingCurve ? [] : (-20...20).map { i in
            let weight = original + Float(i) * 0.1
            return (weight, loss(at: weight))
        }
        self.loss = loss(at: original)
    }
}

extension Explanation {
    /// The derivative of the mean loss with respect to `head[row, column]`, by the chain rule: the mean of (p − 1 if the token is the
    /// target) · x, times the derivative of the soft cap of the logits, if there is one.
    package func headGradient(row: Int, column: Int) -> Float {
        let N = ids.count - 1
        let sum = (0..<N).reduce(0.0) { sum, t in
            let p = Double(probabilities(after: t)[row]) - (Int(ids[t + 1]) == row ? 1 : 0)
            let capped = configuration.logitCap.map { Double(logits[t][row] / $0) } ?? 0
            return sum + p * Double(features[t][column]) * (1 - capped * capped)
        }
        return Float(sum / Double(N))
    }
}
