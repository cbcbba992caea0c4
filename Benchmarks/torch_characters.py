"""nanoGPT's character-level model in PyTorch: the comparison for `slm train --preset characters` in Documentation/Learn/Shakespeare.md.

    python Benchmarks/torch_characters.py data/characters            # a folder written by slm tokenize corpus

The hyperparameters are nanoGPT's for a CPU (README, "I only have a macbook"): 4 layers, 4 heads, width 128, context 64, batch size 12, 2,000 steps; AdamW with
β 0.9/0.99 and weight decay 0.1; a learning rate of 1e-3 after 100 steps of warmup, with cosine decay to 1e-4; no dropout, no biases, tied embeddings. Prints the
loss on random windows of val.bin and on all of it, and the training time.
"""
import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

LAYERS, HEADS, C, T, ROWS = 4, 4, 128, 64, 12


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(C, bias=False), nn.LayerNorm(C, bias=False)
        self.qkv, self.output = nn.Linear(C, 3 * C, bias=False), nn.Linear(C, C, bias=False)
        self.up, self.down = nn.Linear(C, 4 * C, bias=False), nn.Linear(4 * C, C, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = (part.view(B, T, HEADS, C // HEADS).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(C, dim=-1))
        x = x + self.output(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, C), nn.Embedding(T, C)
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(C, bias=False)
        for name, x in self.named_parameters():
            if x.dim() == 2:
                nn.init.normal_(x, std=0.02 / math.sqrt(2 * LAYERS) if name.endswith(("output.weight", "down.weight")) else 0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy((self.norm(x) @ self.tokens.weight.mT).flatten(0, 1), targets.flatten())


def windows(tokens, rows, generator):
    starts = torch.randint(len(tokens) - T, (rows,), generator=generator).tolist()
    rows = [torch.from_numpy(tokens[start : start + T + 1].astype(np.int64)) for start in starts]
    return torch.stack([row[:-1] for row in rows]), torch.stack([row[1:] for row in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--bf16", action="store_true", help="bf16 matmuls by autocast")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    train, val = (np.fromfile(options.data / f"{part}.bin", "<u2") for part in ["train", "val"])
    model, generator = GPT(int(max(train.max(), val.max())) + 1), torch.Generator().manual_seed(options.seed)
    matrices, vectors = ([x for x in model.parameters() if (x.dim() >= 2) == wide] for wide in [True, False])
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0}], betas=(0.9, 0.99), fused=True)
    run = torch.compile(model) if options.compile else model

    def loss(ids, targets):
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16):
            return run(ids, targets)

    if options.compile:
        loss(*windows(train, ROWS, generator)).backward()       # compile before the clock starts
        optimizer.zero_grad()
    begin = time.monotonic()
    for step in range(options.steps):
        progress = max(0, step - 100) / max(1, options.steps - 100)
        rate = 1e-3 * (step + 1) / 101 if step < 100 else 1e-4 + 0.5 * (1 + math.cos(math.pi * progress)) * 9e-4
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = loss(*windows(train, ROWS, generator))
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.monotonic() - begin
    model.eval()
    with torch.no_grad():
        sampled = [loss(*windows(val, ROWS, generator)).item() for _ in range(20)]
        count = (len(val) - 1) // T
        ids = torch.from_numpy(val[: count * T + 1].astype(np.int64))
        parts = zip(ids[:-1].view(count, T).split(256), ids[1:].view(count, T).split(256))
        whole = sum(loss(x, y).item() * len(x) for x, y in parts) / count
    print(f"torch {torch.__version__}: {options.steps} steps in {seconds:.1f} s, {options.steps * ROWS * T / seconds:.0f} tokens/s, "
          f"val {sum(sampled) / 20:.4f} on 20 random batches, {whole:.4f} on all of it")


if __name__ == "__main__":
    main()
