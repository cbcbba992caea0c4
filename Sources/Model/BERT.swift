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
    /// Whether the MLP multiplies f(gates) by values.
    package var isGated = false
    /// Whether the linear layers of blocks have biases.
    package var hasBias = true
    /// Whether a position and a norm are applied to the embeddings of tokens. Static models have neither, and no layers: the vector of
    /// a text is the mean of those of its tokens.
    package var isStatic = false
    package var normEpsilon: Float = 1e-12
    /// Whether the layers of a reranker follow, which make a score of the first hidden state.
    package var hasScore = false

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
}

/// A bidirectional encoder (BERT, RoBERTa, DistilBERT, MPNet and models of their families) or a static model: the layers of a model that
/// turns texts into vectors, or a question and a passage into a score. `BERTRunner` (in `Infer`) has its forward pass.
///
///     var list = ParameterList()
///     let model = BERT(configuration, in: &list)
///
/// Its layers are those of the ``GPT``; how they follow each other is not. Norms come after the residual connections, and each position
/// attends to all positions of its text, so that there is nothing to cache.
///
/// V tokens · T positions · C channels · F channels inside the MLP
package struct BERT: Sendable {
    package struct Block: Sendable {
        package let qkv, output: Linear                       // C → 3C (queries, keys, values),  C → C
        package let norm1: Norm                               // of x + attention
        package let up, down: Linear                          // C → F, or 2F (gates, values),  F → C
        package let norm2: Norm                               // of x + MLP
    }

    /// Makes a score of the state of the first token.
    package struct ScoreHead: Sendable {
        package let pooler, classifier: Linear                // C → C,  C → 1
    }

    package let configuration: BERTConfiguration
    package let tokens: Embedding                             // [V, C]
    package let positions: Embedding?                         // [firstPosition + context, C]; nil with rotary positions, or none
    package let types: Embedding?                             // [types, C]
    package let distances: Embedding?                         // [buckets, heads]: added to the scores of attention
    package let norm: Norm?                                   // of their sum
    package let blocks: [Block]
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
            Norm(.layer, of: C, epsilon: configuration.normEpsilon, named: name, in: &list)
        }
        func linear(_ name: String, _ I: Int, _ O: Int, _ list: inout ParameterList, bias: Bool = true) -> Linear {
            Linear(from: I, to: O, bias: bias, named: name, in: &list, weight: .normal(deviation: 0.02))
        }
        let bias = configuration.hasBias, up = configuration.isGated ? 2 * F : F
        self.norm = configuration.isStatic ? nil : norm("norm", &list)
        blocks = (0..<configuration.layers).map { layer in
            let name = "layer\(layer)"
            return Block(
                qkv: linear("\(name).qkv", C, 3 * C, &list, bias: bias), output: linear("\(name).output", C, C, &list, bias: bias),
                norm1: norm("\(name).norm1", &list),
                up: linear("\(name).up", C, up, &list, bias: bias), down: linear("\(name).down", F, C, &list, bias: bias),
                norm2: norm("\(name).norm2", &list))
        }
        scoreHead = configuration.hasScore
            ? ScoreHead(pooler: linear("pooler", C, C, &list), classifier: linear("classifier", C, 1, &list)) : nil
    }
}
