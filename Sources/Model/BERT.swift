package import Autograd
package import Kernels

/// The configuration of a ``BERT``.
package struct BERTConfiguration: Sendable, Equatable {
    package var vocabulary, context, width, heads, layers, hiddenWidth: Int
    /// Kinds of tokens: those of a first text and of a second one. 0 if all are of one kind.
    package var tokenTypes = 2
    /// The row of the first position in its table.
    package var firstPosition = 0
    /// Groups of distances between two tokens, each with a bias for each head; 0 for none.
    package var distanceBuckets = 0
    package var activation = UnaryFunction.exactGELU
    /// Rotary positions instead of a table, as in nomic-bert.
    package var rotary: RotaryPositions?
    /// Layers whose tokens attend to near ones only.
    package var local: LocalAttention?
    /// Whether norms come before attention and MLP, as in ModernBERT, instead of after the residual connections.
    package var isPreNorm = false
    /// Whether the MLP multiplies f(gates) by values.
    package var isGated = false
    /// Whether the linear layers of attention, those of MLPs, and norms have biases.
    package var hasAttentionBias = true, hasMLPBias = true, hasNormBias = true
    /// Whether a position and a norm are applied to the embeddings of tokens. Static models have neither, and no layers: the vector of
    /// a text is the mean of those of its tokens.
    package var isStatic = false
    package var normEpsilon: Float = 1e-12
    /// The layers of a reranker, if they follow: they make a score of the hidden states.
    package var score: Score?

    /// Attention to a window of tokens, in some layers.
    package struct LocalAttention: Sendable, Equatable {
        /// The indices of these layers.
        package var layers: [Int]
        /// Tokens before a token, and after it, that it attends to.
        package var reach: Int
        /// The rotary positions of these layers.
        package var rotary: RotaryPositions

        package init(layers: [Int], reach: Int, rotary: RotaryPositions) {
            self.layers = layers
            self.reach = reach
            self.rotary = rotary
        }
    }

    /// How a reranker makes a score.
    package struct Score: Sendable, Equatable {
        /// Whether of the mean of all hidden states, instead of the first one.
        package var isMean = false
        /// Between its two linear layers.
        package var activation = UnaryFunction.tanh
        /// Whether the first one has a bias.
        package var hasBias = true
        /// Whether a norm follows the activation.
        package var hasNorm = false

        package init() {}
    }

    package init(vocabulary: Int, context: Int, width: Int, heads: Int, layers: Int, hiddenWidth: Int) {
        self.vocabulary = vocabulary
        self.context = context
        self.width = width
        self.heads = heads
        self.layers = layers
        self.hiddenWidth = hiddenWidth
    }

    /// A static model (model2vec, StaticEmbedding of sentence-transformers): a table of vectors.
    package static func table(vocabulary: Int, width: Int, context: Int) -> BERTConfiguration {
        var c = BERTConfiguration(vocabulary: vocabulary, context: context, width: width, heads: 1, layers: 0, hiddenWidth: 0)
        c.tokenTypes = 0
        c.isStatic = true
        return c
    }

    package var attentionHeads: AttentionHeads { AttentionHeads(heads, width: width / heads) }
    package var hasScore: Bool { score != nil }
}

