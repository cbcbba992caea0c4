import Autograd
import Checkpoint
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Formats

/// Writing GGUF files and reading them back. Tests/Peers/check_gguf.py compares with llama.cpp's own Python package.
@Suite struct GGUFTests {
    private let folder = TemporaryFolder()

    private func sample(tied: Bool = false, _ change: (inout GPTConfiguration) -> Void = { _ in }) throws -> Checkpoint {
        try SampleGGUF(tied: tied, change).checkpoint
    }

    private func there(_ checkpoint: Checkpoint, _ format: GGUFFormat, _ name: String = "a.gguf") throws -> Checkpoint {
        try checkpoint.writeGGUF(to: folder(name), as: format)
        return try Checkpoint(readingGGUF: folder(name), on: Processor(threads: 1))
    }

    @Test(arguments: [false, true]) func `an f32 file reads back unchanged`(tied: Bool) throws {
        let before = try sample(tied: tied), after = try there(before, .f32)
        #expect(after.configuration == before.configuration && after.tokenizer == before.tokenizer && after.chatTemplate == .specialTokens)
        #expect(after.weights.names == before.weights.names)
        for (name, array) in before.weights {
            let isSame =
                after.weights[name]?.shape == array.shape
                && after.weight(name).map(\.bitPattern) == array.values.array.map(\.bitPattern)
            #expect(isSame, "\(name)")
        }
    }

    /// The error bound relative to the largest number of the block: half a quantization step, and the rounding of the scale to f16. Q4_0
    /// has one step fewer on the side opposite to the largest number.
    @Test(arguments: [(GGUFFormat.f16, 0x1p-11), (.bf16, 0x1p-8), (.q8_0, 0.5 / 127 + 0x1p-11), (.q4_0, 1.0 / 8 + 0x1p-10)])
    func `quantized numbers are close to the original and stable`(format: GGUFFormat, error: Double) throws {
        let before = try sample(), after = try there(before, format)
        var isExact = true, isCoarse = false
        for (name, array) in before.weights {
            let old = array.values.array, new = after.weight(name), isPlain = array.shape.rank < 2 || name.hasPrefix("positions")
            for start in stride(from: 0, to: old.count, by: 32) {
                let block = start..<min(old.count, start + 32), largest = Double(block.map { abs(old[$0]) }.max() ?? 0)
                for i in block {
                    let difference = Double(abs(old[i] - new[i]))
                    if isPlain ? difference != 0 : difference > error * largest { isExact = false }
                    if difference > error * largest / 4 { isCoarse = true }
                }
            }
        }
        #expect(isExact && isCoarse)                          // isCoarse: numbers were rounded, and the bound is tight
        _ = try there(after, format, "b.gguf")
        let isSame = try InputFile.contents(of: folder("a.gguf")) == InputFile.contents(of: folder("b.gguf"))
        #expect(isSame)
    }

