"""The counterpart of `slm bench train --lora`: peft on PyTorch, with random weights of the same shape, the same tokens per step and the same rank.

Prints a line of JSON: tokens per second of the whole step (forward, backward, AdamW), and peak memory.
    python Benchmarks/torch_lora.py --shape qwen2.5-0.5b --tokens 1024 [--dtype f32] [--compile] [--checkpointing]
"""
import argparse
import json
import os
import resource
import statistics
import time

import peft
import torch

from shapes import SHAPES, random_model


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    arguments.add_argument("--tokens", type=int, default=1024)
    arguments.add_argument("--rank", type=int, default=16)
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--warmup", type=int, default=1)
    arguments.add_argument("--dtype", choices=["bf16", "f32"], default="bf16", help="of the weights; bf16 is slow on CPUs without bf16 instructions")
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--checkpointing", action="store_true", help="recompute activations in the backward pass")
    options = arguments.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = random_model(options.shape, dtype=options.dtype)
    if options.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model = peft.get_peft_model(model, peft.LoraConfig(r=options.rank, lora_alpha=options.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    run = torch.compile(model) if options.compile else model
    ids = torch.randint(0, SHAPES[options.shape]["vocab_size"], (1, options.tokens))
    seconds = []
    for _ in range(options.warmup + options.steps):
        begin = time.perf_counter()
        run(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({
        "peer": f"peft {peft.__version__} on PyTorch {torch.__version__.split('+')[0]}", "shape": options.shape, "dtype": options.dtype, "tokens": options.tokens,
        "tokens_per_s": options.tokens / statistics.median(seconds[options.warmup:]), "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


if __name__ == "__main__":
    main()
