"""Imports models of nanoGPT's layout that PyTorch saved, and compares every weight bit for bit with the checkpoint, read with h5py.

    Tests/Peers/check_pytorch.py .build/release/CheckpointWriter [FILE.pt …]
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import h5py
import torch

OURS = {"wte": "tokens", "tok_emb": "tokens", "wpe": "positions", "pos_emb": "positions", "ln_f": "norm", "lm_head": "head", "head": "head",
        "ln_1": "norm1", "ln_2": "norm2", "attn.c_attn": "qkv", "attn.c_proj": "output", "mlp.c_fc": "up", "mlp.c_proj": "down"}


def our_name(name):
    name = re.sub(r"^(_orig_mod\.)?(transformer\.)?", "", name).replace("gamma", "weight")
    layer = re.match(r"(?:h|blocks)\.(\d+)\.(.*)", name)
    path, kind = (layer[2] if layer else name).rsplit(".", 1)
    return (f"layer{layer[1]}." if layer else "") + f"{OURS[path]}.{kind}"


def state(layers, width, context, vocabulary, bias, dtype, prefix):
    def tensor(*shape):
        return torch.randn(*shape).to(dtype)
    result = {"transformer.wte.weight": tensor(vocabulary, width), "transformer.wpe.weight": tensor(context, width)}
    for layer in range(layers):
        for name, shape in [("ln_1", (width,)), ("attn.c_attn", (3 * width, width)), ("attn.c_proj", (width, width)), ("ln_2", (width,)),
                            ("mlp.c_fc", (4 * width, width)), ("mlp.c_proj", (width, 4 * width))]:
            result[f"transformer.h.{layer}.{name}.weight"] = tensor(*shape)
            if bias:
                result[f"transformer.h.{layer}.{name}.bias"] = tensor(shape[0])
    result["transformer.ln_f.weight"] = tensor(width)
    if bias:
        result["transformer.ln_f.bias"] = tensor(width)
    return {prefix + name: value for name, value in result.items()}


def check(program, path, folder):
    out = pathlib.Path(folder, "out.h5")
    subprocess.run([program, "pytorch", out, path], check=True)
    content = torch.load(path, weights_only=True, map_location="cpu")
    tensors = next((content[name] for name in ("model", "model_state", "model_state_dict") if name in content), content)
    with h5py.File(out, "r") as file:
        known = set()
        for name, tensor in tensors.items():
            if re.search(r"\.attn\.(bias|mask)$", name):
                continue
            ours = our_name(name)
            if ours == "head.weight" and file["configuration/tied"][()] == 1:
                ours = "tokens.weight"
            known.add(ours)
            found = torch.from_numpy(file["weights"][ours][()])
            assert torch.equal(found.view(torch.int32), tensor.float().contiguous().view(torch.int32)), name
        assert known == set(file["weights"]), known ^ set(file["weights"])
    return len(known)


def main():
    program, files = sys.argv[1], sys.argv[2:]
    torch.manual_seed(1)
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            for bias, tied, prefix in [(True, True, ""), (False, False, "_orig_mod."), (False, True, "_orig_mod.")]:
                model = state(3, 24, 10, 50, bias, dtype, prefix)
                embedding = model[prefix + "transformer.wte.weight"]
                model[prefix + "lm_head.weight"] = embedding if tied else torch.randn(50, 24).to(dtype)
                up = prefix + "transformer.h.1.mlp.c_fc.weight"
                model[up] = torch.randn(200, 96).to(dtype)[3:195:2, 5:53:2]            # a strided view
                arguments = {"n_layer": 3, "n_head": 4, "n_embd": 24, "block_size": 10, "bias": bias, "vocab_size": 50, "dropout": 0.0}
                path = pathlib.Path(folder, "ckpt.pt")
                torch.save({"model": model, "model_args": arguments, "iter_num": 7, "best_val_loss": torch.tensor(2.0)}, path)
                count += check(program, path, folder)
        for file in files:
            count += check(program, file, folder)
    print(f"pytorch: {count} arrays of {9 + len(files)} files of torch {torch.__version__} are equal")


if __name__ == "__main__":
    main()
