"""Speed of embedding models and rerankers: slm beside sentence-transformers on PyTorch, in turns.

    .venv/bin/pip install sentence-transformers
    .venv/bin/python Benchmarks/embeddings.py FOLDER [--rounds 5] [--texts 64] [--rerank]

FOLDER has a model that both read, such as all-MiniLM-L6-v2, or with --rerank a reranker. Three sets of texts: all of 256 tokens; lengths from 8 to 256 in
random order; 16 tokens. A reranker reads each with a question of eight words. Both programs tokenize. Times are those of the CPU, which other programs on
the machine change less than those of the clock: of slm, the whole program with N texts less that with one text; of PyTorch, `encode` or `predict`. With one
thread by default, so that no thread waits for another one.
"""
import argparse
import os
import pathlib
import random
import statistics
import subprocess
import time

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = pathlib.Path(__file__).resolve().parent.parent
SLM = ROOT / ".build" / "release" / "slm"
QUESTION = "which of these passages has the right answer"
WORDS = "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were".split()


def texts(lengths):
    chance = random.Random(1)
    return [" ".join(chance.choice(WORDS) for _ in range(length - 2)) for length in lengths]       # without [CLS] and [SEP]


def ours(folder, texts, options):
    command = ["rerank", str(folder), QUESTION] if options.rerank else ["embed", str(folder)]
    start = os.times()
    subprocess.run([str(SLM), *command, "--file", "-", "--threads", str(options.threads)], check=True, stdout=subprocess.DEVNULL,
                   input="".join(text + "\n" for text in texts).encode())
    end = os.times()
    return end.children_user + end.children_system - start.children_user - start.children_system


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--texts", type=int, default=64)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rerank", action="store_true", help="the folder has a reranker")
    options = arguments.parse_args()
    import torch
    from sentence_transformers import CrossEncoder, SentenceTransformer
    torch.set_num_threads(options.threads)
    if options.rerank:
        model = CrossEncoder(str(options.folder), device="cpu")
        run = lambda texts: model.predict([(QUESTION, text) for text in texts])
    else:
        model = SentenceTransformer(str(options.folder), device="cpu")
        run = model.encode
    chance = random.Random(2)
    count = options.texts
    sets = {"256 tokens": [256] * count, "8 to 256 tokens": [chance.randint(8, 256) for _ in range(count)], "16 tokens": [16] * (8 * count)}
    for name, lengths in sets.items():
        batch, tokens, times = texts(lengths), sum(lengths), {"slm": [], "sentence-transformers": []}
        run(batch[:8])
        for _ in range(options.rounds):
            times["slm"].append(ours(options.folder, batch, options) - ours(options.folder, batch[:1], options))
            start = time.process_time()
            run(batch)
            times["sentence-transformers"].append(time.process_time() - start)
        ratio = statistics.median(b / a for a, b in zip(times["slm"], times["sentence-transformers"]))
        unit, what, digits = (len(batch), "passages", 1) if options.rerank else (tokens, "tokens", 0)
        print(f"{name:<16}" + "   ".join(f"{who} {unit / statistics.median(seconds):8,.{digits}f} {what}/s" for who, seconds in times.items())
              + f"   {ratio:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
