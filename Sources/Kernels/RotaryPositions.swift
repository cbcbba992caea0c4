import Glibc

/// How rotary position embeddings (RoPE, Su et al. 2021) turn a position into angles.
///
///     var positions = RotaryPositions(base: 500_000)
///     positions.scaling = .llama3(factor: 32, low: 1, high: 4, context: 8_192)
package struct RotaryPositions: Sendable, Hashable {
    /// How the angles change, so that a model can use longer contexts than it was first trained with.
    package enum Scaling: Sendable, Hashable {
        case none
        /// All angles are divided by `factor` (position interpolation, Chen et al. 2023).
        case linear(factor: Double)
        /// Llama 3's: angles with a wavelength above context/low are divided by `factor`, those below context/high are unchanged, and those
        /// between are interpolated.
        case llama3(factor: Double, low: Double, high: Double, context: Double)
        /// YaRN (Peng et al. 2023): pairs that rotate more than `fast` times in the context are unchanged, those that rotate less than
        /// `slow` times are divided by `factor`, those between are interpolated. `magnitude` multiplies queries and keys.
        case yarn(factor: Double, fast: Double, slow: Double, context: Double, magnitude: Double, truncates: Bool)
        /// LongRoPE (Ding et al. 2024), as in Phi-3 and Phi-4-mini: the angle of each pair is divided by a factor of its own.
        case long(LongFactors)
    }

    /// The factors of LongRoPE.
    package struct LongFactors: Sendable, Hashable {
        /// What the angle of each pair that rotates is divided by, in sequences of up to ``context`` tokens, and in longer ones.
        package let short: [Double], long: [Double]
        /// The context that the model was trained with first.
        package let context: Int
        /// Multiplies queries and keys.
        package let magnitude: Double
        fileprivate var isLong = false

        package init(short: [Double], long: [Double], context: Int, magnitude: Double) {
            self.short = short
            self.long = long
            self.context = context
            self.magnitude = magnitude
        }

        /// The usual magnitude of a model whose context is `factor` times the first one.
        package static func magnitude(factor: Double, context: Int) -> Double {
            factor > 1 && context > 1 ? (1 + Glibc.log(factor) / Glibc.log(Double(context))).squareRoot() : 1
        }
    }

    /// The factors of LongRoPE that files may contain.
    package static let possibleFactors = 1e-6...1e9

    package var base: Double
    /// Channels of a head that rotate; nil: all. The other channels have no positions (partial rotary embeddings, as in GPT-NeoX).
    package var width: Int?
    package var scaling = Scaling.none

    package init(base: Double = 10_000, width: Int? = nil) {
        self.base = base
        self.width = width
    }

    /// The positions of sequences of up to `length` tokens: LongRoPE has other factors for long ones.
    package func ofSequences(upTo length: Int) -> RotaryPositions {
        guard case .long(var factors) = scaling else { return self }
        factors.isLong = length > factors.context
        var positions = self
        positions.scaling = .long(factors)
        return positions
    }

    /// The angle per position of each of a head's D/2 pairs of channels. Pairs that do not rotate come last.
    package func frequencies(width D: Int) -> [Double] {
        let R = min(width ?? D, D)
        let plain = (0..<R / 2).map { pow(base, -2 * Double($0) / Double(R)) }
        let scaled: [Double]
        switch scaling {
        case .none: scaled = plain
        case .linear(let factor): scaled = plain.map { $0 / factor }
        case .llama3(let factor, let low, let high, let context):
            scaled = plain.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                if wavelength > context / low { return frequency / factor }
                if wavelength < context / high { return frequency }
                let smooth = (context / wavelength - low) / (high - low)
                return (1 - smooth) * frequency / factor + smooth * frequency
            }
        case .yarn(let factor, let fast, let slow, let context, _, let truncates):
            // The pair that rotates `turns` times in the context.
            func pair(turns: Double) -> Double {
                Double(R) * Glibc.log(context / (turns * 2 * Double.pi)) / (2 * Glibc.log(base))
            }
            var first = pair(turns: fast), last = pair(turns: slow)
            if truncates { (first, last) = (first.rounded(.down), last.rounded(.up)) }
            first = max(first, 0)
            last = min(last, Double(R - 1))
            let span = last == first ? 0.001 : last - first
            scaled = plain.indices.map { i in
                let interpolated = min(max((Double(i) - first) / span, 0), 1)
                return plain[i] * (1 - interpolated) + plain[i] / factor * interpolated
            }
        case .long(let factors): scaled = zip(plain, factors.isLong ? factors.long : factors.short).map { $0 / $1 }
        }
        return scaled + [Double](repeating: 0, count: D / 2 - R / 2)
    }

    /// The factor of the cosines and sines.
    var magnitude: Double {
        switch scaling {
        case .none, .linear, .llama3: 1
        case .yarn(_, _, _, _, let magnitude, _): magnitude
        case .long(let factors): factors.magnitude
        }
    }
}

extension Processor {
    /// The cosines and sines [T, D] of T positions from `start` on, for heads of D channels.
    package func rotaryAngles(of T: Int, width D: Int, from start: Int = 0, _ positions: RotaryPositions = RotaryPositions()) -> Buffer {
        let frequencies = positions.frequencies(width: D)
        let rotating = min(positions.width ?? D, D) / 2
        let angles = buffer(of: T * D, .float32)
        angles.write { span in
            for t in 0..<T {
                for (i, frequency) in frequencies.enumerated() {
                    let angle = Double(start + t) * frequency
                    let magnitude = i < rotating ? positions.magnitude : 1
                    span[t * D + i] = Float(cos(angle) * magnitude)
                    span[t * D + D / 2 + i] = Float(sin(angle) * magnitude)
                }
            }
        }
        return angles
    }
}
