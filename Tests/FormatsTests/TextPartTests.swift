import Checkpoint
import Files
import Formats
import Kernels
import Model
import Testing
import TestSupport

/// The text part of models that also see images, such as Gemma 3 4B.
@Suite struct TextPartTests {
    private let folder = TemporaryFolder()

    /// Rewrites a Gemma 3 folder as the larger model stores it.
    private func write(prefix: String) throws -> Checkpoint {
        var model = try SampleFamily.gemma3.checkpoint()
        model.tokenizer = nil
        model.chatTemplate = nil
        try HuggingFace.write(model, to: folder.path)
        let config = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        folder.write(#"{"model_type": "gemma3", "vision_config": {"hidden_size": 8}, "text_config": \#(config)}"#, to: "config.json")
        let bytes = try InputFile.contents(of: folder("model.safetensors"))
        let length = Int(littleEndian: bytes.span.extracting(0..<8)), data = bytes[(8 + length)...]
        var header = String(decoding: bytes[8..<8 + length], as: UTF8.self).replacing("\"model.", with: "\"\(prefix)")
        while header.hasSuffix(" ") { header.removeLast() }
        let range = "[\(data.count), \(data.count + 4)]"
        header = header.dropLast() + #", "vision_tower.patch.weight": {"dtype": "F32", "shape": [1], "data_offsets": \#(range)}}"#
        folder.write(header.utf8.count.littleEndianBytes + Array(header.utf8) + data + [0, 0, 0, 0], to: "model.safetensors")
        return model
    }

    @Test(arguments: ["model.language_model.", "language_model.model."])
    func `the text part of a larger model is read`(prefix: String) throws {
        let model = try write(prefix: prefix), processor = try Processor(threads: 1)
        let read = try HuggingFace.read(folder.path, on: processor)
        #expect(read.configuration == model.configuration && read.weights.names == model.weights.names)
        for name in ["tokens.weight", "layer1.qkv.weight", "layer2.down.weight"] {
            let floats = [model, read].map { $0.weights[name]?.values.array }
            let isSame = floats[0] == floats[1]
            #expect(isSame, "\(name)")
        }
    }

    @Test func `other tensors of a text model are errors`() throws {
        _ = try write(prefix: "model.")
        folder.write(
            String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self).replacing("\"gemma3\"", with: "\"gemma4\""),
            to: "config.json")
        // The text part says what it is.
        #expect(try HuggingFace.read(folder.path, on: Processor(threads: 1)).configuration.layers == 3)
        folder.write(#"{"model_type": "gemma3", "vision_config": {}}"#, to: "config.json")
        #expect(throws: CheckpointError.self) { try HuggingFace.read(folder.path, on: Processor(threads: 1)) }
    }
}
