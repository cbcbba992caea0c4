package import Checkpoint
import Autograd
import Kernels
import Model
package import Tokenize

/// A small checkpoint with every kind of content, including rare ones: empty arrays, unusual names, -0 and NaN.
package struct SampleCheckpoint {
    package let checkpoint: Checkpoint

    /// All bytes, and the special tokens of a chat.
    package static let vocabulary: Vocabulary = {
        var vocabulary = Vocabulary()
        for byte in UInt8.min...UInt8.max { vocabulary.tokens.append(CollectionOfOne(byte)) }
        vocabulary.add(specialTokens: ["<|eos|>", "<|user|>", "<|assistant|>", "<|pad|>"])
        return vocabulary
    }()

    /// - Parameter generation: A seed for all numbers.
    package init(generation: Int = 1, layers: Int = 1) throws {
        let processor = try Processor(threads: 1)
        var configuration = GPTConfiguration(layers: layers, heads: 2, width: 8, context: 6, vocabulary: 262)
        configuration.dropout = 0.1
        configuration.activation = .reluSquared
        let list = ParameterList(of: configuration)
        let parameters = Parameters(list, on: processor, seed: UInt64(generation))
        var checkpoint = try Checkpoint(configuration, parameters, Self.vocabulary, .specialTokens)
        for (i, moment) in ["first", "second"].enumerated() {
            let buffer = processor.zeros(list.count)
            processor.normal(into: buffer, seed: UInt64(generation * 2 + i))
            checkpoint.optimizer.add(buffer, of: parameters.list, in: moment)
        }
        let odd = processor.buffer(of: 3, .float32)
        odd.write { span in (span[0], span[1], span[2]) = (-0.0, Float(bitPattern: 0x7FC0_1234), .leastNonzeroMagnitude) }
        checkpoint.optimizer["odd/with space, ünïcödé & 日本 .. 😀"] = FloatArray(odd, shape: [3, 1])
        checkpoint.optimizer["odd/empty"] = FloatArray(odd[0..<0], shape: [4, 0, 2])
        checkpoint.optimizer["odd/single"] = FloatArray(odd[2..<3], shape: [])
        checkpoint.training = [
            "step": .integer(generation), "seed": .integer(.min), "rate": 3e-4, "settings": #"{"batch":12,"note":"ü\n"}"#,
            "data/order": .integers([3, -1, .max]), "data/epoch": 0, "nothing/text": "", "nothing/integers": .integers([]),
            "nothing/numbers": .numbers([]),
            "nothing/floats": .floats([]), "nothing/bytes": .bytes([]), "random/state": .bytes(Array(0...255)),
            "zeros in a text": "a\u{0}b\u{0}",
            "losses": .numbers([-0.0, .nan, .infinity, .leastNonzeroMagnitude, .pi]), "floats": .floats([-0.0, .nan, .pi]),
            "e\u{301}": "e\u{301}",
        ]
        checkpoint.metrics = ["train_loss": 1.25, "validation_loss": .number(1.5 + Double(generation))]
        self.checkpoint = checkpoint
    }
}

extension Checkpoint {
    /// Every array as stored in the file: its path, its shape, and the bits of its numbers.
    package var everything: [(path: String, shape: [Int], bits: [UInt64])] {
        var result: [(path: String, shape: [Int], bits: [UInt64])] = []
        for (group, arrays) in [("weights", weights), ("optimizer", optimizer)] {
            for (name, array) in arrays {
                result.append(
                    ("\(group)/\(name)", array.shape.sizes, array.values.read { span in span.indices.map { UInt64(span[$0].bitPattern) } }))
            }
        }
        for (group, values) in [("training", training), ("metrics", metrics)] {
            for (name, value) in values {
                switch value {
                case .integer(let value): result.append(("\(group)/\(name)", [], [UInt64(bitPattern: Int64(value))]))
                case .number(let value): result.append(("\(group)/\(name)", [], [value.bitPattern]))
                case .text(let text): result.append(("\(group)/\(name)", [], text.utf8.map(UInt64.init)))
                case .integers(let row): result.append(("\(group)/\(name)", [row.count], row.map { UInt64(bitPattern: Int64($0)) }))
                case .numbers(let row): result.append(("\(group)/\(name)", [row.count], row.map(\.bitPattern)))
                case .floats(let row): result.append(("\(group)/\(name)", [row.count], row.map { UInt64($0.bitPattern) }))
                case .bytes(let row): result.append(("\(group)/\(name)", [row.count], row.map(UInt64.init)))
                }
            }
        }
        return result
    }
}
