"""The counterpart of `slm bench generate`: llama.cpp with the same weights. Prints one line of JSON with the same keys.

    python Benchmarks/llama_generate.py model.gguf --batch 16 --prompt 128 --generate 200

Uses llama.cpp's defaults except for the threads, as `llama-server` does for this number of conversations. All prompts are decoded in one batch, then the next tokens
of all sequences in one batch per step. Logits are computed only where a token would be sampled. The next tokens do not depend on them, so that the work is the
same for any weights.
"""
import argparse
import ctypes
import json
import os
import re
import statistics
import time

import llama_cpp as llama

QUIET = llama.llama_log_callback(lambda level, text, user: None)


class Model:
    def __init__(self, path, options):
        start = time.perf_counter()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}")
        parameters = llama.llama_context_default_params()
        parameters.n_ctx = options.batch * (options.prompt + options.generate)
        parameters.n_batch = max(512, options.batch * options.prompt)
        parameters.n_seq_max = options.batch
        parameters.n_threads = parameters.n_threads_batch = options.threads
        self.context = llama.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(parameters.n_batch, 0, 1)
        self.decode([(1, 0, 0, True)])                        # the first token reads the mapped weights
        self.load_seconds = time.perf_counter() - start

    def clear(self):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)

    def decode(self, tokens):
        """Decodes tokens of (id, position, sequence, whether logits are needed)."""
        batch = self.batch
        batch.n_tokens = len(tokens)
        for i, (token, position, sequence, needs_logits) in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token % self.vocabulary, position, 1, needs_logits
            batch.seq_id[i][0] = sequence
        start = time.perf_counter()
        if llama.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")
        llama.llama_get_logits(self.context)
        return time.perf_counter() - start


def measure(model, options):
    prompts, answers = [], []
    for _ in range(options.repeat + 1):                       # the first round is a warm-up
        model.clear()
        prompts.append(model.decode([(37 * i + s, i, s, i == options.prompt - 1) for s in range(options.batch) for i in range(options.prompt)]))
        answers.append(sum(model.decode([(53 * g + s, options.prompt + g, s, True) for s in range(options.batch)]) for g in range(options.generate)))
    return (options.batch * options.prompt / statistics.median(prompts[1:]), options.batch * options.generate / statistics.median(answers[1:]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    for name, value in dict(prompt=128, generate=200, batch=1, repeat=3, threads=len(os.sched_getaffinity(0))).items():
        arguments.add_argument("--" + name, type=int, default=value)
    options = arguments.parse_args()
    llama.llama_log_set(QUIET, ctypes.c_void_p(0))
    llama.llama_backend_init()
    model = Model(options.model, options)
    prompt, answer = measure(model, options)
    print(json.dumps(dict(bench="generate", peer="llama.cpp of llama-cpp-python " + llama.__version__, case=os.path.basename(options.model).removesuffix(".gguf"),
                          batch=options.batch, prompt_tokens_per_s=round(prompt), tokens_per_s=round(answer), load_s=round(model.load_seconds, 3),
                          peak_rss_mb=int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) // 1024)))


if __name__ == "__main__":
    main()
