"""Guesses of the next tokens (`--speculate`): tokens per second with and without them, for answers that repeat their prompt and for others.

    .venv/bin/python Benchmarks/speculate.py --model smollm2.gguf --rounds 5

The rounds alternate between `--speculate never` and `auto`, whose answers must be equal; with --draft-model, `auto` also has guesses of a draft model. With --peer, llama-cpp-python answers the same questions without and with its
prompt lookup (`LlamaPromptLookupDecoding`). Speeds are of the tokens after the first one. `random` samples at temperature 2: nothing in it can be guessed.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

from record import SLM

PARAGRAPHS = [
    "The old lighthouse keeper walked down the winding stairs every evening to check the lamp. He carried a small lantern, a box of matches and a notebook in which he "
    "wrote the weather. On Tuesday the wind came from the north and the waves were higher than the wall. He closed the shutters, lit the lamp and waited for the ships.",
    "def mean(values):\n    total = 0\n    for value in values:\n        total = total + value\n    return total / len(values)\n\ndef largest(values):\n    best = values[0]\n"
    "    for value in values:\n        if value > best:\n            best = value\n    return best\n",
    "A checkpoint holds the weights, the tokenizer and the state of the optimizer. It is written to a new file first and renamed when it is complete, so that a crash "
    "leaves the old file. A run that was stopped continues from the last checkpoint with the same numbers. The best checkpoint is the one with the lowest loss on held-out data.",
]
TASKS = {
    "editing": [
        f"Copy this text, but write 'captain' instead of 'keeper':\n\n{PARAGRAPHS[0]} {PARAGRAPHS[2]}",
        f"Add a comment to this program and print the whole program:\n\n{PARAGRAPHS[1]}",
        f"Correct the spelling of this text and print it:\n\n{PARAGRAPHS[2]} {PARAGRAPHS[0]}",
    ],
    "summarizing": [f"Summarize this text in two sentences:\n\n{paragraph}" for paragraph in (PARAGRAPHS[0], PARAGRAPHS[2])],
    "chat": ["How do I make a good cup of tea?", "Tell me a story about a dog and a river.", "What is the difference between a violin and a guitar?"],
    "random": ["Tell me about the sea.", "What happened on Monday?"],
}


def ask(options, question, speculation, temperature):
    output = subprocess.run([
        str(options.slm), "generate", options.model, "--user", question, "--max-tokens", str(options.tokens), "--temperature", str(temperature), "--seed", "1", "--json",
        "--quiet", "--dtype", options.dtype, "--speculate", speculation, *(["--draft", options.draft_model] if options.draft_model else []),
    ], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def ours(options):
    results = {}
    for kind, questions in TASKS.items():
        temperature = 2 if kind == "random" else 0
        seconds, tokens, guesses = {"never": [], "auto": []}, 0, [0, 0]
        for round in range(options.rounds):
            sums, texts = {}, {}
            for speculation in ("never", "auto") if round % 2 == 0 else ("auto", "never"):
                answers = [ask(options, question, speculation, temperature) for question in questions]
                texts[speculation] = [answer["tokens"] for answer in answers]
                tokens = sum(answer["answer_tokens"] - 1 for answer in answers)
                seconds[speculation].append(sum(answer["timings"]["answer_s"] for answer in answers))
                if speculation == "auto":
                    guesses = [sum(answer.get("guesses", {}).get(key, 0) for answer in answers) for key in ("right", "checked")]
            if texts["never"] != texts["auto"]:
                sys.exit(f"{kind}: the answers with guesses differ from those without")
        never, auto = ([tokens / s for s in seconds[name]] for name in ("never", "auto"))
        ratio = statistics.median(a / n for a, n in zip(auto, never))
        results[kind] = {"tokens": tokens, "never": never, "auto": auto, "ratio": ratio, "guesses_right": guesses[0], "guesses_checked": guesses[1]}
        print(f"slm        {kind:12} {statistics.median(never):7.1f} → {statistics.median(auto):7.1f} tokens/s, {ratio:.2f} times; {tokens} tokens, "
              f"{guesses[0]} of {guesses[1]} guesses right", flush=True)
    return results


def theirs(options):
    from llama_cpp import Llama
    from llama_cpp.llama_speculative import LlamaPromptLookupDecoding
    results = {}
    models = {name: Llama(options.model, n_ctx=2048, n_threads=options.threads, n_threads_batch=options.threads, verbose=False, draft_model=draft)
              for name, draft in (("never", None), ("lookup", LlamaPromptLookupDecoding(num_pred_tokens=options.draft)))}
    for kind, questions in TASKS.items():
        if kind == "random": continue
        speeds = {name: [] for name in models}
        for _ in range(options.rounds):
            for name, model in models.items():
                seconds = tokens = 0
                for question in questions:
                    model.reset()
                    times = []
                    for chunk in model.create_chat_completion([{"role": "user", "content": question}], max_tokens=options.tokens, temperature=0, stream=True):
                        if chunk["choices"][0]["delta"].get("content"): times.append(time.perf_counter())
                    seconds += times[-1] - times[0]
                    tokens += len(times) - 1
                speeds[name].append(tokens / seconds)
        ratio = statistics.median(a / n for a, n in zip(speeds["lookup"], speeds["never"]))
        results[kind] = {**speeds, "ratio": ratio}
        print(f"llama.cpp  {kind:12} {statistics.median(speeds['never']):7.1f} → {statistics.median(speeds['lookup']):7.1f} tokens/s, {ratio:.2f} times", flush=True)
    return results


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--slm", default=SLM)
    arguments.add_argument("--model", required=True)
    arguments.add_argument("--dtype", default="auto")
    arguments.add_argument("--tokens", type=int, default=160)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--draft-model", help="the --draft of slm")
    arguments.add_argument("--draft", type=int, default=10, help="tokens that llama-cpp-python's prompt lookup guesses")
    arguments.add_argument("--peer", action="store_true")
    arguments.add_argument("--json")
    options = arguments.parse_args()
    results = {"slm": ours(options)}
    if options.peer: results["llama.cpp"] = theirs(options)
    if options.json: pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


main()
