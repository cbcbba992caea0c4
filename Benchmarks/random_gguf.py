"""Writes a GGUF file with random weights at the shape of a published model, for measurements of speed and memory.

    python Benchmarks/random_gguf.py qwen3-30b-a3b /tmp/moe.gguf --layers 8

The types are those of llama.cpp's Q4_K_M, or --type Q8_0, Q4_0 or F16 for all matrices, or MXFP4 for those of experts and Q8_0 for others. Weights are drawn as random blocks with scales that give them a deviation of about 0.02;
0.5 in the embedding and 0.005 in the outputs of attention, so that tokens differ more than positions, and all experts are chosen. The file has no tokenizer.
"""
import argparse

import gguf
import numpy as np

SHAPES = {
    "llama-3.2-1b": dict(arch="llama", layers=16, width=2_048, hidden=8_192, heads=32, kv=8, head=64, vocab=128_256, tied=True),
    "llama-3.2-3b": dict(arch="llama", layers=28, width=3_072, hidden=8_192, heads=24, kv=8, head=128, vocab=128_256, tied=True),
    "qwen3-4b": dict(arch="qwen3", layers=36, width=2_560, hidden=9_728, heads=32, kv=8, head=128, vocab=151_936, tied=True),
    "llama-3.1-8b": dict(arch="llama", layers=32, width=4_096, hidden=14_336, heads=32, kv=8, head=128, vocab=128_256, tied=False),
    "qwen3-30b-a3b": dict(arch="qwen3moe", layers=48, width=2_048, hidden=768, heads=32, kv=4, head=128, vocab=151_936, tied=False, experts=128, active=8),
    "gpt-oss-20b": dict(arch="gpt-oss", layers=24, width=2_880, hidden=2_880, heads=64, kv=8, head=64, vocab=201_088, tied=False, experts=32, active=4),
    "olmoe-1b-7b": dict(arch="olmoe", layers=16, width=2_048, hidden=1_024, heads=16, kv=16, head=128, vocab=50_304, tied=False, experts=64, active=8),
}
TYPES = gguf.GGMLQuantizationType
random = np.random.default_rng(1)


def blocks(count, *fields):
    """Records of random bytes; a field with a number has this f16, or this int8, everywhere."""
    parts = [random.integers(0, 256, (count, size), np.uint8) if value is None else
             np.broadcast_to(np.frombuffer((np.float16 if size == 2 else np.int8)(value).tobytes() * (1 if size == 2 else size), np.uint8), (count, size)) for size, value in fields]
    return np.concatenate(parts, 1)


