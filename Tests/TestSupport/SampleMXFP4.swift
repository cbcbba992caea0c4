import Checkpoint
import Files
import Formats

/// A small gpt-oss as its authors' folder stores it: the matrices of experts as blocks of MXFP4, with scales in tensors of their own.
///
///     let experts = try SampleMXFP4.write(to: folder)
///     experts["model.layers.0.mlp.experts.down_proj"]?.number(expert: 1, row: 3, column: 40)
package enum SampleMXFP4 {
    /// A stack of matrices [experts, rows, columns].
    package struct Experts {
        package let count, rows, columns: Int
        /// [experts, rows, columns / 32, 16] and [experts, rows, columns / 32].
        let blocks, scales: [UInt8]

        fileprivate init(count: Int, rows: Int, columns: Int, seed: UInt64) {
            self.count = count
            self.rows = rows
            self.columns = columns
            var random = TestRandom(seed)
            let size = count * rows * columns / 32
            blocks = (0..<16 * size).map { _ in UInt8(random.below(256)) }
            scales = (0..<size).map { _ in UInt8(120 + random.below(8)) }
        }

        /// A number, by the definition of the format: its code is a sign, two bits of exponent and one of mantissa.
        package func number(expert: Int, row: Int, column: Int) -> Float {
            let index = (expert * rows + row) * columns + column, byte = blocks[index / 2]
            let code = index % 2 == 0 ? byte & 15 : byte >> 4, exponent = Int(scales[index / 32]) - 127
            let magnitudes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
            return (code < 8 ? 1 : -1) * magnitudes[Int(code & 7)] * Float(sign: .plus, exponent: exponent, significand: 1)
        }
    }

    /// Writes a folder with the weights of ``SampleFamily/gptOSS`` and random experts, which are returned by the name of their tensor.
    ///
    /// - Parameter change: Changes the name, type and shape of a tensor, for files with errors; nil leaves it out.
    package static func write(
        to folder: TemporaryFolder,
        _ change: (_ name: String, _ type: String, _ shape: [Int]) -> (String, String, [Int])? = { ($0, $1, $2) }
    ) throws -> [String: Experts] {
        var checkpoint = try SampleFamily.gptOSS.checkpoint()
        checkpoint.tokenizer = nil
        checkpoint.chatTemplate = nil
        try HuggingFace.write(checkpoint, to: folder.path)
        let config = String(decoding: try InputFile.contents(of: folder("config.json")), as: UTF8.self)
        let quantization = "\"quantization_config\": {\"quant_method\": \"mxfp4\", \"modules_to_not_convert\": [\"lm_head\"]}"
        folder.write(config.replacing("\"vocab_size\"", with: "\(quantization), \"vocab_size\""), to: "config.json")
        var experts: [String: Experts] = [:]
        try folder.rewriteTensors { tensor in
            var stored = [tensor]
            if tensor.name.hasSuffix("experts.gate_up_proj") || tensor.name.hasSuffix("experts.down_proj") {
                let new = Experts(count: tensor.shape[0], rows: tensor.shape[2], columns: tensor.shape[1], seed: UInt64(experts.count + 1))
                let shape = [new.count, new.rows, new.columns / 32]
                stored = [
                    TensorBytes("\(tensor.name)_blocks", "U8", shape + [16], new.blocks),
                    TensorBytes("\(tensor.name)_scales", "U8", shape, new.scales),
                ]
                experts[tensor.name] = new
            }
            return stored.compactMap { tensor in
                change(tensor.name, tensor.type, tensor.shape).map { TensorBytes($0, $1, $2, tensor.bytes) }
            }
        }
        return experts
    }
}
