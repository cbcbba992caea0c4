"""The counterpart of `slm bench train --lora`: peft on PyTorch, with random bf16 weights of the same shape, the same tokens per step and the same rank.

Prints a line of JSON: tokens per second of the whole step (forward, backward, AdamW), and peak memory.
    python Benchmarks/torch_lora.py --shape qwen2.5-0.5b --tokens 1024 [--compile] [--checkpointing]
"""
import argparse
import json
import os
import resource
import statistics
import time

import peft
import torch
import transformers

LLAMA, QWEN = (transformers.LlamaConfig, transformers.LlamaForCausalLM), (transformers.Qwen2Config, transformers.Qwen2ForCausalLM)
SHAPES = {
    "smollm2-135m": (LLAMA, dict(vocab_size=49_152, hidden_size=576, intermediate_size=1_536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3)),
    "qwen2.5-0.5b": (QWEN, dict(vocab_size=151_936, hidden_size=896, intermediate_size=4_864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2)),
    "llama-3.2-1b": (LLAMA, dict(vocab_size=128_256, hidden_size=2_048, intermediate_size=8_192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8)),
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    arguments.add_argument("--tokens", type=int, default=1024)
    arguments.add_argument("--rank", type=int, default=16)
    arguments.add_argument("--steps", type=int, default=4)
    arguments.add_argument("--warmup", type=int, default=1)
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--checkpointing", action="store_true", help="recompute activations in the backward pass")
    options = arguments.parse_args()
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    (configuration, model_class), shape = SHAPES[options.shape]
    model = model_class(configuration(**shape, tie_word_embeddings=True, max_position_embeddings=4_096))
    if options.checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    model = peft.get_peft_model(model, peft.LoraConfig(r=options.rank, lora_alpha=options.rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    run = torch.compile(model) if options.compile else model
    ids = torch.randint(0, shape["vocab_size"], (1, options.tokens))
    seconds = []
    for _ in range(options.warmup + options.steps):
        begin = time.perf_counter()
        run(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({
        "peer": f"peft {peft.__version__} on PyTorch {torch.__version__.split('+')[0]}", "shape": options.shape, "tokens": options.tokens,
        "tokens_per_s": options.tokens / statistics.median(seconds[options.warmup:]), "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}))


if __name__ == "__main__":
    main()
