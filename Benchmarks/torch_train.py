"""The counterpart of `slm bench train`: the same model, batch and step in PyTorch on the CPU.

Prints one line of JSON per mode: tokens per second of the whole step (forward, backward, clipping, AdamW).
    python Benchmarks/torch_train.py --modes eager-f32,compile-bf16 --layers 6 --heads 8 --width 512
"""
import argparse
import json
import os
import resource
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (t.view(B, T, self.heads, C // self.heads).transpose(1, 2) for t in self.qkv(self.norm1(x)).split(C, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, layers, heads, width, context, vocabulary, tied):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), targets.reshape(-1))


def measure(mode, o):
    torch.manual_seed(0)
    model = GPT(o.layers, o.heads, o.width, o.context, o.vocabulary, o.tied).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    forward = torch.compile(model) if mode.startswith("compile") else model
    batch = torch.randint(o.vocabulary, (o.batch, o.context + 1))
    times = []
    for step in range(o.warmup + o.steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.endswith("bf16")):
            loss = forward(batch[:, :-1], batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step >= o.warmup:
            times.append(time.perf_counter() - start)
    tokens = o.batch * o.context
    return dict(peer="torch " + torch.__version__, mode=mode, params=sum(p.numel() for p in model.parameters()),
                tokens_per_s=round(tokens / statistics.median(times), 1), best=round(tokens / min(times), 1),
                peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--modes", default="eager-f32,eager-bf16,compile-f32,compile-bf16")
    for name, value in dict(layers=6, heads=8, width=512, context=384, vocabulary=16387, batch=12, steps=8, warmup=3).items():
        arguments.add_argument("--" + name, type=int, default=value)
    arguments.add_argument("--tied", action="store_true")
    options = arguments.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    for mode in options.modes.split(","):
        torch._dynamo.reset()
        print(json.dumps(measure(mode, options)), flush=True)


if __name__ == "__main__":
    main()
