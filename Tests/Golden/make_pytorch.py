"""Writes small checkpoints in the formats of nanoGPT and nanogpt-chat: nanogpt.pt and nanogpt-finetuned.pt beside this file.

    python Tests/Golden/make_pytorch.py           # needs torch; prints the losses that PyTorchTests.swift expects

Element k of tensor i is ((k + 3 i) mod 31 - 15) / 16, which is exact in f16 and bf16, so that the test can compute it.
"""
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
WIDTH, CONTEXT, VOCABULARY = 4, 3, 5


def names(bias):
    yield "transformer.wte.weight", (VOCABULARY, WIDTH)
    yield "transformer.wpe.weight", (CONTEXT, WIDTH)
    block = [("ln_1", (WIDTH,)), ("attn.c_attn", (3 * WIDTH, WIDTH)), ("attn.c_proj", (WIDTH, WIDTH)), ("ln_2", (WIDTH,)),
             ("mlp.c_fc", (4 * WIDTH, WIDTH)), ("mlp.c_proj", (WIDTH, 4 * WIDTH))]
    for name, shape in [(f"transformer.h.0.{name}", shape) for name, shape in block] + [("transformer.ln_f", (WIDTH,))]:
        yield name + ".weight", shape
        if bias:
            yield name + ".bias", shape[:1]


def numbers(i, shape):
    return (((torch.arange(torch.Size(shape).numel()) + 3 * i) % 31 - 15) / 16).reshape(shape)


def loss(state, heads):
    """Of [0, 3, 4] before [3, 4, 1], as nanoGPT computes it, in f64."""
    w = {name.removeprefix("_orig_mod.").removeprefix("transformer."): tensor.double() for name, tensor in state.items()}

    def norm(x, name):
        return F.layer_norm(x, (WIDTH,), w[name + ".weight"], w.get(name + ".bias"), 1e-5)

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    ids = torch.tensor([0, 3, 4])
    x = w["wte.weight"][ids] + w["wpe.weight"]
    q, k, v = (part.view(CONTEXT, heads, -1).transpose(0, 1) for part in linear(norm(x, "h.0.ln_1"), "h.0.attn.c_attn").split(WIDTH, dim=1))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(0, 1).reshape(CONTEXT, WIDTH)
    x = x + linear(y, "h.0.attn.c_proj")
    x = x + linear(F.gelu(linear(norm(x, "h.0.ln_2"), "h.0.mlp.c_fc")), "h.0.mlp.c_proj")
    return F.cross_entropy(norm(x, "ln_f") @ w["lm_head.weight"].t(), torch.tensor([3, 4, 1])).item()


def save(name, content):
    # The name of the file is also that of the folder in the archive.
    torch.save(content, HERE / name)


def main():
    state = {"_orig_mod." + name: numbers(i, shape) for i, (name, shape) in enumerate(names(bias=True))}
    up = "_orig_mod.transformer.h.0.mlp.c_fc.weight"
    state[up] = state[up].t().contiguous().t()                              # the same numbers in columns
    state["_orig_mod.transformer.h.0.attn.bias"] = torch.tril(torch.ones(CONTEXT, CONTEXT)).view(1, 1, CONTEXT, CONTEXT)
    state["_orig_mod.lm_head.weight"] = state["_orig_mod.transformer.wte.weight"]
    arguments = {"n_layer": 1, "n_head": 2, "n_embd": WIDTH, "block_size": CONTEXT, "bias": True, "vocab_size": VOCABULARY, "dropout": 0.25}
    print("nanogpt.pt", loss(state, heads=2))
    save("nanogpt.pt", {"model": state, "optimizer": {"state": {}, "param_groups": []}, "model_args": arguments, "iter_num": 2_000,
                        "best_val_loss": torch.tensor(1.5), "config": {"out_dir": "out", "n_head": 6, "learning_rate": 1e-3, "compile": True}})

    # nanogpt-chat saves the configuration as an object of nanoGPT's model.py.
    module = sys.modules["model"] = types.ModuleType("model")
    module.GPTConfig = type("GPTConfig", (), {"__module__": "model"})
    configuration = module.GPTConfig()
    vars(configuration).update(block_size=CONTEXT, vocab_size=VOCABULARY, n_layer=1, n_head=1, n_embd=WIDTH, dropout=0.0, bias=False)
    kinds = [torch.bfloat16, torch.float16, torch.float32]
    state = {name: numbers(i, shape).to(kinds[i % 3]) for i, (name, shape) in enumerate(names(bias=False))}
    state["transformer.wpe.weight"] = torch.nn.Parameter(state["transformer.wpe.weight"])
    state["lm_head.weight"] = numbers(9, (VOCABULARY, WIDTH)).bfloat16()
    print("nanogpt-finetuned.pt", loss(state, heads=1))
    save("nanogpt-finetuned.pt", {"model_state_dict": state, "config": configuration, "iter": 1_000, "train_loss": 2.25, "val_loss": 2.5})


if __name__ == "__main__":
    main()
