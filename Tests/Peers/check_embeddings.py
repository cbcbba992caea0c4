"""Compares embedding models and rerankers with transformers: WordPiece tokens on many texts, and vectors and scores of BERTs with random
weights at real shapes; and a model that slm trains with tokenizers and numpy.

    python Tests/Peers/check_embeddings.py .build/release/slm [--small] [--model FOLDER]

Vectors may differ by a cosine distance of 1e-5 in f32: both programs compute in f32, but sum in different orders. --model compares a
trained model in a folder of sentence-transformers, too, such as all-MiniLM-L6-v2.
"""
import argparse
import base64
import json
import pathlib
import random
import shutil

import offline                                              # before transformers

import gguf
import numpy as np
import sentencepiece
import torch
from safetensors.torch import load_file
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, BertWordPieceTokenizer, ByteLevelBPETokenizer, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel, AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel, DistilBertConfig,
    MistralConfig, ModernBertConfig, MPNetConfig, NomicBertConfig, PreTrainedTokenizerFast, Qwen3Config, RobertaConfig, XLMRobertaConfig)

import programs
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
    return [json.loads(line) for line in programs.run(*arguments, text=text).split("\n") if line]


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
    texts = [text.replace("\n", " ").rstrip("\r") for text in texts if text.strip("\r\n")]
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


def close_distance(name, found, expected):
    worst = distance(found, expected)
    assert worst < 1e-5, f"{name}: cosine distance {worst}"
    return worst