def matrix(type, rows, columns, deviation):
    numbers = rows * columns
    if type == TYPES.Q4_K:                                   # d, dmin, scales and minima of 6 bits (32 each), codes
        d = deviation / 4.6 / 32
        found = blocks(numbers // 256, (2, d), (2, 7.5 * d), (12, None), (128, None))
        # Eight scales and eight minima of 32: the low 6 bits of the first eight bytes, and of the others each nibble 0 with the high bits of 32.
        found[:, 4:12], found[:, 12:16] = 32 | 0x80, 0
    elif type == TYPES.Q6_K:                                 # codes, scales, d
        found = blocks(numbers // 256, (128, None), (64, None), (16, 32), (2, deviation / 18.5 / 32))
    elif type == TYPES.Q8_0:
        found = blocks(numbers // 32, (2, deviation / 74), (32, None))
    elif type == TYPES.MXFP4:                                # an exponent, the same everywhere; codes
        found = blocks(numbers // 32, (1, 128 + round(np.log2(deviation / 5.85))), (16, None))
    elif type == TYPES.Q4_0:
        found = blocks(numbers // 32, (2, deviation / 4.6), (16, None))
    elif type == TYPES.F16:
        return (random.standard_normal((rows, columns), np.float32) * deviation).astype(np.float16)
    else:
        return random.standard_normal((rows, columns), np.float32) * np.float32(deviation)
    return found.reshape(rows, -1)


def write(path, shape, layers, name):
    c = SHAPES[shape]
    writer = gguf.GGUFWriter(path, c["arch"])
    layers = layers or c["layers"]
    C, F, D, E = c["width"], c["hidden"], c["head"], c.get("experts", 0)
    writer.add_context_length(32_768)
    writer.add_embedding_length(C)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(F)
    writer.add_head_count(c["heads"])
    writer.add_head_count_kv(c["kv"])
    writer.add_key_length(D)
    writer.add_value_length(D)
    writer.add_vocab_size(c["vocab"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_rope_dimension_count(D)
    if E:
        writer.add_expert_count(E)
        writer.add_expert_used_count(c["active"])
        writer.add_expert_feed_forward_length(F)
    if c["arch"] == "gpt-oss":
        writer.add_sliding_window(128)
    writer.add_string("tokenizer.ggml.model", "none")

    def kind(tensor, layer=0):
        if name == "MXFP4":
            return TYPES.MXFP4 if tensor.endswith("_exps") else TYPES.Q8_0
        if name != "Q4_K_M":
            return TYPES[name]
        more = layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2
        return TYPES.Q6_K if tensor == "head" or tensor in ("attn_v", "ffn_down", "ffn_down_exps") and more else TYPES.Q4_K

    def add(tensor, type, rows, columns, count=0):
        deviation = 0.5 if tensor == "token_embd" else 0.005 if tensor.endswith("attn_output") else 0.02
        if count:
            data = np.stack([matrix(type, rows, columns, deviation) for _ in range(count)])
        else:
            data = matrix(type, rows, columns, deviation)
        writer.add_tensor(f"{tensor}.weight", data, raw_dtype=type)
        if c["arch"] == "gpt-oss" and tensor.startswith("blk."):
            writer.add_tensor(f"{tensor}.bias", np.zeros((count, rows) if count else rows, np.float32))

    def norm(tensor, width):
        writer.add_tensor(f"{tensor}.weight", np.ones(width, np.float32))

    add("token_embd", kind("head" if c["tied"] else "token_embd"), c["vocab"], C)
    norm("output_norm", C)
    if not c["tied"]:
        add("output", kind("head"), c["vocab"], C)
    for i in range(layers):
        block = f"blk.{i}"
        norm(f"{block}.attn_norm", C)
        norm(f"{block}.{'post_attention_norm' if c['arch'] == 'gpt-oss' else 'ffn_norm'}", C)
        if c["arch"] == "gpt-oss":
            norm(f"{block}.attn_sinks", c["heads"])
        if c["arch"].startswith("qwen3"):
            norm(f"{block}.attn_q_norm", D)
            norm(f"{block}.attn_k_norm", D)
        if c["arch"] == "olmoe":
            norm(f"{block}.attn_q_norm", C)
            norm(f"{block}.attn_k_norm", C)
        for tensor, rows, columns in [("attn_q", c["heads"] * D, C), ("attn_k", c["kv"] * D, C), ("attn_v", c["kv"] * D, C), ("attn_output", C, c["heads"] * D)]:
            add(f"{block}.{tensor}", kind(tensor, i), rows, columns)
        if E:
            add(f"{block}.ffn_gate_inp", TYPES.F32, E, C)
        for tensor, rows, columns in [("ffn_gate", F, C), ("ffn_up", F, C), ("ffn_down", C, F)]:
            tensor += "_exps" if E else ""
            add(f"{block}.{tensor}", kind(tensor, i), rows, columns, E)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shape", choices=SHAPES)
    arguments.add_argument("out")
    arguments.add_argument("--layers", type=int, help="fewer layers than the model has")
    arguments.add_argument("--type", choices=["Q4_K_M", "Q8_0", "Q4_0", "F16", "MXFP4"], default="Q4_K_M")
    options = arguments.parse_args()
    write(options.out, options.shape, options.layers, options.type)


if __name__ == "__main__":
    main()
