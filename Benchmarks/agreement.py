"""Agreement with f32: how often weights and inputs in fewer bits have the same most likely token, and how far their probabilities are from those of f32.

    .venv/bin/python Benchmarks/agreement.py --model smollm2.gguf --texts text.txt chat.txt code.txt --llama

--model is a GGUF file, which both programs read as it is. The first 6,144 tokens of each text are cut into windows of 512. The reference is slm with --dtype f32.
The KL divergence is that of the 10 tokens that are most likely in f32, and all others as one. slm answers through its server, with its default KV cache. --llama
needs llama-cpp-python (`make test-llama`), and also prints how far llama.cpp in f32 is from slm in f32.
"""
import argparse, ctypes, json, math, os, pathlib, subprocess, tempfile, urllib.request

from quality import LlamaModel

WINDOW, TOKENS, MOST_LIKELY = 512, 6_144, 10


def slm_predictions(slm, model, windows, *options):
    """For each predicted token, the log-probabilities of the most likely ones, and of the token itself."""
    with tempfile.TemporaryDirectory() as folder:
        command = [slm, "serve", model, "--port", "0", "--database", f"sqlite:{folder}/chat.db", *options]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"SLM_AUTOTUNE": "off"})
        try:
            url = next(word.rstrip("/.,") for line in server.stdout for word in line.split() if word.startswith("http://127.0.0.1:"))
            rows = []
            for window in windows:
                body = json.dumps({"prompt": window, "max_tokens": 1, "prompt_logprobs": 20}).encode()
                request = urllib.request.Request(f"{url}/v1/completions", body, {"Content-Type": "application/json"})
                found = json.load(urllib.request.urlopen(request))["choices"][0]["prompt_logprobs"]
                rows += [{int(token): entry["logprob"] for token, entry in tokens.items()} for tokens in found if tokens]
            return rows
        finally:
            server.terminate()
            server.wait()


def llama_predictions(path, windows):
    rows = []
    with LlamaModel(path, WINDOW) as model:
        for window in windows:
            likely = model.logits(window).log_softmax(-1).topk(40)
            rows += [dict(zip(likely.indices[i].tolist(), likely.values[i].tolist())) for i in range(len(window) - 1)]
    return rows


def agreement(reference, other):
    """The share of positions with the same most likely token, and the mean KL divergence."""
    same = divergence = 0.0
    for a, b in zip(reference, other, strict=True):
        same += max(a, key=a.get) == max(b, key=b.get)
        left_a = left_b = 1.0
        for token in sorted(a, key=a.get, reverse=True)[:MOST_LIKELY]:
            if token in b:
                p = math.exp(a[token])
                divergence += p * (a[token] - b[token])
                left_a, left_b = left_a - p, left_b - math.exp(b[token])
        divergence += max(left_a, 1e-9) * math.log(max(left_a, 1e-9) / max(left_b, 1e-9))
    return same / len(reference), divergence / len(reference)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--slm", default=".build/release/slm")
    arguments.add_argument("--model", required=True, help="a GGUF file")
    arguments.add_argument("--texts", nargs="+", required=True)
    arguments.add_argument("--llama", action="store_true")
    options = arguments.parse_args()
    from transformers import AutoTokenizer
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([options.slm, "export", options.model, "--out", folder / "hf", "--quiet"], check=True)
        tokenizer, texts = AutoTokenizer.from_pretrained(folder / "hf"), []
        for path in options.texts:
            ids = tokenizer(open(path).read())["input_ids"][:TOKENS]
            texts.append([ids[start:start + WINDOW] for start in range(0, len(ids), WINDOW)])

        def predictions(*extra):
            return [slm_predictions(options.slm, options.model, windows, *extra) for windows in texts]

        reference = predictions("--dtype", "f32")

        def report(label, found):
            results = [agreement(a, b) for a, b in zip(reference, found)]
            results.append([sum(values) / len(results) for values in zip(*results)])
            print(f"{label:24}" + "  ".join(f"{100 * same:.2f} % {divergence:.5f}" for same, divergence in results), flush=True)

        print(f"{'':24}" + "  ".join(f"{os.path.basename(path):15}" for path in options.texts + ["mean"]))
        report("slm", predictions())
        report("slm, bf16 KV cache", predictions("--kv-dtype", "bf16"))
        report("slm --dtype bf16", predictions("--dtype", "bf16"))
        if options.llama:
            import llama_cpp
            quiet = llama_cpp.llama_log_callback(lambda level, text, user: None)
            llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
            subprocess.run([options.slm, "export", options.model, "--out", folder / "f32.gguf", "--dtype", "f32", "--quiet"], check=True)
            report("llama.cpp", [llama_predictions(options.model, windows) for windows in texts])
            report("llama.cpp in f32", [llama_predictions(folder / "f32.gguf", windows) for windows in texts])


main()