def save_random(model, folder, deviation, **parts):
    """Saves a model with weights of a normal distribution, around 1 those of norms. `parts` are deviations of parameters with these words in their names."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = "norm" in name.lower() and "weight" in name
            parameter.normal_(1 if is_norm else 0, next((value for part, value in parts.items() if part in name), deviation))
    model.save_pretrained(folder)


def long_texts(texts=TEXTS, count=60):
    return sentences(count, 5, longest=200) + [text.strip() for text in texts if text.strip()] + ["the " * 600]


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
    ours = embed(slm, folder / name, texts)
    plain = distance(ours, theirs(folder / name, texts, "mean", False))
    check_gguf(slm, folder / name, texts, ours)
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
    save_random(model, folder, 0.06, relative=1)             # distances have to matter
    texts = long_texts()
    count = check_tokens(slm, folder, texts)
    ours = embed(slm, folder, texts)
    assert ours.shape[1] == width
    worst = close_distance(name, ours, theirs(folder, texts, "mean", False))
    print(f"{name}: {count} texts, cosine distance at most {worst:.1e}")


def check_static(slm, folder):
    """A model that slm trains: its tokens are those of tokenizers, its vectors the means of its table."""
    folder, pairs = folder / "static", folder / "pairs.jsonl"
    asked = sentences(300, 21, longest=8)
    pairs.write_text("".join(json.dumps({"question": text, "passage": f"{text} {more}"}) + "\n" for text, more in zip(asked, sentences(300, 22))))
    report = run(slm, "train", "--embedding", "--data", pairs, "--out", folder, "--vocab-size", 600, "--width", 32, "--batch", 64, "--epochs", 4,
                 "--json", "--quiet")[0]
    assert report["examples"] == 285 and report["held_out"] == 15 and report["steps"] == 16 and report["hit_rate_10"] > 0.9, report
    tokenizer, table = Tokenizer.from_file(str(folder / "tokenizer.json")), load_file(folder / "model.safetensors")["embedding.weight"].numpy()
    assert table.shape == (report["vocabulary"], 32)
    texts = [text.replace("\n", " ").rstrip("\r") for text in sentences(60, 5) + TEXTS + list(mixtures(200, 2)) if text.strip("\r\n")]
    expected = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    found = [row["tokens"] for row in run(slm, "embed", folder, "--tokens", "--file", "-", text=lines(texts))]
    assert found == expected, next(pair for pair in zip(texts, found, expected) if pair[1] != pair[2])
    known = [(text, ids) for text, ids in zip(texts, expected) if ids]
    means = np.stack([table[ids].mean(0) for _, ids in known])
    worst = close_distance("static", embed(slm, folder, [text for text, _ in known]), means)
    print(f"static: {len(texts)} texts, cosine distance at most {worst:.1e}")


def save_roberta_tokenizer(tokenizer, folder):
    """Special tokens as in RoBERTa: two of them between the texts of a pair."""
    s, e = (tokenizer.token_to_id(token) for token in ("<s>", "</s>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", s), ("</s>", e)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>", unk_token="<unk>",
        pad_token="<pad>", model_max_length=512).save_pretrained(folder)


def unigram(folder, splits):
    """A vocabulary of SentencePiece with its table of NFKC, as a tokenizer.json of XLM-RoBERTa: with spaces as tokens or without."""
    texts = [text.replace("\n", " ") for text in sentences(800, 11) + TEXTS + list(mixtures(500, 2))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_prefix=str(folder / "m"), vocab_size=1500, model_type="unigram", hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", max_sentence_length=100_000, minloglevel=2)
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString((folder / "m.model").read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces[3:]]
    tokenizer = Tokenizer(models.Unigram([("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *pieces], unk_id=3, byte_fallback=False))
    table = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    mark = pre_tokenizers.Metaspace(prepend_scheme="always")
    if splits:
        tokenizer.normalizer = table
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), mark])
    else:
        tokenizer.normalizer = normalizers.Sequence([table, normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
        tokenizer.pre_tokenizer = mark
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    save_roberta_tokenizer(tokenizer, folder)


def byte_level(folder):
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(sentences(500, 1) + TEXTS, vocab_size=1500, show_progress=False, special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    save_roberta_tokenizer(Tokenizer.from_str(trained.to_str()), folder)


def write_gguf(folder, path, matrices, pooling="mean"):
    """The GGUF file that llama.cpp's converter makes of a BERT or an XLM-RoBERTa."""
    config, file = json.loads((folder / "config.json").read_text()), json.loads((folder / "tokenizer.json").read_text())
    head = AutoModelForSequenceClassification if config["architectures"][0].endswith("SequenceClassification") else AutoModel
    state = {name.removeprefix("bert.").removeprefix("roberta."): values.float().numpy()
             for name, values in head.from_pretrained(folder, dtype=torch.float32).state_dict().items()}
    is_bert, is_nomic = config["model_type"] in ("bert", "nomic_bert"), config["model_type"] == "nomic_bert"
    padding = 0 if is_bert else 2
    names = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd", "embeddings.token_type_embeddings": "token_types",
             "embeddings.LayerNorm": "token_embd_norm", "pooler.dense": "cls", "classifier.dense": "cls",
             "classifier" if is_bert else "classifier.out_proj": "cls.output"}
    parts = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
             "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
    # transformers names nomic-bert's modules like Llama's.
    nomic = {"self_attn.o_proj": "attn_output", "post_attention_layernorm": "attn_output_norm", "post_mlp_layernorm": "layer_output_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "self_attn.qkv": "attn_qkv"}
    if is_nomic:
        for layer in range(config["num_hidden_layers"]):
            state[f"layers.{layer}.self_attn.qkv.weight"] = np.concatenate([state.pop(f"layers.{layer}.self_attn.{p}_proj.weight") for p in "qkv"])
    writer = gguf.GGUFWriter(str(path), "nomic-bert" if is_nomic else "bert")
    if is_nomic:
        writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_context_length(config["max_position_embeddings"] - padding)
    for add, key in [(writer.add_embedding_length, "hidden_size"), (writer.add_feed_forward_length, "intermediate_size"),
                     (writer.add_head_count, "num_attention_heads"), (writer.add_block_count, "num_hidden_layers"), (writer.add_layer_norm_eps, "layer_norm_eps")]:
        add(config[key])
    writer.add_causal_attention(False)
    scores = "classifier.weight" in state or "classifier.out_proj.weight" in state
    writer.add_pooling_type(gguf.PoolingType.RANK if scores else getattr(gguf.PoolingType, pooling.upper()))
    special = {token["content"]: token["id"] for token in file["added_tokens"]}
    if is_bert:
        tokens = [token for token, _ in sorted(file["model"]["vocab"].items(), key=lambda item: item[1])]
        writer.add_tokenizer_model("bert")
        writer.add_token_list([t if t in special else t[2:] if t.startswith("##") else "▁" + t for t in tokens])
        writer.add_token_type_count(2)
    else:
        tokens = [token for token, _ in file["model"]["vocab"]]
        normalizer = file["normalizer"]
        table = normalizer.get("precompiled_charsmap") or normalizer["normalizers"][0]["precompiled_charsmap"]
        writer.add_tokenizer_model("t5")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_scores([score for _, score in file["model"]["vocab"]])
        writer.add_add_space_prefix(True)
        writer.add_remove_extra_whitespaces(True)
        writer.add_precompiled_charsmap(base64.b64decode(table))
        writer.add_token_type_count(1)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
    kinds = gguf.TokenType
    writer.add_token_types([kinds.UNKNOWN if t in ("<unk>", "[UNK]") else kinds.CONTROL if t in special else kinds.NORMAL for t in tokens])
    cls, sep, unknown, pad = ("[CLS]", "[SEP]", "[UNK]", "[PAD]") if is_bert else ("<s>", "</s>", "<unk>", "<pad>")
    for add, token in [(writer.add_bos_token_id, cls), (writer.add_eos_token_id, sep), (writer.add_sep_token_id, sep), (writer.add_unk_token_id, unknown),
                       (writer.add_pad_token_id, pad)]:
        add(tokens.index(token))
    for name, values in state.items():
        module, kind = name.rsplit(".", 1)
        if module.startswith("encoder.layer."):
            _, _, layer, part = module.split(".", 3)
            name = f"blk.{layer}.{parts[part]}.{kind}"
        elif is_nomic and module.startswith("layers."):
            _, layer, part = module.split(".", 2)
            name = f"blk.{layer}.{nomic[part]}.{kind}"
        elif module in names and (scores or names[module] != "cls"):
            name = f"{names[module]}.{kind}"
        else:
            continue
        if module == "embeddings.position_embeddings":
            values = values[padding:]
        is_matrix = values.ndim == 2 and "position" not in name and "types" not in name and not name.startswith("cls")
        type = matrices if is_matrix else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(values, type), raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_gguf(slm, folder, texts, ours):
    """The same vectors from a GGUF file, which are scaled there, and from one in Q8_0."""
    path = folder / "model.gguf"
    write_gguf(folder, path, gguf.GGMLQuantizationType.F32)
    # Two divisions of a long run of one letter have the same probability but for rounding, and a GGUF file rounds scores to f32.
    texts, ours = zip(*[(text, vector) for text, vector in zip(texts, ours) if len(set(text)) > 1])
    found, ours = embed(slm, path, texts), np.array(ours)
    worst = distance(found, ours)
    assert worst < 1e-5 and np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5), f"GGUF: cosine distance {worst}"
    if json.loads((folder / "config.json").read_text())["hidden_size"] % 32 == 0:
        write_gguf(folder, path, gguf.GGMLQuantizationType.Q8_0)
        print(f"GGUF: cosine distance at most {worst:.1e}; Q8_0 {distance(embed(slm, path, texts), ours):.1e}")
    path.unlink()


