import Checkpoint
import Files
import Formats
import Kernels
import Model
import Testing
import TestSupport

/// Folders of gpt-oss with experts in MXFP4. Tests/Peers/check_models.py compares with transformers.
@Suite struct MXFP4FolderTests {
    private let folder = TemporaryFolder()
    private let processor: Processor

    init() throws { processor = try Processor(threads: 1) }

    private func refusal() -> String {
        do throws(CheckpointError) { _ = try HuggingFace.map(folder.path) } catch {
            return "\(error)".replacing(folder.path, with: "folder")
        }
        return "accepted"
    }

    @Test func `experts stay in the file, and have the numbers of its blocks and scales`() throws {
        let experts = try SampleMXFP4.write(to: folder), checkpoint = try HuggingFace.map(folder.path)
        let F = checkpoint.configuration.hiddenWidth
        #expect(checkpoint.quantizedPrecision == .int4)
        let up = try #require(experts["model.layers.2.mlp.experts.gate_up_proj"])
        let down = try #require(experts["model.layers.2.mlp.experts.down_proj"])
        for expert in [0, 4] {
            // Rows of gates and values alternate in the file; slm has the gates first.
            for (part, stack, row) in [
                ("up", up, { (row: Int) in row < F ? 2 * row : 2 * (row - F) + 1 }), ("down", down, { (row: Int) in row }),
            ] {
                let matrix = try #require(checkpoint.quantized["layer2.expert\(expert).\(part).weight"])
                #expect(matrix.storedBytes == matrix.outputs * matrix.inputs / 32 * 17 && matrix.storedRows?.first?.format == .mxfp4)
                let values = processor.buffer(of: matrix.outputs * matrix.inputs, .float32)
                processor.dequantize(matrix, into: values)
                let expected = (0..<stack.rows).flatMap { index in
                    (0..<stack.columns).map { stack.number(expert: expert, row: row(index), column: $0) }
                }
                let isSame = values.array == expected
                #expect(isSame && Set(expected).count > 20, "\(part) of expert \(expert)")
            }
        }
    }

    @Test func `an imported model computes the same, and its folder has no blocks`() throws {
        _ = try SampleMXFP4.write(to: folder)
        let whole = try HuggingFace.read(folder.path, on: processor)
        #expect(whole.quantized.count == 0)
        try HuggingFace.write(whole, to: folder("again"))
        let again = try HuggingFace.read(folder("again"), on: processor)
        #expect(again.weights.names == whole.weights.names)
        for name in ["layer0.expert2.up.weight", "layer1.expert0.down.weight"] {
            let floats = [whole, again].map { $0.weights[name]?.values.array }
            let isSame = floats[0] == floats[1]
            #expect(isSame && floats[0] != nil, "\(name)")
        }
    }

    @Test func `a digest of the weights depends on the scales`() throws {
        _ = try SampleMXFP4.write(to: folder)
        let before = try HuggingFace.map(folder.path).weightsDigest
        var bytes = try InputFile.contents(of: folder("model.safetensors"))
        let header = try SafeTensorsHeader(of: bytes.span, path: "a")
        let scales = try #require(header.tensors["model.layers.1.mlp.experts.down_proj_scales"])
        bytes[scales.range.lowerBound] ^= 1
        folder.write(bytes, to: "model.safetensors")
        #expect(try HuggingFace.map(folder.path).weightsDigest != before)
    }

    @Test func `damaged blocks are errors that name the tensor`() throws {
        let blocks = "model.layers.0.mlp.experts.down_proj_blocks", scales = "model.layers.0.mlp.experts.down_proj_scales"
        _ = try SampleMXFP4.write(to: folder) { $0 == scales ? nil : ($0, $1, $2) }
        #expect(refusal() == "folder: tensor '\(scales)': expected U8 [5, 32, 2], found nothing.")
        _ = try SampleMXFP4.write(to: folder) { $0 == blocks ? ($0, $1, [5, 32, 4, 8]) : ($0, $1, $2) }
        #expect(refusal().contains("tensor '\(blocks)': expected U8 [experts, rows, blocks, 16], found U8 [5, 32, 4, 8]"), "\(refusal())")
        _ = try SampleMXFP4.write(to: folder) { $0 == scales ? ($0, "I8", $2) : ($0, $1, $2) }
        #expect(refusal().contains("tensor '\(scales)': expected U8 [5, 32, 2], found I8 [5, 32, 2]"), "\(refusal())")
        _ = try SampleMXFP4.write(to: folder) { name, type, shape in
            (name, type, name == blocks ? [5, 16, 4, 16] : name == scales ? [5, 16, 4] : shape)
        }
        #expect(refusal().contains("down_proj'.shape: expected [5, 32, 64], found [5, 16, 128]"), "\(refusal())")
    }

    @Test func `a quantization other than that of gpt-oss is refused with its name`() throws {
        _ = try SampleMXFP4.write(to: folder)
        var config = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        folder.write(config.replacing("\"mxfp4\"", with: "\"awq\""), to: "config.json")
        #expect(refusal().contains("gpt-oss's experts in MXFP4, found a quantized model ('awq')"), "\(refusal())")
        // Without the field, blocks are tensors that no gpt-oss has.
        config = config.replacing("\"quantization_config\"", with: "\"_\"")
        folder.write(config, to: "config.json")
        #expect(refusal().contains("gate_up_proj': expected a tensor [5, 32, 128], found nothing"), "\(refusal())")
    }
}
