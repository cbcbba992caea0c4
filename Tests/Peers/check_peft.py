"""Exchanges LoRA adapters with Hugging Face's peft, for models of every family; compares gradients and loss curves with PyTorch.

    python Tests/Peers/check_peft.py .build/release/slm .build/release/Logits .build/release/Gradients [--only llama …] [--steps 50]

For each family: an adapter of peft with random A and B, imported, gives peft's logits, also merged; exported again it is the same file and gives the same logits in peft
on the exported base; so do adapters that slm trained, with and without PiSSA. Gradients of all weights, and of A and B (also with dropout), are those of PyTorch, and so are all weights after a step
of AdamW with weight decay. The losses of 50 steps of AdamW from the same A and B on the same batch are peft's within TOLERANCES.
"""
import argparse
import json
import os
import shutil
import subprocess

import offline                                              # before transformers

import numpy as np
import peft
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from check_models import difference
from families import MODELS, ours, prompts, random_model, save_tokenizer, theirs
from programs import run, scratch_folder

LINEAR = {
    "gpt2": ["c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"],
    "gpt_neox": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
}
LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# The embedding and the head, and a layer of a block.
VOCABULARY = {"gpt2": ["wte", "lm_head", "attn.c_proj"], "gpt_neox": ["embed_in", "lm_head", "dense"], "phi3": ["embed_tokens", "lm_head", "o_proj"]}
LLAMA_VOCABULARY = ["embed_tokens", "lm_head", "v_proj"]
NAMES = ["gpt2", "llama", "llama-biases", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "pythia", "phi3-short", "qwen2-moe"]
# Families with all kinds of adapters, and adapters that slm trained.
COMPLETE = ["gpt2", "llama", "pythia"]
# Families whose adapters are also compared with dropout of their inputs.
DROPOUT = ["gpt2", "llama"]
# Families whose loss curves are compared: fused and separate queries, keys and values, norms before and after, tied heads.
CURVES = ["gpt2", "llama", "qwen2", "gemma3", "pythia"]
# Relative differences that are allowed, of losses after steps and of A and B after the last one. AdamW divides by the gradient's size, so that the rounding of a small gradient
# changes a weight by as much as a large one does.
TOLERANCES = {1: 1e-5, 10: 1e-4, 25: 2e-4, 50: 5e-4}
RATE = 2e-3
# Tokens of the tokenizer of random models; tokens that greedy sampling adds.
TOKENS, GREEDY = 259, 64
DECAY = 0.5


def adapters(config, complete):
    """Adapters of peft: name, configuration, and whether slm can write the same file again (without scales of single modules that differ from the others)."""
    linear = LINEAR.get(config.model_type, LLAMA)
    short = [name.split(".")[-1] for name in linear]
    yield "all layers", peft.LoraConfig(r=4, lora_alpha=6, target_modules=linear), True
    yield "head and embedding", peft.LoraConfig(r=4, lora_alpha=6, target_modules=VOCABULARY.get(config.model_type, LLAMA_VOCABULARY)), True
    # Whole modules, also where the head is the embedding.
    norm = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}.get(config.model_type, "norm")
    embedding, head, _ = VOCABULARY.get(config.model_type, LLAMA_VOCABULARY)
    exact = not config.model_type.startswith("gemma")       # whose norms are stored as 1 + w
    yield "DoRA", peft.LoraConfig(r=4, lora_alpha=6, target_modules=linear, use_dora=True), True
    yield "head and norm as a whole", peft.LoraConfig(r=4, lora_alpha=6, target_modules=linear, modules_to_save=[norm, head]), exact
    if not complete:
        return
    yield "embedding as a whole, DoRA", peft.LoraConfig(r=4, lora_alpha=6, target_modules=linear[:1], modules_to_save=[embedding], use_dora=True), True
    yield "all-linear, rank-stabilized", peft.LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", use_rslora=True), False
    if linear is LLAMA:
        yield "queries and values", peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]), True
        yield "some layers", peft.LoraConfig(r=2, target_modules=["k_proj", "up_proj", "down_proj"], layers_to_transform=[1]), True
        yield "a regular expression", peft.LoraConfig(r=4, target_modules=r".*layers\.[02]\..*(gate|o)_proj"), True
    last = linear[-1].split(".")[-1]
    yield "patterns", peft.LoraConfig(r=4, lora_alpha=4, target_modules=short, rank_pattern={linear[0]: 2, rf"^.*\.1\..*{last}": 6},
                                      alpha_pattern={linear[0]: 5, rf"^.*\.1\..*{last}": 1}), False


