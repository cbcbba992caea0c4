import Files

/// Builds a GGUF file by hand, so that each number in it can be made wrong.
package struct GGUFBytes {
    package var version: UInt32 = 3
    /// Overrides the counts in the header; nil for the correct ones.
    package var tensorCount: UInt64?, keyCount: UInt64?
    package var keys: [(name: String, value: [UInt8])] = []
    package var tensors: [(name: String, sizes: [UInt64], type: UInt32, offset: UInt64)] = []
    package var alignment = 32
    package var data: [UInt8] = []

    package init() {}

    package static func little(_ number: some FixedWidthInteger) -> [UInt8] { number.littleEndianBytes }

    package static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + text.utf8 }
    package static func text(_ text: String) -> [UInt8] { little(UInt32(8)) + string(text) }
    package static func u32(_ number: Int) -> [UInt8] { little(UInt32(4)) + little(UInt32(number)) }
    package static func f32(_ number: Float) -> [UInt8] { little(UInt32(6)) + little(number.bitPattern) }
    package static func array(_ kind: UInt32, count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        little(UInt32(9)) + little(kind) + little(count) + elements
    }
    package static func texts(_ texts: [String]) -> [UInt8] { array(8, count: UInt64(texts.count), texts.flatMap(string)) }

    package mutating func set(_ key: String, _ value: [UInt8]) {
        keys.removeAll { $0.name == key }
        keys.append((key, value))
    }

    package var bytes: [UInt8] {
        var bytes = Array("GGUF".utf8) + Self.little(version)
        bytes += Self.little(tensorCount ?? UInt64(tensors.count)) + Self.little(keyCount ?? UInt64(keys.count))
        for (name, value) in keys { bytes += Self.string(name) + value }
        for tensor in tensors {
            bytes += Self.string(tensor.name) + Self.little(UInt32(tensor.sizes.count))
            for size in tensor.sizes { bytes += Self.little(size) }
            bytes += Self.little(tensor.type) + Self.little(tensor.offset)
        }
        bytes += repeatElement(0, count: (alignment - bytes.count % alignment) % alignment)
        return bytes + data
    }

    /// A complete model with zero weights: one layer, one head, 2 channels, 3 positions, 4 tokens.
    package static var sample: GGUFBytes {
        var file = GGUFBytes()
        file.keys = [
            ("general.architecture", text("gpt2")), ("gpt2.context_length", u32(3)), ("gpt2.embedding_length", u32(2)),
            ("gpt2.block_count", u32(1)),
            ("gpt2.feed_forward_length", u32(8)), ("gpt2.attention.head_count", u32(1)), ("gpt2.attention.layer_norm_epsilon", f32(1e-5)),
            ("tokenizer.ggml.model", text("gpt2")), ("tokenizer.ggml.pre", text("gpt-2")),
            ("tokenizer.ggml.tokens", texts(["a", "b", "ab", "<|eos|>"])),
            ("tokenizer.ggml.token_type", array(5, count: 4, [1, 1, 1, 3].flatMap { little(Int32($0)) })),
            ("tokenizer.ggml.merges", texts(["a b"])),
            ("tokenizer.ggml.eos_token_id", u32(3)),
        ]
        for (name, sizes) in [
            ("token_embd.weight", [2, 4]), ("position_embd.weight", [2, 3]), ("output_norm.weight", [2]), ("output_norm.bias", [2]),
        ] {
            file.add(name, sizes)
        }
        for (name, inner, outer) in [("attn_qkv", 2, 6), ("attn_output", 2, 2), ("ffn_up", 2, 8), ("ffn_down", 8, 2)] {
            file.add("blk.0.\(name).weight", [inner, outer])
            file.add("blk.0.\(name).bias", [outer])
        }
        for name in ["attn_norm", "ffn_norm"] { for part in ["weight", "bias"] { file.add("blk.0.\(name).\(part)", [2]) } }
        return file
    }

    private mutating func add(_ name: String, _ sizes: [Int]) {
        tensors.append((name, sizes.map(UInt64.init), 0, UInt64(data.count)))
        data += repeatElement(0, count: (sizes.reduce(4, *) + 31) / 32 * 32)
    }
}
