import Autograd
import Checkpoint
import Files
import Kernels
import Model
import Testing
import TestSupport
import Tokenize
import Formats

/// Models that become GGUF files, and are read again. Tests/Peers/check_gguf.py has llama.cpp's own package do one half of it.
@Suite struct GGUFTests {
    private let folder = TemporaryFolder()

    private func sample(tied: Bool = false, _ change: (inout GPTConfiguration) -> Void = { _ in }) throws -> Checkpoint {
        try SampleGGUF(tied: tied, change).checkpoint
    }

    private func there(_ checkpoint: Checkpoint, _ format: GGUFFormat, _ name: String = "a.gguf") throws -> Checkpoint {
        try checkpoint.writeGGUF(to: folder(name), as: format)
        return try Checkpoint(readingGGUF: folder(name), on: Processor(threads: 1))
    }

    private func floats(_ array: FloatArray?) -> [Float] { array.map { $0.values.read { span in span.indices.map { span[$0] } } } ?? [] }

    @Test(arguments: [false, true]) func `there and back is the identity in f32`(tied: Bool) throws {
        let before = try sample(tied: tied), after = try there(before, .f32)
        #expect(after.configuration == before.configuration && after.tokenizer == before.tokenizer && after.chatTemplate == .specialTokens)
        #expect(after.weights.names == before.weights.names)
        for (name, array) in before.weights {
            let isSame =
                after.weights[name]?.shape == array.shape
                && floats(after.weights[name]).map(\.bitPattern) == floats(array).map(\.bitPattern)
            #expect(isSame, "\(name)")
        }
    }

    /// The largest difference, as a share of the largest number of its block: half a step of rounding, and what the scale loses as f16.
    /// Q4_0 has one step
    /// less on the side where the largest number is not.
    @Test(arguments: [(GGUFFormat.f16, 0x1p-11), (.bf16, 0x1p-8), (.q8_0, 0.5 / 127 + 0x1p-11), (.q4_0, 1.0 / 8 + 0x1p-10)])
    func `numbers are near what they were, and the same the next time`(format: GGUFFormat, error: Double) throws {
        let before = try sample(), after = try there(before, format)
        var isExact = true, isCoarse = false
        for (name, array) in before.weights {
            let old = floats(array), new = floats(after.weights[name]), isPlain = array.shape.rank < 2 || name.hasPrefix("positions")
            for start in stride(from: 0, to: old.count, by: 32) {
                let block = start..<min(old.count, start + 32), largest = Double(block.map { abs(old[$0]) }.max() ?? 0)
                for i in block {
                    let difference = Double(abs(old[i] - new[i]))
                    if isPlain ? difference != 0 : difference > error * largest { isExact = false }
                    if difference > error * largest / 4 { isCoarse = true }
                }
            }
        }
        #expect(isExact && isCoarse)                          // coarse: the bound is not loose, and something was rounded
        _ = try there(after, format, "b.gguf")
        let isSame = try InputFile.contents(of: folder("a.gguf")) == InputFile.contents(of: folder("b.gguf"))
        #expect(isSame)
    }

    /// By hand: the largest number is -4, so Q4_0's scale is 0.5 and 0.26 the ninth step; Q8_0's is 4/127.
    @Test func `blocks as llama.cpp has them`() throws {
        var checkpoint = try sample()
        let tokens = try #require(checkpoint.weights["tokens.weight"]), processor = try Processor(threads: 1),
            values = processor.zeros(tokens.shape.count)
        values.write { span in (span[0], span[1], span[16], span[31]) = (-4, 0.26, 4, 1) }
        checkpoint.weights["tokens.weight"] = FloatArray(values, shape: tokens.shape)
        func block(_ format: GGUFFormat, _ size: Int) throws -> [UInt8] {
            try checkpoint.writeGGUF(to: folder("a.gguf"), as: format)
            let bytes = try InputFile.contents(of: folder("a.gguf")), place = try #require(dataStart(bytes))
            return Array(bytes[place..<place + size])
        }
        #expect(try block(.q4_0, 18) == [0x00, 0x38, 0xF0, 0x89] + Array(repeating: 0x88, count: 13) + [0xA8])
        let q8 = try block(.q8_0, 34), scale = Float16(4.0 / 127 as Float).bitPattern
        #expect(q8[0] == UInt8(scale & 255) && q8[1] == UInt8(scale >> 8))
        #expect(q8[2] == 129 && q8[3] == 8 && q8[18] == 127 && q8[33] == 32 && q8[4] == 0)
        #expect(try block(.bf16, 4) == [0x80, 0xC0, 0x85, 0x3E])
        #expect(try block(.f16, 4) == [0x00, 0xC4, 0x29, 0x34])
    }