def random_adapter(model, config, seed):
    torch.manual_seed(seed)
    adapted = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_magnitude" in name:
                parameter.mul_(1 + 0.1 * torch.randn_like(parameter))
            elif "lora_" in name:
                parameter.normal_(0, 0.1)
            elif "modules_to_save" in name:
                parameter.add_(0.05 * torch.randn_like(parameter))
    return adapted.eval()


def check_close(found, expected, what, limit=1e-4):
    apart = difference(found, expected)
    assert apart < limit, f"{what}: logits differ by {apart:.1e}"
    return apart


def adapted_logits(base, folder, rows):
    """The logits of peft on a folder that slm exported; also merged, unless peft would merge an embedding's adapter into the head that is tied to it."""
    model = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder).eval()
    model_logits = [theirs(model, rows)]
    is_tied = model.config.tie_word_embeddings and any("lora_embedding" in name or "modules_to_save" in name for name, _ in model.named_parameters())
    return model_logits + ([] if is_tied else [theirs(model.merge_and_unload(), rows)])


def saved(folder):
    """A and B of a folder of peft, without the base's weights that it stores along with adapters of the embedding and the head."""
    return {key: value for key, value in load_file(folder / "adapter_model.safetensors").items() if "base_layer" not in key}


def check_adapters(slm, logits, folder, name, config, rows):
    worst, vocabulary = 0, config.vocab_size
    for number, (title, settings, is_same) in enumerate(adapters(config, name in COMPLETE)):
        what = f"{name}, {title}"
        adapted = random_adapter(AutoModelForCausalLM.from_pretrained(folder / "exported"), settings, seed=number)
        adapted.save_pretrained(folder / "peft")
        expected = theirs(adapted, rows)
        run(slm, "import", folder / "peft", "--base", folder / "base.h5", "--out", folder / "adapter.h5")
        worst = max(worst, check_close(ours(logits, folder / "adapter.h5", rows, vocabulary), expected, f"{what}, imported"))
        if number < 4:
            run(slm, "export", folder / "adapter.h5", "--out", folder / "whole")
            check_close(theirs(AutoModelForCausalLM.from_pretrained(folder / "whole").eval(), rows), expected, f"{what}, merged for transformers")
            shutil.rmtree(folder / "whole")
            run(slm, "adapter", "merge", folder / "adapter.h5", "--out", folder / "merged.h5")
            check_close(ours(logits, folder / "merged.h5", rows, vocabulary), expected, f"{what}, merged by slm")
        run(slm, "export", folder / "adapter.h5", "--peft", "--out", folder / "back")
        for found in adapted_logits(folder / "exported", folder / "back", rows):
            worst = max(worst, check_close(found, expected, f"{what}, exported"))
        before, after = saved(folder / "peft"), saved(folder / "back")
        assert before.keys() == after.keys(), f"{what}: {sorted(before.keys() ^ after.keys())[:4]}"
        if is_same:
            assert all(torch.equal(before[key], after[key]) for key in before), what
            run(slm, "import", folder / "back", "--base", folder / "base.h5", "--out", folder / "again.h5")
            assert (folder / "again.h5").read_bytes() == (folder / "adapter.h5").read_bytes(), what
        shutil.rmtree(folder / "peft")
        shutil.rmtree(folder / "back")
    return worst


