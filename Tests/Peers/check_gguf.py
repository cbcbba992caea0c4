"""Reads GGUF files of slm with llama.cpp's Python package, and files of the package with slm.

    Tests/Peers/check_gguf.py .build/release/CheckpointWriter

Compares every key, name, shape, type and number; quantized numbers must equal the package's own quantization bit for bit. check_llama.py runs llama.cpp itself.
"""
import json
import struct
import sys

import gguf
import h5py
import jinja2
import numpy as np
from gguf import GGMLQuantizationType as Type
from programs import run, scratch_folder

TYPES = {"f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0, "q4_0": Type.Q4_0}
# Types whose blocks are fitted: those of matrices with rows of 64, of rows of 256, and of the head.
FITTED = {"q6_k": (18, Type.Q8_0, Type.Q6_K, Type.Q8_0), "q5_k_m": (17, Type.Q5_1, Type.Q5_K, Type.Q8_0), "q4_k_m": (15, Type.Q5_0, Type.Q4_K, Type.Q8_0),
          "iq4_xs": (30, Type.IQ4_NL, Type.IQ4_XS, Type.Q8_0)}
KEYS = {"general.architecture": "gpt2", "general.name": "sample", "general.alignment": 32, "gpt2.context_length": 96, "gpt2.embedding_length": 64,
        "gpt2.block_count": 2, "gpt2.feed_forward_length": 256, "gpt2.attention.head_count": 2, "gpt2.vocab_size": 260, "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.bos_token_id": 256, "tokenizer.ggml.eos_token_id": 256, "tokenizer.ggml.eot_token_id": 257,
        "tokenizer.ggml.padding_token_id": 259, "tokenizer.ggml.add_bos_token": False}
LAYER_NAMES = {"norm1": "attn_norm", "qkv": "attn_qkv", "output": "attn_output", "norm2": "ffn_norm", "up": "ffn_up", "down": "ffn_down"}
MODEL_NAMES = {"tokens": "token_embd", "positions": "position_embd", "norm": "output_norm", "head": "output"}


def peer_name(name):
    *layer, part, kind = name.split(".")
    return f"blk.{layer[0][5:]}.{LAYER_NAMES[part]}.{kind}" if layer else f"{MODEL_NAMES[part]}.{kind}"


def weights(path):
    with h5py.File(path) as file:
        return {peer_name(name): data[()] for name, data in file["weights"].items()}


def check_ours(path, kind):
    reader, expected = gguf.GGUFReader(path), weights(f"{path}.h5")
    for key, value in KEYS.items():
        assert reader.fields[key].contents() == value, (key, reader.fields[key].contents())
    assert reader.fields["general.file_type"].contents() == {"f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2}[kind]
    assert abs(reader.fields["gpt2.attention.layer_norm_epsilon"].contents() - 1e-5) < 1e-9
    tokens, types = (reader.fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "token_type"))
    assert tokens[32] == "Ġ" and tokens[65] == "A" and tokens[256:] == ["<|eos|>", "<|user|>", "<|assistant|>", "<|pad|>"]
    assert types == [1] * 256 + [3] * 4
    assert [tensor.name for tensor in reader.tensors] == list(expected), "tensor names or their order differ"
    for tensor in reader.tensors:
        numbers = expected[tensor.name]
        expected_type = TYPES[kind] if numbers.ndim == 2 and tensor.name != "position_embd.weight" else Type.F32
        assert tensor.tensor_type == expected_type, (tensor.name, tensor.tensor_type)
        assert list(tensor.shape)[::-1] == list(numbers.shape), (tensor.name, tensor.shape)
        assert tensor.data_offset % 32 == 0, tensor.name
        theirs = gguf.quants.quantize(numbers, expected_type)
        assert np.asarray(tensor.data).tobytes() == theirs.tobytes(), f"{kind}: {tensor.name} differs from the package's quantization"
    return reader


def check_fitted(writer, folder, kind):
    """Blocks that slm fits, which the package decodes: their types, and that both read the same numbers, close to the original ones."""
    path, (file_type, short, long, head) = folder / f"{kind}.gguf", FITTED[kind]
    run(writer, "to-gguf", path, kind)
    run(writer, "from-gguf", path, folder / "back.h5")
    reader, exact, found = gguf.GGUFReader(path), weights(f"{path}.h5"), weights(folder / "back.h5")
    types = {tensor.name: tensor.tensor_type for tensor in reader.tensors}
    assert reader.fields["general.file_type"].contents() == file_type
    assert (types["token_embd.weight"], types["blk.0.ffn_up.weight"], types["output.weight"]) == (short, short, head), types
    # More bits for some layers.
    assert types["blk.0.ffn_down.weight"] in (long, Type.Q6_K) and types["blk.0.attn_norm.weight"] == Type.F32, types
    for tensor in reader.tensors:
        numbers = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(exact[tensor.name].shape)
        assert (numbers.view(np.uint32) == found[tensor.name].view(np.uint32)).all(), f"{kind}: {tensor.name}"
        if tensor.tensor_type in (Type.IQ4_NL, Type.IQ4_XS):
            q4_0 = gguf.quants.dequantize(gguf.quants.quantize(exact[tensor.name], Type.Q4_0), Type.Q4_0)
            error, other = (((values - exact[tensor.name]) ** 2).sum() / (exact[tensor.name] ** 2).sum() for values in (numbers, q4_0))
            # Numbers of a normal distribution: about 0.0055, and 0.0074 with Q4_0.
            assert error < 0.006 and error < 0.8 * other, f"{kind}: {tensor.name} has a squared error of {error:.4f}, and {other:.4f} with Q4_0"


def check_template(reader):
    template = jinja2.Environment().from_string(reader.fields["tokenizer.chat_template"].contents())
    messages = [{"role": role, "content": text} for role, text in
            [("system", " Be kind. "), ("user", "Hi\n there "), ("assistant", "Hello!"), ("user", "Bye")]]
    assert template.render(messages=messages, add_generation_prompt=True) == "<|user|>Be kind.\n\nHi\n there<|assistant|>Hello!<|user|>Bye<|assistant|>"
    assert template.render(messages=messages[1:3]) == "<|user|>Hi\n there<|assistant|>Hello!<|eos|>"
    assert template.render(messages=messages[:1]) == "<|user|>Be kind.<|eos|>"


def write_theirs(path, kind, tensors, alignment):
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_custom_alignment(alignment)
    writer.add_context_length(96); writer.add_embedding_length(64); writer.add_block_count(2); writer.add_feed_forward_length(256)
    writer.add_head_count(2); writer.add_layer_norm_eps(1e-5); writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_sampling_temp(0.7); writer.add_sampling_top_k(20); writer.add_sampling_penalty_repeat(1.1)
    for name, numbers in tensors.items():
        if numbers.ndim == 2 and name != "position_embd.weight" and kind != Type.F32:
            writer.add_tensor(name, gguf.quants.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file(); writer.close()


def check_theirs(writer, folder, kind, alignment):
    random = np.random.default_rng(3)
    shapes = {name: numbers.shape for name, numbers in weights(folder / "f32.gguf.h5").items()}
    tensors = {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    write_theirs(folder / "theirs.gguf", TYPES[kind], tensors, alignment)
    run(writer, "from-gguf", folder / "theirs.gguf", folder / "theirs.h5")
    with h5py.File(folder / "theirs.h5") as file:
        sampling = json.loads(bytes(file["training/sampling"][()]))
    assert sampling == {"temperature": 0.7, "top_k": 20, "top_p": 1, "repetition_penalty": 1.1}, sampling
    found = weights(folder / "theirs.h5")
    assert set(found) == set(tensors)
    for tensor in gguf.GGUFReader(folder / "theirs.gguf").tensors:
        theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensors[tensor.name].shape)
        assert (theirs.view(np.uint32) == found[tensor.name].view(np.uint32)).all(), f"{kind}: {tensor.name}"


# Types that the package cannot quantize to: bytes of a block, and where its f16 scales are.
ONLY_READ = {
    Type.Q4_1: (20, 0, 4), Type.Q5_0: (22, 0, 2), Type.Q5_1: (24, 0, 4), Type.Q4_K: (144, 0, 4), Type.Q5_K: (176, 0, 4),
    Type.Q6_K: (210, 208, 210), Type.Q2_K: (84, 80, 84), Type.Q3_K: (110, 108, 110), Type.IQ4_NL: (18, 0, 2), Type.IQ4_XS: (136, 0, 2),
    Type.MXFP4: (17, 0, 0),
}


def check_only_read(writer, folder, kind):
    """Checks a type with random blocks, because the package can only decode some of them."""
    random, name = np.random.default_rng(4), "blk.0.ffn_down.weight"
    tensors = weights(folder / "f32.gguf.h5")
    size, start, end = ONLY_READ[kind]
    row = tensors[name].shape[1] // gguf.GGML_QUANT_SIZES[kind][0] * size
    blocks = random.integers(0, 256, (tensors[name].shape[0] * row // size, size), dtype=np.uint8)
    blocks[:, start:end] = random.standard_normal((len(blocks), (end - start) // 2)).astype(np.float16).view(np.uint8)
    blocks = blocks.reshape(-1, row)
    path = folder / "read.gguf"
    peer = gguf.GGUFWriter(path, "gpt2")
    peer.add_context_length(96); peer.add_embedding_length(64); peer.add_block_count(2); peer.add_feed_forward_length(256)
    peer.add_head_count(2); peer.add_layer_norm_eps(1e-5)
    for other, numbers in tensors.items():
        if other == name:
            peer.add_tensor(name, blocks, raw_dtype=kind)
        else:
            peer.add_tensor(other, numbers)
    peer.write_header_to_file(); peer.write_kv_data_to_file(); peer.write_tensors_to_file(); peer.close()
    run(writer, "from-gguf", path, folder / "read.h5")
    theirs = gguf.quants.dequantize(blocks, kind)
    assert (theirs.view(np.uint32) == weights(folder / "read.h5")[name].view(np.uint32)).all(), kind.name


def check_importance(writer, folder):
    """Importance matrices in both formats of llama.cpp: what slm reads, it writes as GGUF."""
    random = np.random.default_rng(5)
    # Sums [experts, inputs] and counts.
    entries = {"blk.0.attn_q.weight": (random.random((1, 48), np.float32) * 900, [300]), "blk.0.ffn_down_exps.weight": (random.random((3, 20), np.float32), [7, 0, 293])}
    peer = gguf.GGUFWriter(folder / "theirs.imatrix", "none")
    peer.add_type("imatrix")
    peer.add_array("imatrix.datasets", ["one.txt", "two.txt"]); peer.add_uint32("imatrix.chunk_count", 3); peer.add_uint32("imatrix.chunk_size", 100)
    for name, (sums, counts) in entries.items():
        peer.add_tensor(f"{name}.in_sum2", sums)
        peer.add_tensor(f"{name}.counts", np.array(counts, np.float32).reshape(-1, 1))
        peer.add_tensor(f"{name}.in_sum", sums)                  # of newer versions, which slm does not need
    peer.write_header_to_file(); peer.write_kv_data_to_file(); peer.write_tensors_to_file(); peer.close()
    older = struct.pack("<i", len(entries))
    for name, (sums, counts) in entries.items():
        data = name.encode()
        older += struct.pack("<i", len(data)) + data + struct.pack("<ii", 3, sums.size) + sums.tobytes()
    (folder / "older.dat").write_bytes(older + struct.pack("<ii", 3, 7) + b"one.txt")
    for file, datasets, size in [("theirs.imatrix", ["one.txt", "two.txt"], 100), ("older.dat", ["one.txt"], 0)]:
        run(writer, "imatrix", folder / file, folder / "ours.imatrix")
        reader = gguf.GGUFReader(folder / "ours.imatrix")
        found = {tensor.name: tensor for tensor in reader.tensors}
        assert reader.fields["general.type"].contents() == "imatrix" and reader.fields["imatrix.datasets"].contents() == datasets
        assert reader.fields["imatrix.chunk_count"].contents() == 3 and reader.fields["imatrix.chunk_size"].contents() == size
        assert list(found) == [f"{name}.{part}" for name in sorted(entries) for part in ("in_sum2", "counts")], list(found)
        for name, (sums, counts) in entries.items():
            # The older format has one count, and no rows.
            rows, counts = (1, [3]) if file == "older.dat" else (len(counts), counts)
            assert list(found[f"{name}.in_sum2"].shape) == [sums.size // rows, rows] and list(found[f"{name}.counts"].shape) == [1, rows], name
            assert (found[f"{name}.in_sum2"].data.ravel() == sums.ravel()).all() and found[f"{name}.counts"].data.ravel().tolist() == counts, name


def main():
    writer = sys.argv[1]
    with scratch_folder() as folder:
        for kind in TYPES:
            path = folder / f"{kind}.gguf"
            run(writer, "to-gguf", path, kind)
            check_template(check_ours(path, kind))
        run(writer, "to-gguf", folder / "tied.gguf", "q8_0", "tied")
        assert "output.weight" not in [tensor.name for tensor in check_ours(folder / "tied.gguf", "q8_0").tensors]
        for kind in TYPES:
            check_theirs(writer, folder, kind, alignment=32 if kind == "f32" else 64)
        for kind in ONLY_READ:
            check_only_read(writer, folder, kind)
        for kind in FITTED:
            check_fitted(writer, folder, kind)
        check_importance(writer, folder)
    print(f"gguf: the Python package reads our files in {', '.join([*TYPES, *FITTED])}, and slm reads the package's, and {', '.join(kind.name for kind in ONLY_READ)}")


if __name__ == "__main__":
    main()
