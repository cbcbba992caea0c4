"""The counterpart of `slm train --time`: nanoGPT's recipe in compiled bf16 PyTorch with the same time limit and tokens.

    python Benchmarks/torch_learn.py data --minutes 10          # a folder written by slm tokenize corpus

The clock runs only during training steps, without compilation and evaluation. Prints a line of JSON every hundred steps and at the end, with the loss on all of
val.bin in windows without overlap, which is what `slm eval --windows --stride 384` computes.
"""
import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

from torch_train import GPT

T = 384


def batch(tokens, starts):
    rows = torch.from_numpy(np.stack([tokens[i : i + T + 1] for i in starts]).astype(np.int64))
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def evaluate(forward, tokens, rows):
    starts = [j * T for j in range((len(tokens) - 1) // T)]
    starts = starts[: len(starts) - len(starts) % rows]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = [forward(*batch(tokens, starts[i : i + rows])).item() for i in range(0, len(starts), rows)]
    return sum(losses) / len(losses)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--lr", type=float, default=1e-3)
    arguments.add_argument("--rows", type=int, default=12)
    arguments.add_argument("--warmup", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    torch.manual_seed(options.seed)
    meta = json.loads((options.data / "meta.json").read_text())
    train, val = (np.memmap(options.data / f"{part}.bin", np.uint16, "r") for part in ("train", "val"))
    model = GPT(6, 8, 512, T, meta["tokenizer"]["vocabulary"], False)
    for name, p in model.named_parameters():
        if p.dim() == 2:
            nn.init.normal_(p, std=0.02 / math.sqrt(12) if name.endswith(("output.weight", "down.weight")) else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(p)
    matrices, rest = [p for p in model.parameters() if p.dim() >= 2], [p for p in model.parameters() if p.dim() < 2]
    groups = [dict(params=matrices, weight_decay=0.1), dict(params=rest, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, 0.95), fused=True)
    forward, rng = torch.compile(model), np.random.default_rng(options.seed)

    def step(rate):
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = forward(*batch(train, rng.integers(0, len(train) - T - 1, options.rows)))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    evaluate(forward, val[: T * options.rows + 1], options.rows)
    step(0.0), step(0.0)                                   # compilation
    optimizer.state.clear()
    seconds, steps, limit = 0.0, 0, options.minutes * 60
    text = sum(meta["val"]["bytes"].values())
    while seconds < limit:
        rate = options.lr * min(1, (steps + 1) / options.warmup) * (0.1 + 0.45 * (1 + math.cos(math.pi * seconds / limit)))
        begin = time.perf_counter()
        loss = step(rate)
        seconds += time.perf_counter() - begin
        steps += 1
        if steps % 100 == 0 or seconds >= limit:
            nats = evaluate(forward, val, options.rows)
            print(json.dumps(dict(peer="torch", step=steps, seconds=round(seconds, 1), tokens=steps * options.rows * T, train=round(loss, 4), val=round(nats, 4),
                                  bits_per_byte=round(nats * (len(val) - 1) / math.log(2) / text, 4))), flush=True)


if __name__ == "__main__":
    main()