def check_trained(slm, logits, folder, name, config, rows):
    """Adapters that slm trained: with A of queries, keys and values in common, with PiSSA, and of parts of them, the head and the embedding."""
    for start, options in {"plain": [], "pissa": ["--lora-init", "pissa"], "dora": ["--dora"], "parts": ["--lora-targets", "q,v,down,head,embedding", "--rslora"]}.items():
        run(slm, "finetune", folder / "base.h5", "--data", folder / "chats.jsonl", "--lora", "3", "--lora-alpha", "5", *options, "--max-steps", "3", "--lr", "1e-2",
            "--out", folder, "--name", start, "--threads", "2", "--dtype", "f32", "--quiet")
        expected = ours(logits, folder / start / "last.h5", rows, config.vocab_size)
        run(slm, "export", folder / start / "last.h5", "--peft", "--out", folder / "back", "--base-name", "somewhere/base")
        settings = json.loads((folder / "back/adapter_config.json").read_text())
        assert settings["r"] == (6 if start == "pissa" else 3) and settings["base_model_name_or_path"] == "somewhere/base", settings
        assert abs(settings["lora_alpha"] / settings["r"] - 5 / (3 ** 0.5 if start == "parts" else 3)) < 1e-6, settings
        for found in adapted_logits(folder / "exported", folder / "back", rows):
            check_close(found, expected, f"{name}, trained from {start}")
        run(slm, "import", folder / "back", "--base", folder / "base.h5", "--out", folder / "again.h5")
        check_close(ours(logits, folder / "again.h5", rows, config.vocab_size), expected, f"{name}, trained from {start}, imported")
        assert difference(ours(logits, folder / "base.h5", rows, config.vocab_size), expected) > 1e-2, f"{name}: training changed nothing"
        shutil.rmtree(folder / "back")


def batch(vocabulary):
    rng = np.random.default_rng(5)
    return [[int(i) for i in rng.integers(0, vocabulary, 41)] for _ in range(4)]


def text(rows):
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def steps(gradients, checkpoint, out, rows, *arguments):
    return [float(line) for line in run(gradients, checkpoint, out, *arguments, text=text(rows)).split()]


def check_equal(found, expected, what, limit=1e-4):
    """Of each tensor, the largest difference relative to its largest number."""
    worst = 0
    for key, value in expected.items():
        apart = float((found[key] - value).abs().max() / value.abs().max().clamp(min=1e-12))
        assert apart < limit, f"{what}: {key} differs by {apart:.1e} of {float(value.abs().max()):.1e}"
        worst = max(worst, apart)
    return worst


def by_tensor(model):
    """The gradients by the names in files, which have a tensor for each matrix of an expert."""
    for key, parameter in model.named_parameters():
        before, _, part = key.partition(".mlp.experts.")
        if not part:
            yield key, parameter.grad
            continue
        for index, gradient in enumerate(parameter.grad):
            parts = zip(["gate_proj", "up_proj"], gradient.chunk(2)) if part == "gate_up_proj" else [(part, gradient)]
            yield from ((f"{before}.mlp.experts.{index}.{name}.weight", matrix) for name, matrix in parts)


