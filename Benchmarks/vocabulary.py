"""BPE training and encoding with slm, Hugging Face tokenizers, tiktoken and rustbpe, in one run.

    python Benchmarks/vocabulary.py --text chats.txt --tokenizer gpt2.tiktoken [--rounds 3]
    python Benchmarks/vocabulary.py --text chats.txt --tokenizer qwen2.gguf --name Qwen2 --only encode

Prints a line of JSON per measurement, and a table of medians with the ranges of the throughput. All encode with the same vocabulary, which slm writes in each program's format. Each measurement is a
separate process, so that its peak memory is its own. Rounds alternate, so that other load on the machine affects all programs.
"""
import argparse, json, os, pathlib, resource, statistics, subprocess, sys, tempfile, time

import record
from record import SLM

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SPECIALS = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]

def pattern(path):
    """The regular expression that divides text into words in a tokenizer.json. None if it has another form, which tiktoken does not have."""
    step = json.loads(path.read_text())["pre_tokenizer"] or {}
    splits = [one for one in step.get("pretokenizers", [step]) if one.get("type") != "ByteLevel"]
    if not splits: return PATTERN
    return splits[0]["pattern"].get("Regex") if len(splits) == 1 and splits[0].get("type") == "Split" else None

def ranks(path):
    """The tokens of a byte-level tokenizer.json as bytes, with their ids, which are in the order of the merges. tiktoken does not normalize."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    byte_of = {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(others)}
    vocabulary = json.loads(path.read_text())
    special = {one["content"] for one in vocabulary["added_tokens"]}
    return {bytes(byte_of[c] for c in token): id for token, id in vocabulary["model"]["vocab"].items() if token not in special}

def lines(path):
    with open(path, encoding="utf-8", newline="\n") as file: yield from file

def chunks(path, size=1 << 20):
    """Splits the text at line ends into pieces of about 1 MB, so that Python's call overhead is negligible."""
    result, piece, length = [], [], 0
    for line in lines(path):
        piece.append(line)
        length += len(line)
        if length >= size: result.append("".join(piece)); piece, length = [], 0
    return result + (["".join(piece)] if piece else [])

def measure(what, text, files, vocab, threads):
    """Times one program in this process. Reading the text is included in training, where all programs stream it, and not in encoding."""
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    if what == "train huggingface":
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
        start, tokenizer = time.perf_counter(), Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.train_from_iterator(lines(text), trainers.BpeTrainer(
            vocab_size=vocab, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    elif what == "train rustbpe":
        import rustbpe
        start, tokenizer = time.perf_counter(), rustbpe.Tokenizer()
        tokenizer.train_from_iterator(lines(text), vocab_size=vocab, pattern=PATTERN)
    else:
        if what == "encode tiktoken":
            import tiktoken
            tokenizer = tiktoken.Encoding("bench", pat_str=pattern(files / "tokenizer.json"), mergeable_ranks=ranks(files / "tokenizer.json"),
                                          special_tokens={})
            documents = chunks(text)
            start = time.perf_counter()
            tokenizer.encode_ordinary_batch(documents, num_threads=threads)
        else:
            from tokenizers import Tokenizer
            tokenizer, documents = Tokenizer.from_file(str(files / "tokenizer.json")), chunks(text)
            start = time.perf_counter()
            if threads > 1: tokenizer.encode_batch(documents)
            else: [tokenizer.encode(d) for d in documents]
    seconds = time.perf_counter() - start
    return dict(what=what, threads=threads, seconds=seconds, mb_per_s=text.stat().st_size / 1e6 / seconds,
                peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

def slm(text, files, vocab, cases):
    """Runs slm: training on all threads, encoding on one and on all."""
    for case in cases:
        command = [SLM, "bench", "tokenize", "--text", text, "--vocab-size", str(vocab), "--tokenizer", files / "tokenizer.json", "--only", case, "--json"]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            r = json.loads(line)
            yield dict(what="train slm" if r["case"] == "train" else "encode slm", threads=r["threads"], seconds=r["seconds"], mb_per_s=r["mb_per_s"],
                       peak_rss_mb=r["peak_rss_mb"])

PEERS = {"huggingface": ("Hugging Face tokenizers", "tokenizers"), "rustbpe": ("rustbpe", "rustbpe"), "tiktoken": ("tiktoken", "tiktoken")}

def comparisons(results, text, name_of_vocabulary):
    from importlib.metadata import version
    found = []
    for (what, threads), runs in results.items():
        case, program = what.split()
        if program == "slm": continue
        name, package = PEERS[program]
        work = ("training a BPE vocabulary" if case == "train" else f"encoding with {name_of_vocabulary}'s vocabulary") + f", {text.stat().st_size / 1e6:.1f} MB of text"
        for suffix, key, unit in (("", "mb_per_s", "MB/s"), (", peak memory", "peak_rss_mb", "MB")):
            ours = [run[key] for run in results.get((f"{case} slm", threads), [])]
            found.append(record.comparison(work + suffix, f"{threads} thread{'s' if threads > 1 else ''}", unit, ours, f"{name} {version(package)}", [run[key] for run in runs]))
    return found

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="a tokenizer in any format that slm reads")
    parser.add_argument("--name", default="GPT-2", help="whose tokenizer that is")
    parser.add_argument("--only", choices=["train", "encode"], help="leave out the other")
    parser.add_argument("--vocab", type=int, default=16387)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip", action="append", default=[], help="a measurement to leave out, such as 'encode huggingface', the slowest")
    parser.add_argument("--save", action="store_true", help="store the results in Documentation/Performance/results")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--files", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.one: return print(json.dumps(measure(o.one, o.text, o.files, o.vocab, o.threads)))
    peers = [("train huggingface", o.threads), ("train rustbpe", o.threads), ("encode tiktoken", 1), ("encode tiktoken", o.threads),
             ("encode huggingface", 1), ("encode huggingface", o.threads)]
    cases = [o.only] if o.only else ["train", "encode"]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder)
        subprocess.run([SLM, "tokenize", "convert", o.tokenizer, "--out", files / "tokenizer.json"], check=True, capture_output=True)
        if not pattern(files / "tokenizer.json"): o.skip.append("encode tiktoken")
        peers = [peer for peer in peers if peer[0] not in o.skip and peer[0].split()[0] in cases]
        for _ in range(o.rounds):
            measured = list(slm(o.text, files, o.vocab, cases))
            for what, threads in peers:
                arguments = [sys.executable, __file__, *sys.argv[1:], "--one", what, "--threads", str(threads), "--files", folder]
                measured.append(json.loads(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout))
            for m in measured:
                print(json.dumps(m), flush=True)
                results.setdefault((m["what"], m["threads"]), []).append(m)
    if o.save: record.save("vocabulary.py", comparisons(results, o.text, o.name))
    print(f"\n{'':22}{'threads':>8}{'seconds':>10}{'MB/s':>9}{'range':>16}{'peak MB':>9}")
    for (what, threads), runs in sorted(results.items()):
        median = {k: statistics.median(r[k] for r in runs) for k in ("seconds", "mb_per_s", "peak_rss_mb")}
        speeds = [run["mb_per_s"] for run in runs]
        speed_range = f"{min(speeds):.1f}–{max(speeds):.1f}"
        print(f"{what:22}{threads:8}{median['seconds']:10.3f}{median['mb_per_s']:9.1f}{speed_range:>16}{median['peak_rss_mb']:9.0f}")

if __name__ == "__main__": main()
