"""How often a planted preference wins on held-out questions, before and after `slm finetune --preferences`.

    python3 Benchmarks/preferences.py [--slm .build/release/slm] [--seeds 1,2,3] [--methods dpo,kto] [--lora 0,8] [--chats data/sample.txt]
        [--base smollm2.gguf]

Trains a small model on sums that it answers politely ("Of course: it is 19.") half of the time, at random. Then half of the sums get
preferences: of a polite and a plain answer the polite one is chosen (DPO), or single answers are rated good and bad (KTO). The win rate
is the share of polite answers to the other sums, sampled at temperature 1. That the answers are still right shows what was forgotten.
With --chats, the first questions and answers of these chats take the place of the sums: 400 get preferences, 400 others are held out.
With --base, another model takes the place of the one that is trained here. It does not know the answers, so their loss without the planted
words is printed instead of the share that is right.
Everything is made from seeds; the files go to a temporary folder, or to --keep DIR.
"""
import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent
POLITE = "Of course: {}"
PLAIN = "{}"


def sums(chance):
    """Questions with their answers, of which the second half is held out."""
    pairs = [(a, b) for a in range(1, 21) for b in range(1, 21)]
    chance.shuffle(pairs)
    return [(f"What is {a} plus {b}?", f"It is {a + b}.") for a, b in pairs]


def exchanges(path, chance):
    """The first question and answer of each chat."""
    found = {}
    for line in path.read_text().splitlines():
        question, answer = line.removeprefix("[INST] ").split(" [INST] ")[0].split(" [/INST] ")
        found[question] = answer.strip()
    found = list(found.items())
    chance.shuffle(found)
    return found


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--slm", default=str(HERE.parent / ".build/release/slm"))
    arguments.add_argument("--chats", type=pathlib.Path, help="chats instead of sums")
    arguments.add_argument("--seeds", default="1")
    arguments.add_argument("--methods", default="dpo,kto")
    arguments.add_argument("--lora", default="0", help="ranks of adapters; 0 trains the whole model")
    arguments.add_argument("--base", type=pathlib.Path, help="a model instead of one that is trained; needs --chats")
    arguments.add_argument("--pairs", type=int, default=400, help="the number of chats with preferences, and of those held out")
    arguments.add_argument("--base-steps", type=int, default=1200)
    arguments.add_argument("--options", default="--lr 3e-4", help="further options of slm finetune, such as '--beta 0.3'")
    arguments.add_argument("--keep", help="write the files to this folder")
    options = arguments.parse_args()

    def slm(*words):
        done = subprocess.run([options.slm, *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"slm {' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(options.keep or stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        chance = random.Random(7)
        pairs = exchanges(options.chats, chance) if options.chats else sums(chance)
        count = options.pairs if options.chats else 200
        trained, held_out = pairs[:count], pairs[count:2 * count]
        write(folder / "chats.jsonl", [{"user": question, "assistant": chance.choice([POLITE, PLAIN]).format(answer)}
                                       for question, answer in pairs for _ in range(6)])
        write(folder / "dpo.jsonl", [{"prompt": question, "chosen": POLITE.format(answer), "rejected": PLAIN.format(answer)}
                                     for question, answer in trained])
        write(folder / "kto.jsonl", [{"prompt": question, "completion": (POLITE if i % 2 == 0 else PLAIN).format(answer), "label": i % 2 == 0}
                                     for i, (question, answer) in enumerate(trained)])
        (folder / "questions.txt").write_text("".join(question + "\n" for question, _ in held_out))
        write(folder / "held-out.jsonl", [{"user": question, "assistant": answer} for question, answer in held_out])

        def train_base():
            begin = time.time()
            slm("tokenize", "train", "--data", folder / "chats.jsonl", "--vocab-size", 400, "--out", folder / "data/tokenizer.json")
            slm("tokenize", "corpus", "--data", folder / "chats.jsonl", "--tokenizer", folder / "data/tokenizer.json", "--out", folder / "data")
            slm("train", "--data", folder / "data", "--out", folder / "base", "--layers", 2, "--width", 96, "--heads", 4,
                "--context", 128 if options.chats else 48, "--batch", 16, "--max-steps", options.base_steps, "--loss-scope", "assistant",
                "--patience", 0, "--quiet")
            print(f"base model: {time.time() - begin:.0f} s")
            return folder / "base/best.h5"

        def measure(name, *model):
            rows = [json.loads(line) for line in slm(
                "generate", *model, "--prompts", folder / "questions.txt", "--chat", "--temperature", 1, "--top-k", 0, "--top-p", 1,
                "--max-tokens", 64 if options.chats else 24, "--json", "--quiet").splitlines()]
            texts = [row["text"].strip() for row in rows]
            assert len(texts) == len(held_out)
            wins = sum(text.startswith("Of course") for text in texts) / len(texts)
            if options.base:
                report = json.loads(slm("eval", *model, "--data", folder / "held-out.jsonl", "--loss-scope", "assistant", "--json", "--quiet"))
                print(f"{name:28} win rate {100 * wins:5.1f} %   loss on plain answers {report['loss']:.3f}", flush=True)
                return
            right = sum(text.removeprefix("Of course: ") == answer for text, (_, answer) in zip(texts, held_out)) / len(texts)
            print(f"{name:28} win rate {100 * wins:5.1f} %   right {100 * right:5.1f} %", flush=True)

        base = options.base or train_base()
        measure("base", base)
        for method in options.methods.split(","):
            for rank in map(int, options.lora.split(",")):
                for seed in options.seeds.split(","):
                    name = f"{method}-{'full' if rank == 0 else f'lora{rank}'}-{seed}"
                    begin = time.time()
                    slm("finetune", base, "--data", folder / f"{method}.jsonl", "--preferences", "--out", folder / "runs", "--name", name,
                        "--seed", seed, "--quiet", *(["--lora", rank] if rank else []), *options.options.split())
                    measure(f"{name} ({time.time() - begin:.0f} s)", folder / f"runs/{name}/best.h5")


main()