def check_gradients(slm, gradients, folder, name, config, rows):
    """All weights of the model, then A and B of an adapter."""
    model = AutoModelForCausalLM.from_pretrained(folder / "exported").eval()
    loss = model(torch.tensor(rows), labels=torch.tensor(rows)).loss
    loss.backward()
    found = steps(gradients, folder / "base.h5", folder / "gradients.h5", rows)
    assert abs(found[0] - loss.item()) < 1e-5 * loss.item(), f"{name}: loss {found[0]} instead of {loss.item()}"
    run(slm, "export", folder / "gradients.h5", "--out", folder / "gradients")
    own = load_file(folder / "gradients/model.safetensors")
    if config.model_type.startswith("gemma"):                # slm subtracts the 1 that it adds to weights of norms
        own = {key: value + 1 if "norm" in key else value for key, value in own.items()}
    # slm has no keys' biases whose gradients are exactly 0: they shift all scores of a query alike.
    expected = {key: gradient for key, gradient in by_tensor(model) if key in own and gradient.abs().max() > 1e-7}
    assert len(expected) > len(own) * 0.8, f"{name}: {len(expected)} gradients of {len(own)}"
    worst = check_equal(own, expected, f"gradients of {name}")
    linear, vocabulary = LINEAR.get(config.model_type, LLAMA), VOCABULARY.get(config.model_type, LLAMA_VOCABULARY)
    for targets, options in [(linear, {}), (vocabulary, {}), (linear, dict(use_dora=True)), (linear, dict(modules_to_save=vocabulary[1:2]))]:
        settings = peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, **options)
        adapted = random_adapter(AutoModelForCausalLM.from_pretrained(folder / "exported"), settings, seed=9)
        adapted.save_pretrained(folder / "peft")
        adapted(torch.tensor(rows), labels=torch.tensor(rows)).loss.backward()
        run(slm, "import", folder / "peft", "--base", folder / "base.h5", "--out", folder / "adapter.h5")
        steps(gradients, folder / "adapter.h5", folder / "gradients.h5", rows)
        run(slm, "export", folder / "gradients.h5", "--peft", "--out", folder / "back")
        expected = {key.replace(".default", "").replace(".modules_to_save", "").replace("vector.weight", "vector"): parameter.grad
                    for key, parameter in adapted.named_parameters() if parameter.grad is not None}
        own = saved(folder / "back")
        assert own.keys() == expected.keys()
        worst = max(worst, check_equal(own, expected, f"gradients of {name}'s adapter of {targets} {options}"))
        for part in ["peft", "back"]:
            shutil.rmtree(folder / part)
    shutil.rmtree(folder / "gradients")
    return worst


class FixedDropout(torch.nn.Module):
    """Dropout with slm's mask: element i of SplitMix64's stream, in the order in which the layers are computed. Layers that slm computes together get the same mask."""
    TOGETHER = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "gate_proj": "gate-up", "up_proj": "gate-up"}

    def __init__(self, name, share, masks):
        super().__init__()
        parent, _, layer = name.removesuffix(".lora_dropout").rpartition(".")
        self.key, self.share, self.masks = (parent, self.TOGETHER.get(layer, layer)), share, masks

    def forward(self, x):
        rows, tokens, width = x.shape
        if self.key not in self.masks:
            start = sum(mask.numel() for mask in self.masks.values())
            self.masks[self.key] = torch.from_numpy(self.mask(start, rows * (tokens - 1) * width)).view(rows, tokens - 1, width)
        # The last token of a row is a target only.
        return x * torch.nn.functional.pad(self.masks[self.key], (0, 0, 0, 1), value=1.0)

    def mask(self, start, count, seed=1):
        z = np.uint64(seed) + (np.arange(start + 1, start + count + 1, dtype=np.uint64)) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z ^= z >> np.uint64(31)
        is_dropped = (z >> np.uint64(32)) < np.uint64(self.share * 2 ** 32)
        return np.where(is_dropped, 0, 1 / (1 - self.share)).astype(np.float32)


def check_dropout(slm, gradients, folder, name, config, rows, share=0.25):
    """The loss and the gradients of A and B with a share of the adapter's inputs dropped, for the same mask in peft."""
    settings = peft.LoraConfig(r=4, lora_alpha=6, target_modules=LINEAR.get(config.model_type, LLAMA), lora_dropout=share)
    adapted = random_adapter(AutoModelForCausalLM.from_pretrained(folder / "exported"), settings, seed=6)
    adapted.save_pretrained(folder / "peft")
    run(slm, "import", folder / "peft", "--base", folder / "base.h5", "--out", folder / "adapter.h5")
    found = steps(gradients, folder / "adapter.h5", folder / "gradients.h5", rows)
    run(slm, "export", folder / "gradients.h5", "--peft", "--out", folder / "back")
    without = adapted(torch.tensor(rows), labels=torch.tensor(rows)).loss.item()
    masks = {}
    for path, module in list(adapted.named_modules()):
        if path.endswith(".lora_dropout"):
            module["default"] = FixedDropout(path, share, masks)
    loss = adapted(torch.tensor(rows), labels=torch.tensor(rows)).loss
    loss.backward()
    assert abs(loss.item() - without) > 1e-3, f"{name}: dropout changes nothing"
    assert abs(found[0] - loss.item()) < 1e-5 * loss.item(), f"{name}, dropout: loss {found[0]} instead of {loss.item()} ({without} without)"
    expected = {key.replace(".default", ""): parameter.grad for key, parameter in adapted.named_parameters() if parameter.grad is not None}
    own = saved(folder / "back")
    assert own.keys() == expected.keys()
    for part in ["peft", "back"]:
        shutil.rmtree(folder / part)
    return check_equal(own, expected, f"gradients of {name}'s adapter with dropout")


