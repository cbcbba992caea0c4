import Autograd
import Kernels
import Model
import Testing
import TestSupport
import Train

/// What a model needs to be initialized from n-gram counts, and how fast its weights then change.
@Suite struct NGramRequirementsTests {
    @Test func `a model that cannot be initialized from counts is refused with the first reason`() {
        func obstacle(heads: Int = 5, width: Int = 320, _ change: (inout GPTConfiguration) -> Void = { _ in }) -> String? {
            var configuration = GPTConfiguration(layers: 1, heads: heads, width: width, context: 8, vocabulary: 100)
            change(&configuration)
            return NGramInitialization.obstacle(for: configuration)
        }
        #expect(obstacle() == nil && obstacle(heads: 10) == nil && obstacle { $0.activation = .relu } == nil)
        #expect(obstacle { $0.vocabulary = 1 << 21 } == nil)
        #expect(obstacle { $0.layers = 0 } == "at least one layer (found none)")
        #expect(obstacle(width: 315) == "at least 320 channels (found 315)")
        #expect(obstacle(heads: 20) == "heads of at least 32 channels (found 16)")
        let changes: [(text: String, change: (inout GPTConfiguration) -> Void)] = [
            ("a head that is not tied to the token embedding", { $0.isTied = true }), ("learned positions", { $0.positions = .rotary }),
            ("layer norms and biases", { $0.norm = .rms }), ("layer norms and biases", { $0.hasBias = false }),
            ("queries and keys without QK-norm", { $0.qkNorm = .unit }),
            ("as many heads of keys as of queries, width / heads wide", { $0.keyValueHeads = 1 }),
            ("as many heads of keys as of queries, width / heads wide", { $0.headWidth = 32 }),
            ("an MLP of four times the width without gates", { $0.hiddenWidth = 960 }),
            ("an MLP of four times the width without gates", { $0.isGated = true }),
            ("blocks like GPT-2's", { $0.hasPostNorms = true }), ("blocks like GPT-2's", { $0.isParallel = true }),
            ("blocks like GPT-2's", { $0.experts = Experts(count: 2, active: 1) }),
            ("scores and logits without a soft cap", { $0.scoreCap = 50 }), ("scores and logits without a soft cap", { $0.logitCap = 50 }),
            ("GELU or ReLU", { $0.activation = .silu }), ("at most 2097152 tokens", { $0.vocabulary = 1 << 21 + 1 }),
        ]
        for (text, change) in changes { #expect(obstacle(change) == text) }
    }

    @Test func `weights from counts change slowly, and attention at the full rate`() {
        let list = ParameterList(of: GPTConfiguration(layers: 1, heads: 5, width: 320, context: 8, vocabulary: 100)).parameters
        for parameter in list {
            let isAttention = ["layer0.qkv.weight", "layer0.output.weight"].contains(parameter.name)
            let expected: Float = parameter.name.hasSuffix(".bias") || parameter.name.contains("norm") ? 0.3 : isAttention ? 1 : 0.1
            #expect(NGramInitialization.learningRateScale(of: parameter) == expected, "\(parameter.name)")
        }
    }
}
