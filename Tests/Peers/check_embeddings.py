"""Compares embedding models and rerankers with transformers: WordPiece tokens on many texts, and vectors and scores of BERTs with random
weights at real shapes.

    python Tests/Peers/check_embeddings.py .build/release/slm [--small] [--model FOLDER]

Vectors may differ by a cosine distance of 1e-5 in f32: both programs compute in f32, but sum in different orders. --model compares a
trained model in a folder of sentence-transformers, too, such as all-MiniLM-L6-v2.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import (
    AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel, DistilBertConfig,
    MPNetConfig)

from check_tokenizers import code_points, mixtures, unicode_noise
from texts import TEXTS

SHAPES = {
    "MiniLM-L6": dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536),
    "bge-small": dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536),
    "e5-base": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072),
}
SMALL = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=100)
WORDS = "the pump valve Reset resetting café naïve straße über 日本語 中文 한국어 Ελληνικά русский हिन्दी don't e-mail 3.14 unaffable".split()


def run(*arguments, text=""):
    done = subprocess.run([str(a) for a in arguments], input=text.encode(), capture_output=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr.decode()}"
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def lines(texts):
    """slm reads a text per line, in which a line break is written as \\n."""
    return "".join(text.replace("\n", "\\n") + "\n" for text in texts)


def embed(slm, folder, texts, *options):
    return np.array([row["embedding"] for row in run(slm, "embed", folder, "--file", "-", *options, text=lines(texts))])


def sentences(count, seed, longest=60):
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randint(1, longest))) for _ in range(count)]


def tokenizer(folder, lowercase, size=3000):
    trained = BertWordPieceTokenizer(lowercase=lowercase)
    trained.train_from_iterator(sentences(500, 1) + TEXTS + list(mixtures(500, 2)), vocab_size=size, min_frequency=1, show_progress=False)
    trained.save_model(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": lowercase}))
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    assert (folder / "tokenizer.json").exists()


def check_tokens(slm, folder, texts):
    theirs = AutoTokenizer.from_pretrained(folder)
    texts = [text.replace("\n", " ") for text in texts if text.strip("\r\n")]
    rows = run(slm, "embed", folder, "--tokens", "--file", "-", text=lines(texts))
    assert len(rows) == len(texts)
    expected = theirs(texts, truncation=True, max_length=512)["input_ids"]
    wrong = [(text, row["tokens"], ids) for text, row, ids in zip(texts, rows, expected) if row["tokens"] != ids]
    assert not wrong, f"{len(wrong)} of {len(texts)} texts have other tokens, such as {wrong[0][0]!r}: {wrong[0][1]}, not {wrong[0][2]}"
    return len(texts)


def random_model(folder, vocabulary, scores=False, **shape):
    torch.manual_seed(3)
    if scores:
        model = BertForSequenceClassification(BertConfig(vocab_size=vocabulary, num_labels=1, **shape)).eval()
    else:
        model = BertModel(BertConfig(vocab_size=vocabulary, **shape), add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 2 / parameter.shape[1] ** 0.5 if name == "classifier.weight" else 0.06)
            elif "LayerNorm" in name and "weight" in name:
                parameter.normal_(1, 0.1)
            else:
                parameter.normal_(0, 0.05)
    model.save_pretrained(folder)
    return model


def theirs(folder, texts, mode, normalized, limit=512):
    tokens, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    result = []
    with torch.no_grad():
        for start in range(0, len(texts), 32):
            batch = tokens(texts[start:start + 32], padding=True, truncation=True, max_length=limit, return_tensors="pt")
            states, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1).float()
            result.append(states[:, 0] if mode == "cls" else (states * mask).sum(1) / mask.sum(1))
    vectors = torch.cat(result)
    return (torch.nn.functional.normalize(vectors) if normalized else vectors).numpy()


def distance(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).max())


def settings(folder, mode, normalized, limit=None, prompts=None):
    """The files of sentence-transformers."""
    kind = "sentence_transformers.models."
    modules = [dict(idx=0, name="0", path="", type=kind + "Transformer"), dict(idx=1, name="1", path="1_Pooling", type=kind + "Pooling")]
    if normalized:
        modules.append(dict(idx=2, name="2", path="2_Normalize", type=kind + "Normalize"))
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": mode == "cls", "pooling_mode_mean_tokens": mode == "mean"}))
    if limit:
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": limit}))
    if prompts:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))


def check_vectors(slm, folder, name, shape):
    (folder / name).mkdir()
    tokenizer(folder / name, True)
    vocabulary = len(AutoTokenizer.from_pretrained(folder / name))
    random_model(folder / name, vocabulary, **shape)
    texts = sentences(60, 5, longest=200) + TEXTS
    plain = distance(embed(slm, folder / name, texts), theirs(folder / name, texts, "mean", False))
    settings(folder / name, "cls", True, limit=32, prompts={"query": "query: ", "document": "passage: "})
    ours = embed(slm, folder / name, texts)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    first = distance(ours, theirs(folder / name, texts, "cls", True, 32))
    query = distance(embed(slm, folder / name, texts, "--role", "query"), theirs(folder / name, ["query: " + t for t in texts], "cls", True, 32))
    passage = distance(embed(slm, folder / name, texts, "--role", "passage"), theirs(folder / name, ["passage: " + t for t in texts], "cls", True, 32))
    worst = max(plain, first, query, passage)
    assert worst < 1e-5, f"{name}: cosine distances of {plain}, {first}, {query}, {passage}"
    reduced = {dtype: distance(embed(slm, folder / name, texts, "--dtype", dtype), ours) for dtype in ("bf16", "int8")}
    print(f"{name}: {len(texts)} texts, cosine distance at most {worst:.1e}; " + ", ".join(f"{d} {x:.1e} from f32" for d, x in reduced.items()))
    # A vocab.txt without a tokenizer.json, weights in bf16 with the names of a larger model.
    other = folder / (name + "-bf16")
    AutoModel.from_pretrained(folder / name, dtype=torch.bfloat16).save_pretrained(other)
    for file in ("vocab.txt", "modules.json", "sentence_bert_config.json"):
        shutil.copy(folder / name / file, other)
    shutil.copytree(folder / name / "1_Pooling", other / "1_Pooling")
    halves = embed(slm, other, texts)
    shutil.copy(folder / name / "tokenizer.json", other)
    assert distance(halves, theirs(other, texts, "cls", True, 32)) < 1e-5


def check_family(slm, folder, name, configuration, width):
    """An encoder of another family, with the tokenizer that MPNet has: padding is token 1, which its positions leave out."""
    folder = folder / name
    folder.mkdir()
    tokenizer(folder, True)
    file = json.loads((folder / "tokenizer.json").read_text())
    ids = {"[PAD]": 1, "[UNK]": 0}
    file["model"]["vocab"].update(ids)
    for token in file["added_tokens"]:
        token["id"] = ids.get(token["content"], token["id"])
    file["added_tokens"].sort(key=lambda token: token["id"])
    vocabulary = file["model"]["vocab"]
    file["post_processor"] = dict(
        type="RobertaProcessing", sep=["[SEP]", vocabulary["[SEP]"]], cls=["[CLS]", vocabulary["[CLS]"]], trim_offsets=True,
        add_prefix_space=False)
    (folder / "tokenizer.json").write_text(json.dumps(file))
    settings_file = folder / "tokenizer_config.json"
    settings_file.write_text(json.dumps(json.loads(settings_file.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "vocab.txt").unlink()
    torch.manual_seed(4)
    model = AutoModel.from_config(configuration(len(vocabulary))).eval()
    with torch.no_grad():
        for part, parameter in model.named_parameters():
            # Distances have to matter.
            parameter.normal_(1 if "norm" in part.lower() and "weight" in part else 0, 1 if "relative" in part else 0.06)
    model.save_pretrained(folder)
    texts = sentences(60, 5, longest=200) + [text.strip() for text in TEXTS if text.strip()] + ["the " * 600]
    count = check_tokens(slm, folder, texts)
    ours = embed(slm, folder, texts)
    assert ours.shape[1] == width
    worst = distance(ours, theirs(folder, texts, "mean", False))
    assert worst < 1e-5, f"{name}: cosine distance {worst}"
    print(f"{name}: {count} texts, cosine distance at most {worst:.1e}")


def check_scores(slm, folder, name, shape):
    """Both texts of a pair may be too long for the context; transformers cuts the longer one first, as sentence-transformers asks it to."""
    folder = folder / (name + "-reranker")
    folder.mkdir()
    tokenizer(folder, True)
    tokens = AutoTokenizer.from_pretrained(folder)
    random_model(folder, len(tokens), scores=True, **shape)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    texts = sentences(40, 6, longest=500) + [text.strip() for text in TEXTS if text.strip()]
    for question in ("reset the pump?", sentences(1, 7, longest=20)[0], "valve " * 300):
        with torch.no_grad():
            batch = tokens([question] * len(texts), texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
            expected = torch.sigmoid(model(**batch).logits[:, 0]).numpy()
        rows = run(slm, "rerank", folder, question, "--file", "-", text=lines(texts))
        assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
        found = np.array([row["score"] for row in sorted(rows, key=lambda row: row["index"])])
        worst = float(abs(found - expected).max())
        assert len(found) == len(texts) and worst < 1e-5, f"{name}: scores differ by {worst}"
        assert expected.std() > 100 * worst, f"the scores hardly differ: {expected}"
    configuration = json.loads((folder / "config.json").read_text())
    configuration["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
    (folder / "config.json").write_text(json.dumps(configuration))
    logit = run(slm, "rerank", folder, "valve " * 300, texts[0])[0]["score"]
    assert abs(1 / (1 + np.exp(-logit)) - expected[0]) < 1e-5
    print(f"{name}, as a reranker: {3 * len(texts)} pairs, scores differ by at most {worst:.1e}")


def check_trained(slm, folder):
    limit = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    texts = TEXTS + ["How do I reset the pump?", "Hold the red button.", "A recipe for bread.", "the " * 600] + sentences(40, 9)
    ours = embed(slm, folder, texts)
    found = distance(ours, theirs(folder, texts, "mean" if pooling["pooling_mode_mean_tokens"] else "cls", True, limit))
    assert found < 1e-5, found
    count = check_tokens(slm, folder, list(code_points(17)) + list(mixtures(2000, 3)) + list(unicode_noise(1000, 4)))
    reduced = {dtype: distance(embed(slm, folder, texts, "--dtype", dtype), ours) for dtype in ("bf16", "int8")}
    print(f"{folder.name}: cosine distance at most {found:.1e}, {count} texts with equal tokens; " + ", ".join(f"{d} {x:.1e}" for d, x in reduced.items()))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("slm", type=pathlib.Path)
    arguments.add_argument("--small", action="store_true", help="skip the real shapes")
    arguments.add_argument("--model", type=pathlib.Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for lowercase in (True, False):
            part = folder / f"lower-{lowercase}"
            part.mkdir()
            tokenizer(part, lowercase)
            random_model(part, len(AutoTokenizer.from_pretrained(part)), **SMALL)
            texts = list(code_points(101 if options.small else 1)) + list(mixtures(5000, 3)) + list(unicode_noise(3000, 4)) + TEXTS + ["a" * 99, "a" * 101]
            count = check_tokens(options.slm, part, texts)
            (part / "tokenizer.json").rename(part / "kept.json")
            rows = run(options.slm, "embed", part, "--tokens", "--file", "-", text=lines(sentences(50, 8)))
            (part / "kept.json").rename(part / "tokenizer.json")
            assert rows == run(options.slm, "embed", part, "--tokens", "--file", "-", text=lines(sentences(50, 8)))
            print(f"WordPiece, {'uncased' if lowercase else 'cased'}: {count} texts with equal tokens")
        for shape, sizes in ({"small": SMALL} if options.small else {"small": SMALL, **SHAPES}).items():
            check_vectors(options.slm, folder, shape, sizes)
            check_scores(options.slm, folder, shape, sizes)
        for name, width, heads, layers in [("small", 48, 3, 2)] + ([] if options.small else [("base", 768, 12, 6)]):
            check_family(
                options.slm, folder, f"distilbert-{name}", lambda size: DistilBertConfig(
                    vocab_size=size, dim=width, n_heads=heads, n_layers=layers, hidden_dim=4 * width, pad_token_id=1), width)
            check_family(
                options.slm, folder, f"mpnet-{name}", lambda size: MPNetConfig(
                    vocab_size=size, hidden_size=width, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=4 * width,
                    max_position_embeddings=514), width)
    if options.model:
        check_trained(options.slm, options.model)


if __name__ == "__main__":
    main()