def check_step(slm, gradients, folder, name, config, rows):
    """All weights after one step of AdamW: matrices have weight decay, norms and biases have none."""
    model = AutoModelForCausalLM.from_pretrained(folder / "exported").eval()
    model(torch.tensor(rows), labels=torch.tensor(rows)).loss.backward()
    parameters = list(model.parameters())
    torch.nn.utils.clip_grad_norm_(parameters, 1)
    matrices, others = ([p for p in parameters if (p.dim() > 1) == is_matrix] for is_matrix in (True, False))
    torch.optim.AdamW([dict(params=matrices, weight_decay=DECAY), dict(params=others, weight_decay=0)], lr=RATE, betas=(0.9, 0.95), eps=1e-8).step()
    steps(gradients, folder / "base.h5", folder / "stepped.h5", rows, 1, RATE, DECAY)
    run(slm, "export", folder / "stepped.h5", "--out", folder / "stepped")
    own = load_file(folder / "stepped/model.safetensors")
    worst, before = 0, load_file(folder / "exported/model.safetensors")
    for key, parameter in model.named_parameters():
        if key not in own:
            continue
        # AdamW moves a weight by the whole rate in the direction of a gradient that is only a rounding error.
        is_certain = parameter.grad.abs() > max(1e-7, 1e-3 * float(parameter.grad.abs().max()))
        apart = (own[key] - parameter.detach()).abs()
        worst = max(worst, float((apart * is_certain).max()))
        assert (apart * is_certain).max() < 1e-5 and apart.max() < 2.1 * RATE, f"{name}: {key} differs by {float((apart * is_certain).max()):.1e}, {float(apart.max()):.1e} after a step"
        assert key.endswith("bias") or not torch.equal(own[key], before[key]), f"{name}: {key} is unchanged"
    shutil.rmtree(folder / "stepped")
    return worst


def check_curve(slm, gradients, folder, name, config, rows, count):
    """AdamW as in slm, in f32, with the norm of all gradients clipped to 1."""
    torch.manual_seed(3)
    settings = peft.LoraConfig(r=4, lora_alpha=8, target_modules=LINEAR.get(config.model_type, LLAMA))
    adapted = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(folder / "exported"), settings)
    adapted.save_pretrained(folder / "peft")
    run(slm, "import", folder / "peft", "--base", folder / "base.h5", "--out", folder / "adapter.h5")
    found = steps(gradients, folder / "adapter.h5", folder / "trained.h5", rows, count, RATE)
    adapted.eval()                                           # without dropout
    parameters = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.95), eps=1e-8, weight_decay=0)
    expected = []
    for _ in range(count):
        loss = adapted(torch.tensor(rows), labels=torch.tensor(rows)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1)
        optimizer.step()
        optimizer.zero_grad()
        expected.append(float(loss.detach()))
    assert len(found) == count and expected[-1] < 0.9 * expected[0], f"{name}: {found[-3:]}, {expected[-3:]}"
    apart = {step: max(abs(a - b) / b for a, b in zip(found[:step], expected[:step])) for step in TOLERANCES if step <= count}
    for step, limit in TOLERANCES.items():
        assert step > count or apart[step] < limit, f"{name}: after {step} steps the losses differ by {apart[step]:.1e}"
    run(slm, "export", folder / "trained.h5", "--peft", "--out", folder / "back")
    own, state = load_file(folder / "back/adapter_model.safetensors"), peft.get_peft_model_state_dict(adapted)
    change = max(float((own[key] - value).norm() / value.norm()) for key, value in state.items())
    for part in ["peft", "back"]:
        shutil.rmtree(folder / part)
    return expected, apart, change


