"""The counterpart of `slm train --time`: a recipe in compiled PyTorch with the same time limit and tokens.

    python Benchmarks/torch_learn.py data --minutes 10                       # nanoGPT's recipe; data: a folder written by slm tokenize corpus
    python Benchmarks/torch_learn.py data --minutes 10 --recipe strong       # the recipe of torch_strong.py

The clock runs only during training steps, without compilation and evaluation. With --step-seconds it counts each step as that many seconds, so that the result does
not depend on what else the machine does. Prints a line of JSON at the end, and after every --every steps, with the loss on all of val.bin in windows without overlap, which is what
`slm eval --stream --stride 384` computes.
"""
import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

from torch_strong import Strong
from torch_train import GPT

T = 384


class NanoGPT:
    """nanoGPT's recipe: AdamW with a cosine decay to a tenth, gradients clipped to a norm of 1."""

    def __init__(self, layers, heads, width, context, vocabulary, options):
        self.model = GPT(layers, heads, width, context, vocabulary, False)
        self.options = options
        for name, p in self.model.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if name.endswith(("output.weight", "down.weight")) else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        self.reset()

    def reset(self):
        matrices, rest = [[p for p in self.model.parameters() if (p.dim() >= 2) == is_matrix] for is_matrix in (True, False)]
        groups = [dict(params=matrices, weight_decay=0.1), dict(params=rest, weight_decay=0.0)]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True)

    def update(self, scale, progress):
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * scale * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()


RECIPES = {"nanogpt": (NanoGPT, 100), "strong": (Strong, 20)}           # with the steps of their warm-up


def batch(tokens, starts):
    rows = torch.from_numpy(np.stack([tokens[i : i + T + 1] for i in starts]).astype(np.int64))
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def evaluate(forward, tokens, rows):
    starts = [j * T for j in range((len(tokens) - 1) // T)]
    starts = starts[: len(starts) - len(starts) % rows]
    losses = [forward(*batch(tokens, starts[i : i + rows])).item() for i in range(0, len(starts), rows)]
    return sum(losses) / len(losses)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--recipe", choices=RECIPES, default="nanogpt")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--step-seconds", type=float, help="count each step as this many seconds")
    arguments.add_argument("--dtype", choices=("bf16", "f32"), default="bf16")
    arguments.add_argument("--threads", type=int, help="default: all cores")
    arguments.add_argument("--lr", type=float, default=1e-3, help="of nanogpt")
    arguments.add_argument("--muon-lr", type=float, default=0.02, help="of strong, as the following ones")
    arguments.add_argument("--embedding-lr", type=float, default=0.05)
    arguments.add_argument("--head-lr", type=float, default=0.003)
    arguments.add_argument("--cooldown", type=float, default=0.6, help="the share of the time in which the rates fall to zero")
    arguments.add_argument("--rows", type=int, default=12)
    arguments.add_argument("--warmup", type=int)
    arguments.add_argument("--every", type=int, help="evaluate after so many steps, too: on two cores, an evaluation takes as long as some 60 steps")
    arguments.add_argument("--val-tokens", type=int, help="evaluate on the first tokens only, to compare rates")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    torch.manual_seed(options.seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    meta = json.loads((options.data / "meta.json").read_text())
    train, val = (np.memmap(options.data / f"{part}.bin", np.uint16, "r") for part in ("train", "val"))
    make, warmup = RECIPES[options.recipe]
    warmup = options.warmup or warmup
    recipe = make(6, 8, 512, T, meta["tokenizer"]["vocabulary"], options)
    forward, rng = torch.compile(recipe.model), np.random.default_rng(options.seed)

    def cast():
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.dtype == "bf16")

    def step(scale, progress):
        with cast():
            loss = forward(*batch(train, rng.integers(0, len(train) - T - 1, options.rows)))
        loss.backward()
        recipe.update(scale, progress)
        recipe.model.zero_grad(set_to_none=True)
        return loss.item()

    with cast():
        evaluate(forward, val[: T * options.rows + 1], options.rows)
    step(0.0, 0.0), step(0.0, 0.0)                         # compilation; a rate of zero changes no weight
    recipe.reset()
    seconds, steps, limit = 0.0, 0, options.minutes * 60
    # Bytes of text for each token that is predicted.
    text = sum(meta["val"]["bytes"].values()) / (len(val) - 1)
    val = val[: options.val_tokens]
    while seconds < limit:
        begin = time.perf_counter()
        loss = step(min(1, (steps + 1) / warmup), seconds / limit)
        seconds += options.step_seconds or time.perf_counter() - begin
        steps += 1
        if options.every and steps % options.every == 0 or seconds >= limit:
            with cast():
                nats = evaluate(forward, val, options.rows)
            print(json.dumps(dict(peer=f"torch, {options.recipe}", step=steps, seconds=round(seconds, 1), tokens=steps * options.rows * T, train=round(loss, 4),
                                  val=round(nats, 4), bits_per_byte=round(nats / math.log(2) / text, 4))), flush=True)


if __name__ == "__main__":
    main()
