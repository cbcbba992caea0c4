"""Exchanges GPT-2 folders between slm and transformers in both directions, and compares logits, ids, chat templates and greedy answers.

All models are created here from seeds.

    python Tests/Peers/check_huggingface.py .build/release/slm .build/release/Logits [--small]

Logits of ten prompts may differ by at most 1e-4: both programs compute in f32, but sum in different orders.
"""
import argparse
import json
import os
import shutil

import offline                                              # before transformers

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from families import ours, prompts, random_model, theirs
from programs import run, scratch_folder
from texts import CONVERSATIONS, TEXTS, RENDERED

SMALL = dict(n_layer=3, n_head=4, n_embd=64, n_positions=48, vocab_size=700)
GPT2 = dict(n_layer=12, n_head=12, n_embd=768, n_positions=1024, vocab_size=50_257)


def random_gpt2(seed, **shape):
    return random_model(GPT2Config(bos_token_id=0, eos_token_id=0, **shape), seed, deviation=0.06)


def difference(logits, model, checkpoint, seed):
    rows = prompts(model.config.vocab_size, min(model.config.max_position_embeddings, 200), seed)
    pairs = list(zip(ours(logits, checkpoint, rows, model.config.vocab_size), theirs(model, rows)))
    return max(np.abs(a - b).max() for a, b in pairs)


def check_import(slm, logits, folder, **shape):
    model = random_gpt2(1, **shape)
    model.generation_config.update(do_sample=True, temperature=0.6, top_k=20, top_p=0.9, repetition_penalty=1.1)
    model.save_pretrained(folder / "theirs")
    run(slm, "import", folder / "theirs", "--out", folder / "ours.h5")
    worst = difference(logits, model, folder / "ours.h5", 2)
    assert worst < 1e-4, f"{shape}: logits after the import differ by {worst}"
    run(slm, "export", folder / "ours.h5", "--out", folder / "back")
    back = AutoModelForCausalLM.from_pretrained(folder / "back").eval()
    assert isinstance(back, GPT2LMHeadModel)
    sampling = {key: getattr(back.generation_config, key) for key in ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty")}
    assert sampling == {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.9, "repetition_penalty": 1.1}, sampling
    state, again = model.state_dict(), back.state_dict()
    assert state.keys() == again.keys() and all(torch.equal(state[name], again[name]) for name in state), "the round trip changed the weights"
    shutil.rmtree(folder / "theirs")
    shutil.rmtree(folder / "back")
    return worst


def check_halves(slm, logits, folder):
    for dtype in ("float16", "bfloat16"):                                      # slm calls them f16 and bf16
        model = random_gpt2(4, **SMALL).to(getattr(torch, dtype))
        model.save_pretrained(folder / dtype, max_shard_size="100KB")
        assert (folder / dtype / "model.safetensors.index.json").exists()
        run(slm, "import", folder / dtype, "--out", folder / "half.h5")
        worst = difference(logits, model.float(), folder / "half.h5", 5)
        assert worst < 1e-4, f"{dtype} split into several files: logits differ by {worst}"
        run(slm, "export", folder / "half.h5", "--out", folder / "again", "--dtype", dtype.replace("float", "f"))
        again = AutoModelForCausalLM.from_pretrained(folder / "again")
        assert again.dtype == getattr(torch, dtype), again.dtype
        assert all(torch.equal(a, b.float()) for a, b in zip(model.state_dict().values(), again.state_dict().values())), dtype


def check_training(slm, logits, folder, form, pattern):
    """Trains a model with slm and compares logits, ids and chats in transformers."""
    chats = "".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}, don't you think?\n" for i in range(200))
    (folder / "chats.txt").write_text(chats)
    out = folder / f"{form}-{pattern}"
    run(slm, "tokenize", "corpus", "--data", folder / "chats.txt", "--vocab-size", "400", "--pattern", pattern, "--chat-template", form, "--out", out / "data")
    run(slm, "train", "--data", out / "data", "--out", out / "run", "--layers", "2", "--width", "64", "--heads", "4", "--context", "96", "--batch", "4",
        "--max-steps", "60", "--lr", "0.01")
    checkpoint = out / "run" / "last.h5"
    run(slm, "export", checkpoint, "--out", out / "hf")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out / "hf").eval(), AutoTokenizer.from_pretrained(out / "hf")
    worst = difference(logits, model, checkpoint, 6)
    assert worst < 1e-4, f"{form}: transformers' logits of the exported model differ by {worst}"
    for (messages, add_generation_prompt), expected in zip(CONVERSATIONS, RENDERED[form]):
        prompt = tokenizer.apply_chat_template([dict(role=role, content=text) for role, text in messages], add_generation_prompt=add_generation_prompt, tokenize=False)
        assert prompt == expected, f"{form}: expected {expected!r}, found {prompt!r}"
    question = [dict(role="user", content="What comes after 7?")]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1]:]
    ends = model.generation_config.eos_token_id
    assert int(answer[-1]) in (ends if isinstance(ends, list) else [ends]), f"{form}: the answer has no end token: {tokenizer.decode(answer)!r}"
    for text in TEXTS:
        expected = [int(word) for word in run(slm, "tokenize", "encode", out / "hf" / "tokenizer.json", text=text).split()]
        # In slm, user text never becomes a special token.
        assert tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) == expected, (form, pattern, text)
    run(slm, "import", out / "hf", "--out", out / "again.h5")
    a, b = (json.loads(run(slm, "info", path, "--json")) for path in (checkpoint, out / "again.h5"))
    assert a["fingerprint"] == b["fingerprint"] and a["chat_template"] == b["chat_template"] and a["configuration"] == b["configuration"], (form, b["chat_form"], b["configuration"])
    return worst


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("slm")
    arguments.add_argument("logits")
    arguments.add_argument("--small", action="store_true", help="skip the model of GPT-2's full size")
    options = arguments.parse_args()
    torch.set_num_threads(1)                               # small models: threads would only wait for each other
    slm, logits = os.path.abspath(options.slm), os.path.abspath(options.logits)
    with scratch_folder() as folder:
        differences = []
        for tied in (False, True):
            differences.append(check_import(slm, logits, folder, tie_word_embeddings=tied, **SMALL))
        for activation in ("gelu", "relu", "silu", "relu2", "tanh", "sigmoid", "linear"):
            differences.append(check_import(slm, logits, folder, activation_function=activation, **SMALL))
        check_halves(slm, logits, folder)
        for form, pattern in (("markers", "gpt2"), ("markers", "gpt4"), ("human-assistant", "gpt2")):
            differences.append(check_training(slm, logits, folder, form, pattern))
        print(f"huggingface: transformers {transformers.__version__} and slm have logits within {max(differences):.1e} of each other, in both directions")
        if not options.small:
            print(f"huggingface: at GPT-2's shape within {check_import(slm, logits, folder, **GPT2):.1e}")


if __name__ == "__main__":
    main()