def without_specials(texts):
    """Without texts in which transformers finds special tokens of RoBERTa."""
    return [text for text in texts if not any(token in text for token in ("<s>", "<pad>", "</s>", "<unk>"))]


def check_roberta(slm, folder, name, configuration, make_tokenizer, small, **shape):
    """RoBERTa and XLM-RoBERTa: tokens, vectors, and the scores of a reranker such as bge-reranker."""
    folder = folder / name
    folder.mkdir()
    make_tokenizer(folder)
    size = len(AutoTokenizer.from_pretrained(folder))
    plain = without_specials(TEXTS)
    texts = without_specials([*code_points(101 if small else 7), *mixtures(3000, 3), *unicode_noise(2000, 4)]) + plain
    settings = configuration(vocab_size=size, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5, **shape)
    torch.manual_seed(4)
    model = AutoModel.from_config(settings, add_pooling_layer=False).eval()
    save_random(model, folder, 0.06)
    count = check_tokens(slm, folder, texts)
    texts = long_texts(plain)
    ours = embed(slm, folder, texts)
    worst = close_distance(name, ours, theirs(folder, texts, "mean", False))
    print(f"{name}: {count} texts with equal tokens, cosine distance at most {worst:.1e}")
    if name == "xlm-roberta":                                # a GGUF file has no other treatment of spaces
        check_gguf(slm, folder, texts, ours)
    settings.num_labels = 1
    scorer = AutoModelForSequenceClassification.from_config(settings).eval()
    # Larger weights multiply the rounding of both programs: with 0.5 at 768 channels, transformers' f32 scores differ by 3e-6 from its f64 ones.
    save_random(scorer, folder, 0.06, classifier=2 / shape["hidden_size"] ** 0.5)
    check_pairs(slm, folder, name)


