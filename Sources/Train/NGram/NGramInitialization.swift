package import Autograd
import Glibc
import Kernels
package import Model
import Random

/// Initializes a GPT with n-gram statistics (modified Kneser-Ney): bigrams, and trigrams of the most informative pairs of tokens.
///
///     var preparation = NGramPreparation(
///         configuration, of: train, contexts: 819_200, on: processor, precision: .bfloat16, seed: 1
///     )
///     try preparation?.run(of: train, shouldStop: { false })?.write(into: parameters)
///
/// The channels of the residual stream are divided into the statistics of the next token (E channels), a code of ±1 that identifies the
/// token, space for the code of the previous token, and sine waves that encode the position. The first heads of layer 0 attend to the
/// previous position by rotating the waves, and copy the code from there. In every layer, each hidden unit of the MLP recognizes one pair
/// by its two codes and adds the statistics of what follows it. All other weights start at zero, and all weights are trained further.
/// Documentation/decisions/start.md has the measurements.
package struct NGramInitialization {
    private let configuration: GPTConfiguration
    private let counts: NGramCounts
    private let table: NGramTable
    private let channels: Channels
    private let seed: UInt64

    /// The use of the channels.
    struct Channels {
        let all: Int
        /// The number of heads in layer 0 that copy a code.
        let heads: Int

        /// Codes of this length are distinguishable.
        static let code = 64
        static let wave = 32
        /// With fewer channels, too few would be left for the statistics.
        static let minimum = 320

        init(_ configuration: GPTConfiguration) {
            all = configuration.width
            heads = (Self.code + configuration.headWidth - 1) / configuration.headWidth
        }

        var code: Int { Self.code }
        var wave: Int { Self.wave }
        var embedding: Int { all - 2 * code - wave }
        var codes: Range<Int> { embedding..<embedding + code }
        var before: Range<Int> { codes.upperBound..<codes.upperBound + code }
        var waves: Range<Int> { before.upperBound..<all }
    }

    package static func isPossible(for configuration: GPTConfiguration) -> Bool { obstacle(for: configuration) == nil }

    /// The first requirement that a model does not meet; nil if it meets all.
    package static func obstacle(for c: GPTConfiguration) -> String? {
        let needs: [(isMet: Bool, text: String)] = [
            (c.layers > 0, "at least one layer (found none)"),
            (c.width >= Channels.minimum, "at least \(Channels.minimum) channels (found \(c.width))"),
            (c.headWidth >= Channels.wave, "heads of at least \(Channels.wave) channels (found \(c.headWidth))"),
            (!c.isTied, "a head that is not tied to the token embedding"),
            (c.positions == .learned, "learned positions"),
            (c.norm == .layer && c.hasBias, "layer norms and biases"),
            (c.qkNorm == .none, "queries and keys without QK-norm"),
            (c.keyValueHeads == c.heads && c.headWidth * c.heads == c.width, "as many heads of keys as of queries, width / heads wide"),
            (c.hiddenWidth == 4 * c.width && !c.isGated, "an MLP of four times the width without gates"),
            (!c.hasPostNorms && !c.isParallel && c.experts == nil, "blocks like GPT-2's"),
            (c.scoreCap == nil && c.logitCap == nil, "scores and logits without a soft cap"),
            ([.gelu, .relu].contains(c.activation), "GELU or ReLU"),
            (c.vocabulary <= 1 << 21, "at most \(1 << 21) tokens"),
        ]
        return needs.first { !$0.isMet }?.text
    }

    /// The factor of the learning rate. Weights from counts are nearly right and change slowly. Weights without statistics, such as
    /// attention, use the full rate.
    package static func learningRateScale(of parameter: Parameter) -> Float {
        if parameter.shape.rank < 2 { return 0.3 }
        return parameter.name.hasSuffix(".qkv.weight") || parameter.name.hasSuffix(".output.weight") ? 1 : 0.1
    }

    /// An estimate of the memory besides the model: the counts, and of the table weights, gradients, two moments and the logits of a batch.
    static func bytes(for configuration: GPTConfiguration, counting tokens: Int) -> Double {
        let channels = Channels(configuration)
        let V = Double(configuration.vocabulary)
        let pairs = Double(maxPairs(of: configuration))
        return 24 * Double(min(tokens, NGramCounting.maxTokens)) + 16 * (2 * V + pairs) * Double(channels.embedding) + 1_024 * 6 * V
    }

    /// The number of pairs in the initialized model.
    package var pairs: Int { counts.pairs.count }

    /// The maximum number of pairs: one for each hidden unit.
    static func maxPairs(of configuration: GPTConfiguration) -> Int { configuration.layers * 4 * configuration.width }

    init(_ configuration: GPTConfiguration, _ fit: NGramTableFit, seed: UInt64) {
        self.configuration = configuration
        self.seed = seed
        channels = Channels(configuration)
        counts = fit.counts
        table = NGramTable(fit)
    }

    package func write(into parameters: Parameters) {
        let writer = ParameterWriter(parameters)
        let codes = self.codes
        writer.fill("tokens.weight") { v, j in
            if j < channels.embedding { return table.rows[v * table.width + j] }
            return channels.codes.contains(j) ? codes[v * channels.code + j - channels.embedding] : 0
        }
        writer.fill("positions.weight") { t, j in channels.waves.contains(j) ? wave(j - channels.waves.lowerBound, at: t) : 0 }
        writer.fill("head.weight") { v, j in j < channels.embedding ? table.head[v * table.width + j] : 0 }
        // All tokens have the same norm, so the divisor of the final layer norm is known.
        writer.fill("norm.weight") { _, j in j < channels.embedding ? table.gain[j] * deviation(withCode: true) : 1 }
        writer.fill("norm.bias") { _, j in j < channels.embedding ? table.shift[j] : 0 }
        for layer in 0..<configuration.layers {
            writer.fill("layer\(layer).output.weight") { _, _ in 0 }
            writePairs(layer, codes, writer)
        }
        writeCopyingHeads(writer)
    }

    /// The divisor of a layer norm before and after layer 0 has added the code of the previous token.
    private func deviation(withCode: Bool) -> Float {
        let energy = channels.embedding + channels.code * (withCode ? 2 : 1) + channels.wave / 2
        return (Float(energy) / Float(channels.all)).squareRoot()
    }

    /// [V, code] of ±1.
    private var codes: [Float] {
        var random = SeededRandom(seed: seed, stream: 1 << 40)
        return (0..<configuration.vocabulary * channels.code).map { _ in random.next() & 1 == 0 ? 1 : -1 }
    }

    private func frequency(_ wave: Int) -> Float {
        // Evenly spread with jitter, so that no two waves are in step.
        var random = SeededRandom(seed: 0, stream: UInt64(wave))
        return Float.pi * (Float(wave) + Float(random.uniform())) / Float(channels.wave / 2)
    }

    private func wave(_ i: Int, at t: Int) -> Float {
        let phase = frequency(i / 2) * Float(t)
        return i % 2 == 0 ? cos(phase) : sin(phase)
    }

    /// Writes the heads that attend to the previous position: a query is the waves of its position, rotated back by one.
    private func writeCopyingHeads(_ writer: ParameterWriter) {
        let C = channels.all
        let perHead = C / configuration.heads
        let own = deviation(withCode: false)
        // The 16 waves are in phase only at the target position; elsewhere their sum is at most a fifth.
        let sharpness = 1.2 * Float(perHead).squareRoot() * own * own
        let isCopying = { (row: Int) in row < channels.heads * perHead }
        writer.update("layer0.qkv.weight") { row, j, old in
            let (part, r) = row.quotientAndRemainder(dividingBy: C)
            guard isCopying(r) else { return old }
            if part == 2 { return r < channels.code && j == channels.codes.lowerBound + r ? own : 0 }
            let (i, k) = (r % perHead, j - channels.waves.lowerBound)
            guard channels.waves.contains(j), k / 2 == i / 2 else { return 0 }
            if part == 1 { return i == k ? 1 : 0 }
            let angle = frequency(i / 2)
            return sharpness * (i == k ? cos(angle) : i % 2 == 0 ? sin(angle) : -sin(angle))
        }
        writer.fill("layer0.output.weight") { row, j in
            channels.before.contains(row) && j == row - channels.before.lowerBound ? 1 : 0
        }
    }

    /// Writes the MLP of a layer, in which each hidden unit recognizes one pair: only both codes together exceed its threshold.
    private func writePairs(_ layer: Int, _ codes: [Float], _ writer: ParameterWriter) {
        let units = 4 * channels.all
        let first = layer * units
        let strength: Float = 8
        let threshold: Float = 1.5
        let known = min(max(0, counts.pairs.count - first), units)
        let scale = strength / Float(channels.code) * deviation(withCode: true)
        let activated = value(of: configuration.activation, at: strength * (2 - threshold))
        writer.update("layer\(layer).up.weight") { unit, j, old in
            guard unit < known else { return old }
            let pair = counts.pairs[first + unit]
            if channels.codes.contains(j) { return scale * codes[pair.last * channels.code + j - channels.codes.lowerBound] }
            return channels.before.contains(j) ? scale * codes[pair.before * channels.code + j - channels.before.lowerBound] : 0
        }
        writer.fill("layer\(layer).up.bias") { _, unit in unit < known ? -strength * threshold : 0 }
        writer.fill("layer\(layer).down.weight") { j, unit in
            guard unit < known, j < channels.embedding else { return 0 }
            let pair = configuration.vocabulary + first + unit
            let last = counts.pairs[first + unit].last
            return (table.rows[pair * table.width + j] - table.rows[last * table.width + j]) / activated
        }
    }

    private func value(of function: UnaryFunction, at x: Float) -> Float {
        function == .relu ? max(0, x) : 0.5 * x * (1 + tanh(0.797_884_56 * (x + 0.044_715 * x * x * x)))
    }
}

/// Writes parameters by name, as matrices.
private struct ParameterWriter {
    private let parameters: Parameters
    private let byName: [String: Parameter]

    init(_ parameters: Parameters) {
        self.parameters = parameters
        byName = Dictionary(uniqueKeysWithValues: parameters.list.map { ($0.name, $0) })
    }

    func fill(_ name: String, _ value: (_ row: Int, _ column: Int) -> Float) { update(name) { row, column, _ in value(row, column) } }

    func update(_ name: String, _ value: (_ row: Int, _ column: Int, _ old: Float) -> Float) {
        guard let parameter = byName[name] else { fatalError("a GPT without \(name)") }
        let columns = parameter.shape[-1]
        parameters.values[parameter.range].write { span in
            for i in span.indices { span[i] = value(i / columns, i % columns, span[i]) }
        }
    }
}
