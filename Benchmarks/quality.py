"""Quality against size: the loss that quantized weights add, for slm's types and llama.cpp's, on the same weights and tokens.

    .venv/bin/python Benchmarks/quality.py --model smollm2.gguf --texts text.txt chat.txt code.txt --calibrate other.txt --json results.json

Needs llama-cpp-python (`make test-llama`). Every text is cut into windows of --context tokens; each token but the first is predicted from those before it in its
window. slm and llama.cpp must find the same ids: the losses in f32 show it. llama.cpp quantizes from f32; the types whose name ends in "+" with an importance
matrix, the mean squares of each matmul's inputs on --calibrate, which transformers computes. slm's int4+ is calibrated on the same text, int4* on text that the
model generates. slm also writes GGUF files with K-quants and IQ4_XS, whose losses both programs measure, and reads those of llama.cpp as they are.
Bits per weight count all tensors of a file, scales included, and no metadata.
"""
import argparse, ctypes, json, math, os, pathlib, subprocess, sys, tempfile

import numpy
import torch

TYPES = ["Q8_0", "Q5_K_M", "Q4_K_M", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "Q3_K_M", "Q2_K"]
CALIBRATED = ["Q4_K_M", "Q4_0", "IQ4_NL", "IQ4_XS"]
PARTS = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
GPT2_PARTS = {"attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, env=os.environ | {"SLM_AUTOTUNE": "off"}).stdout


def bits_per_weight(path):
    """For a checkpoint, the bits of all weights."""
    import gguf, h5py
    if str(path).endswith(".gguf"):
        tensors = gguf.GGUFReader(path).tensors
        return 8 * sum(int(t.n_bytes) for t in tensors) / sum(int(t.n_elements) for t in tensors)
    size = 0
    with h5py.File(path) as file:
        for group in ("weights", "rounded"):
            if group in file:
                found = []
                file[group].visititems(lambda _, item: found.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
                size += sum(found)
    return 8 * size


def importance(folder, text, context):
    """The mean squares of the inputs of each linear layer, by llama.cpp's names."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
    sums, counts = {}, {}

    def observe(name):
        def hook(_, inputs):
            x = inputs[0].reshape(-1, inputs[0].shape[-1])
            sums[name] = sums.get(name, 0) + x.square().sum(0)
            counts[name] = counts.get(name, 0) + len(x)
        return hook

    is_gpt2 = hasattr(model, "transformer")
    body = model.transformer if is_gpt2 else model.model
    for i, layer in enumerate(body.h if is_gpt2 else body.layers):
        for part, name in (GPT2_PARTS if is_gpt2 else PARTS).items():
            layer.get_submodule(part).register_forward_pre_hook(observe(f"blk.{i}.{name}.weight"))
    ids = tokenizer(open(text).read())["input_ids"][:65_536]
    with torch.no_grad():
        for start in range(0, len(ids), context):
            body(torch.tensor([ids[start:start + context]]))
    return {name: numpy.ascontiguousarray((sums[name] / counts[name]).numpy()) for name in sums}


def quantize(source, target, kind, matrix=None):
    import llama_cpp as L
    parameters = L.llama_model_quantize_default_params()
    parameters.ftype = getattr(L, "LLAMA_FTYPE_MOSTLY_" + kind)
    parameters.nthread = 2
    if matrix:
        entries = (L.llama_model_imatrix_data * (len(matrix) + 1))()
        for entry, (name, values) in zip(entries, matrix.items()):
            entry.name, entry.size = name.encode(), len(values)
            entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        parameters.imatrix = entries
    if L.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(parameters)) != 0:
        sys.exit(f"llama.cpp could not quantize to {kind}")


class LlamaModel:
    """A GGUF file in llama.cpp, on two threads."""

    def __init__(self, path, context):
        import llama_cpp as L
        self.library = L
        self.model = L.llama_model_load_from_file(str(path).encode(), L.llama_model_default_params())
        self.vocabulary = L.llama_model_get_vocab(self.model)
        parameters = L.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = context
        parameters.n_threads = parameters.n_threads_batch = 2
        self.state = L.llama_init_from_model(self.model, parameters)
        self.batch = L.llama_batch_init(context, 0, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        L = self.library
        L.llama_batch_free(self.batch), L.llama_free(self.state), L.llama_model_free(self.model)

    def ids(self, data):
        ids = (self.library.llama_token * (len(data) + 8))()
        return ids[:self.library.llama_tokenize(self.vocabulary, data, len(data), ids, len(ids), False, False)]

    def logits(self, window):
        """The logits after each token of a window, valid until the next call."""
        L, batch = self.library, self.batch
        L.llama_memory_clear(L.llama_get_memory(self.state), True)
        batch.n_tokens = len(window)
        for i, token in enumerate(window):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        assert L.llama_decode(self.state, batch) == 0
        shape = (len(window), L.llama_vocab_n_tokens(self.vocabulary))
        return torch.from_numpy(numpy.ctypeslib.as_array(L.llama_get_logits(self.state), shape))


def llama_losses(path, texts, context):
    losses = []
    with LlamaModel(path, context) as model:
        for text in texts:
            ids, total = model.ids(open(text, "rb").read()), 0.0
            count = len(ids)
            for start in range(0, count - 1, context):
                window = ids[start:min(start + context, count - 1)]
                targets = torch.tensor(ids[start + 1:start + 1 + len(window)])
                total += torch.nn.functional.cross_entropy(model.logits(window), targets, reduction="sum").item()
            losses.append(total / (count - 1))
    return losses


def slm_losses(slm, path, dtype, texts, context):
    rows = [run(slm, "eval", path, "--data", text, "--format", "text", "--context", context, "--stride", context, "--dtype", dtype, "--json") for text in texts]
    return [json.loads(row.splitlines()[0])["loss"] for row in rows]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--slm", default=".build/release/slm")
    arguments.add_argument("--model", required=True, help="a GGUF file, a Hugging Face folder or a checkpoint")
    arguments.add_argument("--texts", nargs="+", required=True)
    arguments.add_argument("--calibrate", required=True, help="another text")
    arguments.add_argument("--context", type=int, default=512)
    arguments.add_argument("--json")
    options = arguments.parse_args()
    import llama_cpp as L
    quiet = L.llama_log_callback(lambda level, text, user: None)
    L.llama_log_set(quiet, ctypes.c_void_p(0))
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        f32 = folder / "f32.gguf"
        run(options.slm, "export", options.model, "--out", f32, "--dtype", "f32", "--quiet")
        run(options.slm, "export", options.model, "--out", folder / "hf", "--quiet")
        import gguf
        weights = sum(int(t.n_elements) for t in gguf.GGUFReader(f32).tensors)
        matrix = importance(folder / "hf", options.calibrate, options.context)

        def add(program, kind, bits, losses, writer=None):
            """The losses that a program has with weights that `writer` quantized."""
            rows.append({"program": program, "type": kind, "bits_per_weight": round(bits, 3), "losses": [round(loss, 5) for loss in losses],
                         "writer": writer or program, "shown": True})
            base = next(row["losses"] for row in rows if row["program"] == program)
            added = [loss - first for loss, first in zip(losses, base)]
            print(f"{program:10} {kind + ('' if writer in (None, program) else ' of ' + writer):22} {bits:6.2f} bits  " + "  ".join(f"{loss:.4f} {more:+.4f}" for loss, more in zip(losses, added))
                  + f"   mean {sum(added) / len(added):+.4f}", flush=True)

        add("llama.cpp", "F32", 32, llama_losses(f32, options.texts, options.context))
        add("slm", "f32", 32, slm_losses(options.slm, f32, "f32", options.texts, options.context))

        def add_file(path, kind, writer):
            """Both programs read the same file."""
            bits = bits_per_weight(path)
            add("llama.cpp", kind, bits, llama_losses(path, options.texts, options.context), writer)
            add("slm", kind, bits, slm_losses(options.slm, path, "auto", options.texts, options.context), writer)
            rows[-1]["shown"] = False

        target = folder / "quantized.gguf"
        for kind in TYPES:
            for given in ([None, matrix] if kind in CALIBRATED else [None]):
                quantize(f32, target, kind, given)
                add_file(target, kind + ("+" if given else ""), "llama.cpp")
        for kind, extra in [("q6_k*", []), ("q5_k_m*", []), ("q4_k_m*", []), ("q4_k_m+", ["--calibrate", options.calibrate]),
                            ("iq4_xs*", []), ("iq4_xs+", ["--calibrate", options.calibrate])]:
            run(options.slm, "export", f32, "--out", target, "--dtype", kind.rstrip("*+"), "--quiet", *extra)
            add_file(target, kind, "slm")
        for kind, extra in [("int8", []), ("int6*", []), ("int4*", []), ("int4+", ["--calibrate", options.calibrate])]:
            target = folder / "quantized.h5"
            run(options.slm, "export", f32, "--out", target, "--dtype", kind.rstrip("*+"), "--quiet", *extra)
            add("slm", kind, bits_per_weight(target) / weights, slm_losses(options.slm, target, "auto", options.texts, options.context))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"model": os.path.basename(options.model), "texts": [os.path.basename(t) for t in options.texts], "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