def check_nomic(slm, folder, name, configuration, width, heads, layers):
    """nomic-bert, from the config.json of transformers, from that of its authors, and from GGUF."""
    heads = 4 if width % 12 else heads
    folder = folder / name
    folder.mkdir()
    tokenizer(folder, True)
    torch.manual_seed(5)
    size = len(AutoTokenizer.from_pretrained(folder))
    model = AutoModel.from_config(configuration(
        vocab_size=size, hidden_size=width, num_attention_heads=heads, num_hidden_layers=layers, intermediate_size=4 * width, max_position_embeddings=512),
        add_pooling_layer=False).eval()
    save_random(model, folder, 0.1)
    texts = long_texts()
    ours = embed(slm, folder, texts)
    worst = close_distance(name, ours, theirs(folder, texts, "mean", False))
    fields = json.loads((folder / "config.json").read_text())
    names = dict(n_embd="hidden_size", n_head="num_attention_heads", n_layer="num_hidden_layers", n_inner="intermediate_size", n_positions="max_position_embeddings",
                 layer_norm_epsilon="layer_norm_eps", vocab_size="vocab_size", type_vocab_size="type_vocab_size", model_type="model_type")
    first = {key: fields[other] for key, other in names.items()} | dict(
        activation_function="swiglu", prenorm=False, qkv_proj_bias=False, rotary_emb_base=1000, rotary_emb_fraction=1.0, rotary_emb_interleaved=False)
    (folder / "config.json").write_text(json.dumps(first))
    assert (embed(slm, folder, texts) == ours).all(), f"{name}: the config.json of its authors has another meaning"
    (folder / "config.json").write_text(json.dumps(fields))
    check_gguf(slm, folder, texts, ours)
    print(f"{name}: cosine distance at most {worst:.1e}")


def modern_tokenizer(folder):
    """ModernBERT's: byte-level BPE in NFC, with [CLS] and [SEP] around a text, and added tokens that are found in text."""
    trained = ByteLevelBPETokenizer()
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    trained.train_from_iterator(sentences(500, 1) + TEXTS, vocab_size=1500, show_progress=False, special_tokens=specials)
    tokenizer = Tokenizer.from_str(trained.to_str())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(token, normalized=True, special=False) for token in ("|||EMAIL|||", "    ", "  ", "[unused0]")])
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]",
        model_max_length=512).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def random_weights(model, matrices):
    with torch.no_grad():
        for part, parameter in model.named_parameters():
            is_norm = "norm" in part and "weight" in part
            spread = 0.1 if is_norm else parameter.shape[1] ** -0.5 if part == "classifier.weight" else matrices
            parameter.normal_(1 if is_norm else 0, spread)