/// A bidirectional encoder (BERT, RoBERTa, DistilBERT, MPNet, ModernBERT and models of their families) or a static model: the layers of a
/// model that turns texts into vectors, or a question and a passage into a score. `BERTRunner` (in `Infer`) has its forward pass.
///
///     var list = ParameterList()
///     let model = BERT(configuration, in: &list)
///
/// Its layers are those of the ``GPT``; how they follow each other is not. Norms come after the residual connections, except in ModernBERT.
/// Each position attends to later ones, too, so that there is nothing to cache: to all of its text, or to a window around it.
///
/// V tokens · T positions · C channels · F channels inside the MLP
package struct BERT: Sendable {
    package struct Block: Sendable {
        package let attentionNorm: Norm?                      // of x, before attention
        package let qkv, output: Linear                       // C → 3C (queries, keys, values),  C → C
        package let norm1: Norm?                              // of x + attention
        package let mlpNorm: Norm?                            // of x, before the MLP
        package let up, down: Linear                          // C → F, or 2F (gates, values),  F → C
        package let norm2: Norm?                              // of x + MLP
        package let rotary: RotaryPositions?
        package let reach: Int?                               // tokens on each side that a token attends to; nil: all
    }

    /// Makes a score of the state of the first token, or of the mean of all.
    package struct ScoreHead: Sendable {
        package let pooler: Linear                            // C → C
        package let norm: Norm?
        package let classifier: Linear                        // C → 1
    }

    package let configuration: BERTConfiguration
    package let tokens: Embedding                             // [V, C]
    package let positions: Embedding?                         // [firstPosition + context, C]; nil with rotary positions, or none
    package let types: Embedding?                             // [types, C]
    package let distances: Embedding?                         // [buckets, heads]: added to the scores of attention
    package let norm: Norm?                                   // of their sum
    package let blocks: [Block]
    package let finalNorm: Norm?
    package let scoreHead: ScoreHead?

    /// Adds the model's parameters to `list`.
    package init(_ configuration: BERTConfiguration, in list: inout ParameterList) {
        let C = configuration.width, F = configuration.hiddenWidth
        self.configuration = configuration
        tokens = Embedding(of: configuration.vocabulary, to: C, named: "tokens", in: &list)
        positions = configuration.rotary == nil && !configuration.isStatic
            ? Embedding(of: configuration.firstPosition + configuration.context, to: C, named: "positions", in: &list) : nil
        let (types, buckets) = (configuration.tokenTypes, configuration.distanceBuckets)
        self.types = types > 0 ? Embedding(of: types, to: C, named: "types", in: &list) : nil
        distances = buckets > 0 ? Embedding(of: buckets, to: configuration.heads, named: "distances", in: &list) : nil
        func norm(_ name: String, _ list: inout ParameterList) -> Norm {
            Norm(.layer, of: C, bias: configuration.hasNormBias, epsilon: configuration.normEpsilon, named: name, in: &list)
        }
        func linear(_ name: String, _ I: Int, _ O: Int, _ list: inout ParameterList, bias: Bool) -> Linear {
            Linear(from: I, to: O, bias: bias, named: name, in: &list, weight: .normal(deviation: 0.02))
        }
        let isPreNorm = configuration.isPreNorm, up = configuration.isGated ? 2 * F : F
        let bias = (attention: configuration.hasAttentionBias, mlp: configuration.hasMLPBias)
        self.norm = configuration.isStatic ? nil : norm("norm", &list)
        blocks = (0..<configuration.layers).map { layer in
            let name = "layer\(layer)", local = configuration.local.flatMap { $0.layers.contains(layer) ? $0 : nil }
            return Block(
                // The embeddings of tokens have a norm already.
                attentionNorm: isPreNorm && layer > 0 ? norm("\(name).attentionNorm", &list) : nil,
                qkv: linear("\(name).qkv", C, 3 * C, &list, bias: bias.attention),
                output: linear("\(name).output", C, C, &list, bias: bias.attention),
                norm1: isPreNorm ? nil : norm("\(name).norm1", &list),
                mlpNorm: isPreNorm ? norm("\(name).mlpNorm", &list) : nil,
                up: linear("\(name).up", C, up, &list, bias: bias.mlp), down: linear("\(name).down", F, C, &list, bias: bias.mlp),
                norm2: isPreNorm ? nil : norm("\(name).norm2", &list),
                rotary: local?.rotary ?? configuration.rotary, reach: local?.reach)
        }
        finalNorm = isPreNorm ? norm("finalNorm", &list) : nil
        scoreHead = configuration.score.map { score in
            ScoreHead(
                pooler: linear("pooler", C, C, &list, bias: score.hasBias), norm: score.hasNorm ? norm("scoreNorm", &list) : nil,
                classifier: linear("classifier", C, 1, &list, bias: true))
        }
    }
}
