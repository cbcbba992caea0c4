package import Autograd
package import Corpus
package import Kernels
package import Model
import Glibc
import Random

/// Begins a GPT with what counting knows: which word follows each token, and each of the pairs of tokens that tell most.
///
///     if let start = try NGramInitialization(configuration, counting: train, contexts: 819_200, on: processor, precision: .bfloat16, seed: 1) {
///         start.write(into: parameters)
///     }
///
/// The channels of the residual stream are divided: what a token says of the next (E channels), a code of +1 and −1 that names it, room for the code of
/// the token before, and waves that tell positions apart. The first head of layer 0 looks one position back, by turning the waves, and copies the code it
/// finds. In every layer, each unit of the perceptron knows one pair by its two codes, and adds what is to be said after it. Everything else begins at
/// nothing, and all of it is learned further. Documentation/decisions/start.md has the measurements.
package struct NGramInitialization {
    private let configuration: GPTConfiguration
    private let counts: NGramCounts
    private let table: NGramTable
    private let channels: Channels
    private let seed: UInt64

    /// Which channels are for what.
    struct Channels {
        let all: Int
        /// Layers of the copying: as many heads as a code takes.
        let heads: Int

        /// Codes this long are told apart; what is left must be most of the channels, or it says too little.
        static let (code, wave, fewest) = (64, 32, 320)

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

    /// What it needs and a model has not; nil if the model has room for it.
    package static func obstacle(for c: GPTConfiguration) -> String? {
        let needs: [(isMet: Bool, text: String)] = [
            (c.layers > 0, "layers, and there are none"),
            (c.width >= Channels.fewest, "\(Channels.fewest) channels or more, and there are \(c.width)"),
            (c.headWidth >= Channels.wave, "heads of \(Channels.wave) channels or more, and they have \(c.headWidth)"),
            (!c.isTied, "a head of its own, and it is the token embedding"),
            (c.positions == .learned, "learned positions"),
            (c.norm == .layer && c.hasBias, "layer norms, and biases"),
            (!c.hasQKNorm, "questions and keys of any length, and they are normed"),
            ([.gelu, .relu].contains(c.activation), "GELU or ReLU"),
            (c.vocabulary <= 1 << 21, "at most \(1 << 21) tokens"),
        ]
        return needs.first { !$0.isMet }?.text
    }

    /// What is counted is nearly right, and learned slowly; what only examples can teach, such as where to look, at the whole rate.
    package static func learningRateScale(of parameter: Parameter) -> Float {
        if parameter.shape.rank < 2 { return 0.3 }
        return parameter.name.hasSuffix(".qkv.weight") || parameter.name.hasSuffix(".output.weight") ? 1 : 0.1
    }

    /// What a start takes besides the model, about: the counts, and of the table weights, gradients, two moments and the scores of a batch.
    static func bytes(for configuration: GPTConfiguration, counting tokens: Int) -> Double {
        let channels = Channels(configuration)
        let V = Double(configuration.vocabulary), pairs = Double(configuration.layers * 4 * configuration.width)
        return 24 * Double(min(tokens, NGramCounts.mostTokens)) + 16 * (2 * V + pairs) * Double(channels.embedding) + 1_024 * 6 * V
    }

    /// How many pairs the model knows from the beginning.
    package var pairs: Int { counts.pairs.count }

    /// - Parameters:
    ///   - contexts: how many the table is fitted to, the same one counted as often as it comes.
    ///   - progress: how many of them it has been.
    package init?(_ configuration: GPTConfiguration, counting tokens: TokenFile, contexts: Int, on processor: Processor, precision: DataType,
                  seed: UInt64, progress: (_ share: Double) -> Void = { _ in }) throws(ProcessorError) {
        guard Self.isPossible(for: configuration) else { return nil }
        (self.configuration, channels, self.seed) = (configuration, Channels(configuration), seed)
        counts = NGramCounts(tokens, vocabulary: configuration.vocabulary, pairs: configuration.layers * 4 * configuration.width)
        table = try NGramTable(of: counts, vocabulary: configuration.vocabulary, width: channels.embedding, fit: .init(rows: contexts), on: processor,
                                precision: precision, seed: seed, progress: progress)
    }

    package func write(into parameters: Parameters) {
        let writer = Writer(parameters, channels, width: configuration.width)
        let codes = self.codes
        writer.fill("tokens.weight") { v, j in
            j < channels.embedding ? table.rows[v * table.width + j] : channels.codes.contains(j) ? codes[v * channels.code + j - channels.embedding] : 0
        }
        writer.fill("positions.weight") { t, j in channels.waves.contains(j) ? wave(j - channels.waves.lowerBound, at: t) : 0 }
        writer.fill("head.weight") { v, j in j < channels.embedding ? table.head[v * table.width + j] : 0 }
        // All tokens have the same length, so the norm before the head divides by a number that is known.
        writer.fill("norm.weight") { _, j in j < channels.embedding ? table.gain[j] * deviation(withCode: true) : 1 }
        writer.fill("norm.bias") { _, j in j < channels.embedding ? table.shift[j] : 0 }
        for layer in 0..<configuration.layers {
            writer.fill("layer\(layer).output.weight") { _, _ in 0 }
            writePairs(layer, codes, writer)
        }
        writeCopying(writer)
    }

    /// What a layer norm divides by before and after layer 0 has added the code of the token before.
    private func deviation(withCode: Bool) -> Float {
        let energy = channels.embedding + channels.code * (withCode ? 2 : 1) + channels.wave / 2
        return (Float(energy) / Float(channels.all)).squareRoot()
    }

    /// [V, code] of +1 and −1.
    private var codes: [Float] {
        var random = SeededRandom(seed: seed, stream: 1 << 40)
        return (0..<configuration.vocabulary * channels.code).map { _ in random.next() & 1 == 0 ? 1 : -1 }
    }

    private func frequency(_ wave: Int) -> Float {
        var random = SeededRandom(seed: 0, stream: UInt64(wave))                       // evenly spread, but no two in step
        return Float.pi * (Float(wave) + Float(random.uniform())) / Float(channels.wave / 2)
    }

    private func wave(_ i: Int, at t: Int) -> Float {
        let turn = frequency(i / 2) * Float(t)
        return i % 2 == 0 ? cos(turn) : sin(turn)
    }

    /// The heads that look one position back: a question is the waves of its position, turned back by one.
    private func writeCopying(_ writer: Writer) {
        let C = channels.all, perHead = C / configuration.heads, own = deviation(withCode: false)
        // 16 waves agree at one place, and at others for a fifth of that at most.
        let sharpness = 1.2 * Float(perHead).squareRoot() * own * own
        let isCopying = { (row: Int) in row < channels.heads * perHead }
        writer.change("layer0.qkv.weight") { row, j, old in
            let (part, r) = row.quotientAndRemainder(dividingBy: C)
            guard isCopying(r) else { return old }
            if part == 2 { return r < channels.code && j == channels.codes.lowerBound + r ? own : 0 }
            let (i, k) = (r % perHead, j - channels.waves.lowerBound)
            guard i < channels.wave, channels.waves.contains(j), k / 2 == i / 2 else { return 0 }
            if part == 1 { return i == k ? 1 : 0 }
            let turn = frequency(i / 2)
            return sharpness * (i == k ? cos(turn) : i % 2 == 0 ? sin(turn) : -sin(turn))
        }
        writer.fill("layer0.output.weight") { row, j in
            channels.before.contains(row) && j == row - channels.before.lowerBound ? 1 : 0
        }
    }

    /// The units of a layer, each of which knows a pair: only both codes together lift it above its threshold.
    private func writePairs(_ layer: Int, _ codes: [Float], _ writer: Writer) {
        let units = 4 * channels.all, first = layer * units, strength: Float = 8, threshold: Float = 1.5
        let known = min(max(0, counts.pairs.count - first), units)
        let scale = strength / Float(channels.code) * deviation(withCode: true)
        let answer = value(of: configuration.activation, at: strength * (2 - threshold))
        writer.change("layer\(layer).up.weight") { unit, j, old in
            guard unit < known else { return old }
            let pair = counts.pairs[first + unit]
            if channels.codes.contains(j) { return scale * codes[pair.last * channels.code + j - channels.codes.lowerBound] }
            return channels.before.contains(j) ? scale * codes[pair.before * channels.code + j - channels.before.lowerBound] : 0
        }
        writer.fill("layer\(layer).up.bias") { _, unit in unit < known ? -strength * threshold : 0 }
        writer.fill("layer\(layer).down.weight") { j, unit in
            guard unit < known, j < channels.embedding else { return 0 }
            let pair = configuration.vocabulary + first + unit, last = counts.pairs[first + unit].last
            return (table.rows[pair * table.width + j] - table.rows[last * table.width + j]) / answer
        }
    }

    private func value(of function: UnaryFunction, at x: Float) -> Float {
        function == .relu ? max(0, x) : 0.5 * x * (1 + tanh(0.797_884_56 * (x + 0.044_715 * x * x * x)))
    }
}

/// Writes parameters by their names, as matrices.
private struct Writer {
    private let parameters: Parameters
    private let byName: [String: Parameter]

    init(_ parameters: Parameters, _ channels: NGramInitialization.Channels, width: Int) {
        self.parameters = parameters
        byName = Dictionary(uniqueKeysWithValues: parameters.list.map { ($0.name, $0) })
    }

    func fill(_ name: String, _ value: (_ row: Int, _ column: Int) -> Float) { change(name) { row, column, _ in value(row, column) } }

    func change(_ name: String, _ value: (_ row: Int, _ column: Int, _ old: Float) -> Float) {
        guard let parameter = byName[name] else { fatalError("a GPT without \(name)") }
        let columns = parameter.shape[-1]
        parameters.values[parameter.range].write { span in
            for i in span.indices { span[i] = value(i / columns, i % columns, span[i]) }
        }
    }
}