def rewrite(folder, **fields):
    """Changes fields of config.json; those with None are removed."""
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def write_modern_gguf(folder, path, matrices, pooling="mean"):
    """The GGUF file that llama.cpp's converter makes of a ModernBERT."""
    config, file = json.loads((folder / "config.json").read_text()), json.loads((folder / "tokenizer.json").read_text())
    names = {"embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm", "final_norm": "output_norm", "attn_norm": "attn_norm",
             "attn.Wqkv": "attn_qkv", "attn.Wo": "attn_output", "mlp_norm": "ffn_norm", "mlp.Wi": "ffn_up", "mlp.Wo": "ffn_down"}
    writer = gguf.GGUFWriter(str(path), "modern-bert")
    for add, key in [(writer.add_context_length, "max_position_embeddings"), (writer.add_embedding_length, "hidden_size"),
                     (writer.add_feed_forward_length, "intermediate_size"), (writer.add_head_count, "num_attention_heads"),
                     (writer.add_block_count, "num_hidden_layers"), (writer.add_layer_norm_eps, "norm_eps"), (writer.add_sliding_window, "local_attention"),
                     (writer.add_vocab_size, "vocab_size")]:
        add(config[key])
    writer.add_rope_freq_base(config["rope_parameters"]["full_attention"]["rope_theta"])
    writer.add_rope_freq_base_swa(config["rope_parameters"]["sliding_attention"]["rope_theta"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(getattr(gguf.PoolingType, pooling.upper()))
    added = {token["id"]: token for token in file["added_tokens"]}
    vocabulary = {id: token for token, id in file["model"]["vocab"].items()} | {id: token["content"] for id, token in added.items()}
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("modern-bert")
    for add in (writer.add_add_bos_token, writer.add_add_eos_token, writer.add_add_sep_token):
        add(True)
    writer.add_token_list([vocabulary[id] for id in range(len(vocabulary))])
    writer.add_token_types([
        kinds.NORMAL if id not in added else kinds.CONTROL if added[id]["special"] else kinds.USER_DEFINED for id in range(len(vocabulary))])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in file["model"]["merges"]])
    for add, token in [(writer.add_bos_token_id, "[CLS]"), (writer.add_eos_token_id, "[SEP]"), (writer.add_sep_token_id, "[SEP]"),
                       (writer.add_unk_token_id, "[UNK]"), (writer.add_pad_token_id, "[PAD]")]:
        add(next(id for id, entry in added.items() if entry["content"] == token))
    for name, values in load_file(folder / "model.safetensors").items():
        module, kind = name.rsplit(".", 1)
        if module.startswith("layers."):
            _, layer, part = module.split(".", 2)
            name = f"blk.{layer}.{names[part]}.{kind}"
        else:
            name = f"{names[module]}.{kind}"
        type = matrices if values.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(values.float().numpy(), type), raw_dtype=type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_modern(slm, folder, name, small, **shape):
    """ModernBERT: tokens, vectors of texts beyond its window and of one in blocks, both forms of config.json, GGUF, and scores."""
    folder = folder / name
    folder.mkdir()
    size = modern_tokenizer(folder)
    window = 32 if small else 128
    rows = dict(vocab_size=size, max_position_embeddings=512, local_attention=window, pad_token_id=3, cls_token_id=1, sep_token_id=2, bos_token_id=1,
                eos_token_id=2, **shape)
    torch.manual_seed(8)
    model = AutoModel.from_config(ModernBertConfig(**rows)).eval()
    random_weights(model, 0.1 if small else 0.04)
    model.save_pretrained(folder)
    added = ["mail |||EMAIL||| and  [unused0]    to |||EMAIL|||them", "e\u0301  cafe\u0301    x"]
    count = check_tokens(slm, folder, [*code_points(997 if small else 31), *mixtures(500, 3), *unicode_noise(500, 4)] + TEXTS + added)
    texts = long_texts(count=30)
    ours = embed(slm, folder, texts)
    worst = distance(ours, theirs(folder, texts, "mean", False))
    settings(folder, "cls", True)
    worst = max(worst, distance(embed(slm, folder, texts), theirs(folder, texts, "cls", True)))
    settings(folder, "mean", False)
    # More tokens than slm computes in one block, where they attend to all others.
    rewrite(folder, max_position_embeddings=1300)
    long = [" ".join(sentences(40, 9, longest=60))]
    worst = max(worst, distance(embed(slm, folder, long), theirs(folder, long, "mean", False, 1300)))
    rewrite(folder, max_position_embeddings=512)
    assert worst < 1e-5, f"{name}: cosine distance {worst}"
    fields = (folder / "config.json").read_text()
    parameters = json.loads(fields)["rope_parameters"]
    rewrite(folder, layer_types=None, rope_parameters=None, global_attn_every_n_layers=3, position_embedding_type="sans_pos",
            global_rope_theta=parameters["full_attention"]["rope_theta"], local_rope_theta=parameters["sliding_attention"]["rope_theta"])
    assert (embed(slm, folder, texts) == ours).all(), f"{name}: the older config.json has another meaning"
    (folder / "config.json").write_text(fields)
    path = folder / "model.gguf"
    write_modern_gguf(folder, path, gguf.GGMLQuantizationType.F32)
    again = close_distance(f"{name}: GGUF", embed(slm, path, texts), ours)
    path.unlink()
    print(f"{name}: {count} texts with equal tokens, cosine distance at most {worst:.1e}, from GGUF {again:.1e}")
    for pooling, biases in (("mean", {}), ("cls", dict(attention_bias=True, mlp_bias=True, norm_bias=True, classifier_bias=True))):
        scorer = AutoModelForSequenceClassification.from_config(ModernBertConfig(num_labels=1, classifier_pooling=pooling, **biases, **rows)).eval()
        random_weights(scorer, 0.1 if small else 0.04)
        scorer.save_pretrained(folder)
        check_pairs(slm, folder, name)


