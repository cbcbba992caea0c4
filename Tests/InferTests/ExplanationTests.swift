import Autograd
import Infer
import Kernels
import Model
import TestSupport
import Testing
import Tokenize

@Suite struct ExplanationTests {
    static let configurations: [GPTConfiguration] = [.learned, .rotary]
    let ids: [TokenID] = [3, 1, 4, 1, 5, 9, 2, 6]

    private func explain(_ configuration: GPTConfiguration) throws -> (Explanation, GPT, Tape) {
        let processor = try Processor(threads: 1)
        var list = ParameterList()
        let model = GPT(configuration, in: &list)
        let parameters = Parameters(list, on: processor, seed: 7)
        return (Explanation(of: ids, model, parameters, on: processor), model, Tape(processor, parameters: parameters))
    }

    @Test(arguments: configurations)
    func `weights times values give the output of the fused attention`(_ configuration: GPTConfiguration) throws {
        let (explanation, _, _) = try explain(configuration)
        let D = configuration.headWidth
        for layer in 0..<configuration.layers {
            for head in 0..<configuration.heads {
                for (position, weights) in explanation.attention(layer: layer, head: head).enumerated() {
                    #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
                    for d in 0..<D {
                        let y = weights.indices.reduce(Float(0)) {
                            $0 + weights[$1] * explanation.value(layer: layer, head: head, at: $1)[d]
                        }
                        #expect(
                            abs(y - explanation.attended[layer][position][head * D + d]) < 1e-5, "layer \(layer), head \(head), \(position)"
                        )
                    }
                }
            }
        }
    }

    @Test(arguments: configurations)
    func `losses are those of training`(_ configuration: GPTConfiguration) throws {
        let (explanation, model, tape) = try explain(configuration)
        let T = ids.count
        let targets = tape.ids(Array(ids[1...]) + [-1], [1, T])
        let losses = model.tokenLosses(of: tape.ids(ids, [1, T]), predicting: [targets], on: tape)[0]
        for position in 0..<T - 1 {
            #expect(abs(explanation.loss(at: position) - losses.nats[position]) < 1e-4)
            #expect((explanation.rank(at: position) == 0) == losses.isTopPrediction[position])
        }
    }

    @Test(arguments: ["head.weight", "layer0.qkv.weight", "tokens.weight"])
    func `gradients match finite differences and, for the head, the chain rule`(_ name: String) throws {
        let processor = try Processor(threads: 1)
        var list = ParameterList()
        let model = GPT(.learned, in: &list)
        let parameters = Parameters(list, on: processor, seed: 3)
        let parameter = try #require(parameters.list.first { $0.name == name })
        let before = parameters.value(of: parameter).floats
        let gradient = ExplainedGradient(
            of: parameter, row: 4, column: 1, ids, model, parameters, on: processor, includingCurve: true)
        #expect(gradient.curve.count == 41 && gradient.curve[20].weight == gradient.weight)
        let short = ExplainedGradient(of: parameter, row: 4, column: 1, ids, model, parameters, on: processor, includingCurve: false)
        #expect(short.curve.isEmpty && short.loss == gradient.loss && short.finiteDifference == gradient.finiteDifference)
        #expect(abs(gradient.backward - gradient.finiteDifference) < 1e-3)
        #expect(gradient.backward != 0)
        #expect(parameters.value(of: parameter).floats == before)
        if name == "head.weight" {
            let explanation = Explanation(of: ids, model, parameters, on: processor)
            #expect(abs(explanation.headGradient(row: 4, column: 1) - gradient.backward) < 1e-5)
        }
    }

    @Test func `the most likely tokens come first and probabilities sum to 1`() throws {
        let (explanation, _, _) = try explain(.learned)
        let best = explanation.mostLikely(5, after: 2)
        #expect(best.map(\.probability) == best.map(\.probability).sorted(by: >))
        #expect(best.first?.logit == explanation.logits[2].max())
        let row = explanation.logits[2], sorted = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }
        for count in [0, 1, 5, 16, 99] {
            #expect(explanation.mostLikely(count, after: 2).map { Int($0.id) } == Array(sorted.prefix(count)))
        }
        #expect(abs(explanation.probabilities(after: 2).reduce(0, +) - 1) < 1e-5)
    }
}

extension GPTConfiguration {
    fileprivate static var learned: GPTConfiguration {
        GPTConfiguration(layers: 2, heads: 2, width: 8, context: 8, vocabulary: 16)
    }

    fileprivate static var rotary: GPTConfiguration {
        var configuration = learned
        configuration.positions = .rotary
        configuration.qkNorm = .unit
        return configuration
    }
}