    /// Each matrix has the type that llama.cpp's quantizer gives it, and the numbers are within a step of theirs.
    @Test(arguments: [(GGUFFormat.q4_k_m, 4), (.q5_k_m, 5), (.q6_k, 6), (.iq4_xs, 4)])
    func `fitted formats mix types, and are close to the original`(format: GGUFFormat, bits: Int) throws {
        for width in [256, 64] {
            let before = try sample { ($0.width, $0.headWidth, $0.hiddenWidth, $0.layers) = (width, width / 2, 4 * width, 8) }
            let processor = try Processor(threads: 2)
            try before.writeGGUF(to: folder("a.gguf"), as: format, on: processor)
            let mapped = try Checkpoint(mappingGGUF: folder("a.gguf")), after = try mapped.dequantized(on: processor)
            func types(_ name: String) -> [StoredFormat] { mapped.quantized[name]?.storedRows?.map(\.format) ?? [] }
            let (own, more, middle): (StoredFormat, StoredFormat, StoredFormat) = switch (format, width) {
            case (.q4_k_m, 256): (.q4_K, .q6_K, .q5_K)
            case (.q5_k_m, 256): (.q5_K, .q6_K, .q6_K)
            case (.q6_k, 256): (.q6_K, .q6_K, .q6_K)
            case (.iq4_xs, 256): (.iq4_XS, .q6_K, .iq4_XS)
            case (.iq4_xs, _): (.iq4_NL, .q8_0, .iq4_NL)
            case (.q4_k_m, _): (.q5_0, .q8_0, .q5_1)
            case (.q5_k_m, _): (.q5_1, .q8_0, .q8_0)
            default: (.q8_0, .q8_0, .q8_0)
            }
            #expect(types("tokens.weight") == [own] && types("head.weight") == [more] && types("layer1.qkv.weight") == [middle])
            // The hidden layers have 256 columns at least.
            let first = format == .iq4_xs ? .q5_K : more
            if width == 256 { #expect(types("layer0.down.weight") == [first] && types("layer1.down.weight") == [own]) }
            for (name, array) in before.weights where array.shape.rank == 2 && !name.hasPrefix("positions") {
                let old = array.values.array, new = after.weight(name)
                let error = zip(old, new).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
                let size = old.reduce(0) { $0 + Double($1 * $1) }
                // A uniform quantizer with as many levels for ±2.5 standard deviations.
                #expect((error / size).squareRoot() < 5 / Double(1 << bits) / 12.0.squareRoot() * 1.1, "\(name) in \(format), \(width)")
            }
            before.weights["layer1.up.weight"]?.values.write { $0[3] = .nan }
            #expect(throws: CheckpointError.self) { try before.writeGGUF(to: folder("b.gguf"), as: format, on: processor) }
        }
    }

    @Test func `IQ4_XS loses less of normally distributed numbers than Q4_0`() throws {
        let before = try sample { ($0.width, $0.headWidth, $0.hiddenWidth) = (256, 128, 512) }, processor = try Processor(threads: 2)
        let exact = before.weight("layer0.up.weight")
        func error(_ format: GGUFFormat) throws -> Float {
            try before.writeGGUF(to: folder("a.gguf"), as: format, on: processor)
            let found = try Checkpoint(readingGGUF: folder("a.gguf"), on: processor).weight("layer0.up.weight")
            return zip(exact, found).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / exact.reduce(0) { $0 + $1 * $1 }
        }
        let levels = try error(.iq4_xs), steps = try error(.q4_0)
        #expect(levels < 0.006 && levels < 0.8 * steps, "\(levels), \(steps) in Q4_0")
    }

    /// Rows of 32 numbers: Q5_0 is in the place of Q4_K, Q5_1 of Q5_K, Q8_0 of Q6_K and IQ4_NL of IQ4_XS.
    @Test func `experts, and values that several queries share, get the types of llama.cpp's quantizer`() throws {
        let processor = try Processor(threads: 2)
        func types(_ format: GGUFFormat, experts: Int, isCalibrated: Bool = false) throws -> (String) -> [StoredFormat] {
            var configuration = SampleFamily.mixtral.configuration
            configuration.layers = 8
            configuration.keyValueHeads = 1
            configuration.experts = Experts(count: experts, active: 2)
            let checkpoint = try Checkpoint(configuration, seed: 7)
            let nothing: (String) -> InputStatistics? = { _ in nil }
            try checkpoint.writeGGUF(to: folder("a.gguf"), as: format, on: processor, calibration: isCalibrated ? nothing : nil)
            let mapped = try Checkpoint(mappingGGUF: folder("a.gguf"))
            return { mapped.quantized[$0]?.storedRows?.map(\.format) ?? [] }
        }
        let mixtral = try types(.q4_k_m, experts: 8)
        #expect(mixtral("layer1.qkv.weight") == [.q5_0, .q8_0, .q8_0] && mixtral("layer1.output.weight") == [.q5_1])
        // More bits for the first and last eighth of the layers, and for every third one between them.
        let down = (0..<8).map { mixtral("layer\($0).expert3.down.weight") }
        #expect(down == [[.q8_0], [.q5_0], [.q5_0], [.q8_0], [.q5_0], [.q5_0], [.q8_0], [.q8_0]])
        #expect(mixtral("layer0.expert3.up.weight") == [.q5_0, .q5_0])
        let levels = try types(.iq4_xs, experts: 5), calibrated = try types(.iq4_xs, experts: 5, isCalibrated: true)
        #expect(levels("layer3.qkv.weight") == [.iq4_NL, .iq4_NL, .q5_1] && levels("layer3.output.weight") == [.iq4_NL])
        #expect(levels("layer0.expert4.down.weight") == [.q5_1] && levels("layer1.expert4.down.weight") == [.iq4_NL])
        #expect(calibrated("layer0.expert4.down.weight") == [.iq4_NL] && calibrated("head.weight") == [.q8_0])
    }

    /// Computed by hand: the largest number is -4, so Q4_0's scale is 0.5, and 0.26 is its ninth step; Q8_0's scale is 4/127.
    @Test func `blocks have llama.cpp's layout`() throws {
        var checkpoint = try sample()
        let tokens = try #require(checkpoint.weights["tokens.weight"]), processor = try Processor(threads: 1),
            values = processor.zeros(tokens.shape.count)
        values.write { span in (span[0], span[1], span[16], span[31]) = (-4, 0.26, 4, 1) }
        checkpoint.weights["tokens.weight"] = FloatArray(values, shape: tokens.shape)
        func block(_ format: GGUFFormat, _ size: Int) throws -> [UInt8] {
            try checkpoint.writeGGUF(to: folder("a.gguf"), as: format)
            let bytes = try InputFile.contents(of: folder("a.gguf")), offset = try #require(dataStart(bytes))
            return Array(bytes[offset..<offset + size])
        }
        #expect(try block(.q4_0, 18) == [0x00, 0x38, 0xF0, 0x89] + Array(repeating: 0x88, count: 13) + [0xA8])
        let q8 = try block(.q8_0, 34), scale = Float16(4.0 / 127 as Float).bitPattern
        #expect(q8[0] == UInt8(scale & 255) && q8[1] == UInt8(scale >> 8))
        #expect(q8[2] == 129 && q8[3] == 8 && q8[18] == 127 && q8[33] == 32 && q8[4] == 0)
        #expect(try block(.bf16, 4) == [0x80, 0xC0, 0x85, 0x3E])
        #expect(try block(.f16, 4) == [0x00, 0xC4, 0x29, 0x34])
    }

    /// Tensor data begins after the name, sizes, type and offset of the last tensor.
    private func dataStart(_ bytes: [UInt8]) -> Int? {
        let name = Array("output.weight".utf8)
        guard
            let offset = (0..<bytes.count - name.count).last(where: {
                bytes[$0..<$0 + name.count].elementsEqual(name) && bytes[$0 - 8] == 13
            })
        else { return nil }
        return (offset + name.count + 4 + 16 + 4 + 8 + 31) / 32 * 32
    }

    @Test func `a model without biases gets zero biases`() throws {
        let after = try there(try sample { $0.hasBias = false }, .q8_0)
        #expect(after.configuration.hasBias && after.weight("layer0.qkv.bias") == Array(repeating: 0, count: 192))
    }

    @Test func `a vocabulary smaller than the embedding reads back unchanged`() throws {
        let after = try there(try sample { $0.vocabulary = 300 }, .f32)
        #expect(try after.vocabulary() == SampleCheckpoint.vocabulary && after.configuration.vocabulary == 300)
    }

    @Test func `a Jinja template keeps its text and tokens`() throws {
        var before = try sample()
        var template = JinjaChatTemplate("{% for m in messages %}<|user|>{{ m.content }}<|eos|>{% endfor %}")
        template.tokens = ["bos_token": "<|user|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"]
        before.chatTemplate = .jinja(template)
        let eos = try #require(SampleCheckpoint.vocabulary.specialTokenID("<|eos|>"))
        template.stopTokens = [eos]
        #expect(try there(before, .f32).chatTemplate == .jinja(template))
    }

    @Test(arguments: ChatTemplate.allCases) func `chat templates and missing tokenizers read back`(form: ChatTemplate) throws {
        var before = try sample()
        before.chatTemplate = form
        #expect(try there(before, .f32).chatTemplate == form)
        before.chatTemplate = nil
        #expect(try there(before, .f32).chatTemplate == nil)
        before.tokenizer = nil
        #expect(try there(before, .f32).tokenizer == nil)
    }

    @Test func `models that no architecture of llama.cpp can represent are errors, and leave no file`() throws {
        func reason(_ format: GGUFFormat = .f32, _ change: (inout GPTConfiguration) -> Void) throws -> String {
            let checkpoint = try sample(change)
            do throws(CheckpointError) { try checkpoint.writeGGUF(to: folder("a.gguf"), as: format) } catch { return "\(error)" }
            return "accepted"
        }
        #expect(try reason { $0.positions = .none }.contains("it has no positions, and GPT-2 has learned ones"))
        #expect(try reason { $0.norm = .rms }.contains("it uses RMS norm, and GPT-2 uses layer norm"))
        #expect(try reason { $0.qkNorm = .unit }.contains("queries and keys"))
        #expect(try reason { $0.activation = .exactGELU }.contains("GPT-2 lacks its activation, exactGELU"))
        #expect(try reason { $0.layers = 0 }.contains("it has no layers"))
        for format in [GGUFFormat.q8_0, .q4_0] {
            let message = try reason(format) { configuration in
                configuration.width = 48
                configuration.headWidth = 24
            }
            #expect(message.contains("the rows of token_embd.weight, 48 numbers, are not a multiple"))
        }
        #expect(folder.names.isEmpty)
    }

    @Test(arguments: [(GGUFFormat.f16, 65_505 as Float), (.q8_0, 1e7), (.q4_0, 1e6), (.q8_0, .nan), (.f16, .infinity)])
    func `numbers beyond a format's limit are errors`(format: GGUFFormat, number: Float) throws {
        let checkpoint = try sample()
        checkpoint.weights["layer0.up.weight"]?.values.write { $0[5] = number }
        #expect { try checkpoint.writeGGUF(to: folder("a.gguf"), as: format) } throws: {
            "\($0)".contains("number 5 of blk.0.ffn_up.weight is ")
        }
        #expect(folder.names.isEmpty)
    }
}