def causal_tokenizer(folder):
    """Byte-level BPE as Qwen3-Embedding has it: a sequence of post-processors, the second of which ends each text."""
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(sentences(500, 1) + TEXTS, vocab_size=1500, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer = Tokenizer.from_str(trained.to_str())
    end = tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="$A <|endoftext|>", pair="$A <|endoftext|> $B <|endoftext|>", special_tokens=[("<|endoftext|>", end)])])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>", model_max_length=512).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def check_causal(slm, folder, name, configuration, **shape):
    """A causal model whose vectors are the states of the last tokens, such as Qwen3-Embedding. Its file has no head, and names without a prefix."""
    folder = folder / name
    folder.mkdir()
    size = causal_tokenizer(folder)
    torch.manual_seed(6)
    model = AutoModel.from_config(configuration(vocab_size=size, max_position_embeddings=512, **shape)).eval()
    save_random(model, folder, 0.08)
    settings(folder, "last", True, prompts={"query": "Instruct: search\nQuery:", "document": ""})
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}))
    texts = long_texts()
    tokens = AutoTokenizer.from_pretrained(folder)

    def states(texts):
        with torch.no_grad():
            rows = [tokens(text, truncation=True, max_length=512, return_tensors="pt") for text in texts]
            return torch.nn.functional.normalize(torch.cat([model(input_ids=row["input_ids"]).last_hidden_state[:, -1] for row in rows])).numpy()

    count, ours = check_tokens(slm, folder, texts), embed(slm, folder, texts)
    asked = distance(embed(slm, folder, texts, "--role", "query"), states(["Instruct: search\nQuery:" + text for text in texts]))
    worst = max(distance(ours, states(texts)), asked)
    assert worst < 1e-5, f"{name}: cosine distance {worst}"
    reduced = {dtype: distance(embed(slm, folder, texts, "--dtype", dtype), ours) for dtype in ("bf16", "int8")}
    print(f"{name}: {count} texts, cosine distance at most {worst:.1e}; " + ", ".join(f"{d} {x:.1e} from f32" for d, x in reduced.items()))


def check_scores(slm, folder, name, shape):
    folder = folder / (name + "-reranker")
    folder.mkdir()
    tokenizer(folder, True)
    random_model(folder, len(AutoTokenizer.from_pretrained(folder)), scores=True, **shape)
    check_pairs(slm, folder, name)


def check_pairs(slm, folder, name):
    """Both texts of a pair may be too long for the context; transformers cuts the longer one first, as sentence-transformers asks it to."""
    tokens = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    texts = sentences(40, 6, longest=500) + [text.strip() for text in without_specials(TEXTS) if text.strip()]
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
    if name in ("small", "xlm-roberta"):
        write_gguf(folder, folder / "model.gguf", gguf.GGMLQuantizationType.F32)
        again = run(slm, "rerank", folder / "model.gguf", "valve " * 300, texts[0])[0]["score"]
        assert abs(again - expected[0]) < 1e-5, f"GGUF: a score of {again}, not {expected[0]}"
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
    with programs.scratch_folder() as folder:
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
        check_static(options.slm, folder)
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
            check_nomic(options.slm, folder, f"nomic-{name}", NomicBertConfig, width, heads, layers)
            # The last of 4 layers sees all tokens.
            check_modern(
                options.slm, folder, f"modernbert-{name}", name == "small", hidden_size=width, num_attention_heads=4 if name == "small" else heads,
                num_hidden_layers=4, intermediate_size=100 if name == "small" else 1152)
        causal = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2)
        check_causal(options.slm, folder, "qwen3-embedding", Qwen3Config, head_dim=32, tie_word_embeddings=True, **causal)
        check_causal(options.slm, folder, "mistral-embedding", MistralConfig, sliding_window=None, **causal)
        shape = SMALL if options.small else dict(hidden_size=768, num_hidden_layers=4, num_attention_heads=12, intermediate_size=3072)
        for name, configuration, make in [
            ("xlm-roberta", XLMRobertaConfig, lambda folder: unigram(folder, splits=True)),
            ("xlm-roberta with spaces", XLMRobertaConfig, lambda folder: unigram(folder, splits=False)), ("roberta", RobertaConfig, byte_level),
        ]:
            with programs.scratch_folder() as part:
                check_roberta(options.slm, part, name, configuration, make, options.small, **shape)
    if options.model:
        check_trained(options.slm, options.model)


if __name__ == "__main__":
    main()