    /// The tensors begin behind the name, the sizes, the type and the place of the last of them.
    private func dataStart(_ bytes: [UInt8]) -> Int? {
        let name = Array("output.weight".utf8)
        guard
            let place = (0..<bytes.count - name.count).last(where: {
                bytes[$0..<$0 + name.count].elementsEqual(name) && bytes[$0 - 8] == 13
            })
        else { return nil }
        return (place + name.count + 4 + 16 + 4 + 8 + 31) / 32 * 32
    }

    @Test func `a model without biases gets zeros`() throws {
        let after = try there(try sample { $0.hasBias = false }, .q8_0)
        #expect(after.configuration.hasBias && floats(after.weights["layer0.qkv.bias"]) == Array(repeating: 0, count: 192))
    }

    @Test func `a vocabulary smaller than the embedding is itself again`() throws {
        let after = try there(try sample { $0.vocabulary = 300 }, .f32)
        #expect(try after.vocabulary() == SampleCheckpoint.vocabulary && after.configuration.vocabulary == 300)
    }

    @Test(arguments: ChatTemplate.allCases) func `chat forms`(form: ChatTemplate) throws {
        var before = try sample()
        before.chatTemplate = form
        #expect(try there(before, .f32).chatTemplate == form)
        before.chatTemplate = nil
        #expect(try there(before, .f32).chatTemplate == nil)
        before.tokenizer = nil
        #expect(try there(before, .f32).tokenizer == nil)
    }

    @Test func `what llama.cpp's GPT-2 has not is refused, and no file is left`() throws {
        func reason(_ format: GGUFFormat = .f32, _ change: (inout GPTConfiguration) -> Void) throws -> String {
            let checkpoint = try sample(change)
            do throws(GGUFError) { try checkpoint.writeGGUF(to: folder("a.gguf"), as: format) } catch { return "\(error)" }
            return "accepted"
        }
        #expect(try reason { $0.positions = .rotary }.contains("its positions are rotary"))
        #expect(try reason { $0.positions = .none }.contains("its positions are none"))
        #expect(try reason { $0.norm = .rms }.contains("its norms are rms"))
        #expect(try reason { $0.hasQKNorm = true }.contains("questions and keys"))
        #expect(try reason { $0.activation = .exactGELU }.contains("its activation is exactGELU"))
        #expect(try reason { $0.layers = 0 }.contains("it has no layers"))
        for format in [GGUFFormat.q8_0, .q4_0] { #expect(try reason(format) { $0.width = 48 }.contains("rows of 48 do not divide")) }
        #expect(folder.names.isEmpty)
    }

    @Test(arguments: [(GGUFFormat.f16, 65_505 as Float), (.q8_0, 1e7), (.q4_0, 1e6), (.q8_0, .nan), (.f16, .infinity)])
    func `numbers that a format does not reach`(format: GGUFFormat, number: Float) throws {
        let checkpoint = try sample()
        checkpoint.weights["layer0.up.weight"]?.values.write { $0[5] = number }
        #expect { try checkpoint.writeGGUF(to: folder("a.gguf"), as: format) } throws: {
            "\($0)".contains("number 5 of blk.0.ffn_up.weight is ")
        }
        #expect(folder.names.isEmpty)
    }
}