def check_refusals(slm, folder):
    """Adapters that slm cannot represent: one sentence that names the field."""
    base = folder / "exported"
    for settings, message in [
        (peft.LoraConfig(target_modules=["q_proj", "lm_head"], use_dora=True), "use_dora: expected false"),
        (peft.LoraConfig(target_modules=["q_proj"], modules_to_save=["v_proj"]), "modules_to_save: expected modules of which no part"),
        (peft.LoraConfig(target_modules=["q_proj"], bias="lora_only"), "bias: expected none"),
        (peft.LoraConfig(target_modules=["q_proj"], init_lora_weights="pissa"), "path_initial_model_for_weight_conversion"),
        (peft.IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"]), "peft_type: expected LORA"),
    ]:
        peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(folder / "peft")
        done = subprocess.run([slm, "import", folder / "peft", "--base", folder / "base.h5", "--out", folder / "no.h5"], capture_output=True, text=True)
        assert done.returncode == 1 and message in done.stderr, f"{settings}: {done.stderr}"
        shutil.rmtree(folder / "peft")


def greedy(logits, prompt, count):
    """The ids that follow, by a function from ids to the logits of the last of them."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(np.argmax(logits(ids))))
    return ids[len(prompt):]


def check_added_tokens(slm, logits, folder, config, is_tied, base_rows):
    """Special tokens that an adapter adds to the vocabulary of its base, from slm to peft and back, and from peft to slm."""
    config = type(config)(**{**config.to_dict(), "vocab_size": base_rows, "tie_word_embeddings": is_tied})
    what = f"added tokens, {base_rows} rows, {'tied' if is_tied else 'with a head'}"
    random_model(config).save_pretrained(folder / "small")
    save_tokenizer(folder / "small")
    run(slm, "import", folder / "small", "--out", folder / "small.h5")
    (folder / "chats.jsonl").write_text("".join(json.dumps({"user": f"say {i}", "assistant": f"{i} it is"}) + "\n" for i in range(12)))
    run(slm, "finetune", folder / "small.h5", "--data", folder / "chats.jsonl", "--lora", "3", "--chat-template", "chatml", "--add-tokens", "--max-steps", "4", "--lr", "1e-2",
        "--weight-decay", "0.5", "--out", folder, "--name", "added", "--threads", "2", "--dtype", "f32", "--quiet")
    adapter = folder / "added/last.h5"
    run(slm, "export", adapter, "--peft", "--out", folder / "back")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "back")
    new, rows = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"]), max(base_rows, len(tokenizer))
    assert new == [TOKENS, TOKENS + 1] and len(tokenizer) == TOKENS + 2, (new, len(tokenizer))
    ids = [row + new for row in prompts(TOKENS, 40, count=3)] + [tokenizer.apply_chat_template([{"role": "user", "content": "say 4"}], add_generation_prompt=True, return_dict=False)]
    expected = ours(logits, adapter, ids, rows)

    def base():
        model = AutoModelForCausalLM.from_pretrained(folder / "small")
        if len(tokenizer) > base_rows:
            model.resize_token_embeddings(len(tokenizer))
        return model
    model = peft.PeftModel.from_pretrained(base(), folder / "back").eval()
    check_close(theirs(model, ids), expected, f"{what}, exported for peft")
    # Rows of other tokens stay as they are.
    table, before = load_file(folder / "back/adapter_model.safetensors"), base().get_input_embeddings().weight.detach()
    table = next(value for key, value in table.items() if key.endswith("embed_tokens.weight"))
    assert torch.equal(table[:TOKENS], before[:TOKENS]) and not torch.equal(table[TOKENS:TOKENS + 2], before[TOKENS:TOKENS + 2]), what
    run(slm, "export", adapter, "--out", folder / "whole")
    whole = AutoModelForCausalLM.from_pretrained(folder / "whole").eval()
    assert whole.config.vocab_size == rows and whole.config.tie_word_embeddings == is_tied, whole.config
    check_close(theirs(whole, ids), expected, f"{what}, merged for transformers")
    continued = [greedy(lambda ids: theirs(one, [ids])[0][-1], ids[-1], GREEDY) for one in (model, whole)]
    assert continued == [greedy(lambda ids: ours(logits, adapter, [ids], rows)[0][-1], ids[-1], GREEDY)] * 2, f"{what}: {continued}"
    run(slm, "import", folder / "back", "--base", folder / "small.h5", "--out", folder / "again.h5")
    check_close(ours(logits, folder / "again.h5", ids, rows), expected, f"{what}, imported again")
    run(slm, "finetune", "--resume", folder / "added", "--max-steps", "6", "--quiet", "--threads", "2", "--dtype", "f32")

    # peft's own: the embedding and the head differ, also where the base has one matrix for both.
    settings = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"], modules_to_save=["embed_tokens", "lm_head"])
    adapted = random_adapter(base(), settings, seed=4)
    adapted.save_pretrained(folder / "peft")
    if len(tokenizer) > base_rows:
        done = subprocess.run([slm, "import", folder / "peft", "--base", folder / "small.h5", "--out", folder / "no.h5"], capture_output=True, text=True)
        assert done.returncode == 1 and "a tokenizer.json with the added tokens" in done.stderr, done.stderr
    tokenizer.save_pretrained(folder / "peft")
    run(slm, "import", folder / "peft", "--base", folder / "small.h5", "--out", folder / "theirs.h5")
    check_close(ours(logits, folder / "theirs.h5", ids, rows), theirs(adapted, ids), f"{what}, from peft")
    for name in ["small", "back", "whole", "peft", "added"]:
        shutil.rmtree(folder / name)
    return what


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("slm")
    arguments.add_argument("logits")
    arguments.add_argument("gradients")
    arguments.add_argument("--only", nargs="*", default=NAMES, choices=NAMES)
    arguments.add_argument("--steps", type=int, default=50)
    options = arguments.parse_args()
    torch.set_num_threads(1)                               # small models: threads would only wait for each other
    slm, logits, gradients = (os.path.abspath(path) for path in (options.slm, options.logits, options.gradients))
    for name in options.only:
        with scratch_folder() as folder:
            config = MODELS[name]
            random_model(config).save_pretrained(folder / "theirs")
            save_tokenizer(folder / "theirs")
            run(slm, "import", folder / "theirs", "--out", folder / "base.h5")
            run(slm, "export", folder / "base.h5", "--out", folder / "exported")
            (folder / "chats.jsonl").write_text("".join(json.dumps({"user": f"say {i}", "assistant": f"{i} it is"}) + "\n" for i in range(12)))
            rows = prompts(config.vocab_size, 60, count=4)
            results = [f"{name}: logits {check_adapters(slm, logits, folder, name, config, rows):.0e}"]
            if name in COMPLETE:
                check_trained(slm, logits, folder, name, config, rows)
            results.append(f"gradients {check_gradients(slm, gradients, folder, name, config, batch(config.vocab_size)):.0e}")
            if name in DROPOUT:
                results.append(f"with dropout {check_dropout(slm, gradients, folder, name, config, batch(config.vocab_size)):.0e}")
            results.append(f"weights after a step {check_step(slm, gradients, folder, name, config, batch(config.vocab_size)):.0e}")
            if name in CURVES:
                losses, apart, change = check_curve(slm, gradients, folder, name, config, batch(config.vocab_size), options.steps)
                results.append(f"loss {losses[0]:.3f} to {losses[-1]:.3f}, differences up to step " + ", ".join(f"{step}: {value:.0e}" for step, value in apart.items()))
                results.append(f"A and B then differ by {change:.0e}")
            if name == "llama":
                check_refusals(slm, folder)
                for is_tied, base_rows in [(False, TOKENS), (True, TOKENS), (True, config.vocab_size)]:
                    results.append(check_added_tokens(slm, logits, folder, config, is_tied, base_rows))
            print("; ".join(results), flush=True)
    print(f"adapters: peft {peft.__version__} and slm agree")


if __name__ == "__main__":
    main()
