"""Compares `slm finetune --preferences` and `slm eval` on preferences with transformers, by TRL's formula of the DPO loss.

    python Tests/Peers/check_preferences.py .build/release/slm

Trains a small model, then on pairs with DPO. Both models are exported, and transformers computes the log-probabilities of all answers
from the text that the chat template writes. Margins, accuracies and the loss of the first and the last model must agree.
"""
import json
import sys

import offline                                              # before transformers

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from programs import run, scratch_folder

SLM = sys.argv[1]
BETA = 0.3


def slm(*arguments):
    return run(SLM, *arguments)


def log_probability(model, tokenizer, prompt, answer):
    start = tokenizer.encode(f"<|user|>{prompt}<|assistant|>", add_special_tokens=False)
    ids = torch.tensor(start + tokenizer.encode(answer, add_special_tokens=False) + [tokenizer.convert_tokens_to_ids("<|eos|>")])
    with torch.no_grad():
        logps = model(ids[None, :-1]).logits[0].double().log_softmax(-1)
    return logps.gather(-1, ids[1:, None])[len(start) - 1:, 0].sum()


def near(name, found, expected, tolerance):
    assert abs(found - expected) <= tolerance * max(1, abs(expected)), f"{name}: slm {found}, transformers {expected}"
    print(f"{name}: slm {found:.5f}, transformers {expected:.5f}")


with scratch_folder() as folder:
    pairs = [{"prompt": f"What comes after {i}?", "chosen": f"After {i} comes {i + 1}.", "rejected": f"It is {i - 1}!"} for i in range(40)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    (folder / "chats.jsonl").write_text("".join(
        json.dumps({"user": pair["prompt"], "assistant": pair[key]}) + "\n" for pair in pairs for key in ["chosen", "rejected"]))
    slm("tokenize", "train", "--data", folder / "chats.jsonl", "--vocab-size", 300, "--out", folder / "data/tokenizer.json")
    slm("tokenize", "corpus", "--data", folder / "chats.jsonl", "--tokenizer", folder / "data/tokenizer.json", "--out", folder / "data")
    slm("train", "--data", folder / "data", "--out", folder / "base", "--layers", 2, "--width", 32, "--heads", 2, "--context", 64,
        "--batch", 4, "--max-steps", 60, "--lr", "5e-3", "--dtype", "f32", "--quiet")
    slm("finetune", folder / "base/best.h5", "--data", folder / "pairs.jsonl", "--preferences", "dpo", "--beta", BETA, "--sft-weight", 0,
        "--out", folder, "--name", "run", "--max-steps", 10, "--lr", "1e-3", "--dtype", "f32", "--quiet")
    scores = {}
    for model in ["base", "run"]:
        slm("export", folder / model / "best.h5", "--out", folder / f"{model}-hf")
        peer = AutoModelForCausalLM.from_pretrained(folder / f"{model}-hf").eval()
        tokenizer = AutoTokenizer.from_pretrained(folder / f"{model}-hf")
        scores[model] = torch.stack([torch.stack([log_probability(peer, tokenizer, p["prompt"], p[key]) for key in ["chosen", "rejected"]])
                                     for p in pairs])
    rows = [json.loads(line) for line in slm(
        "eval", folder / "run/best.h5", "--compare", folder / "base/best.h5", "--data", folder / "pairs.jsonl", "--dtype", "f32", "--json",
    ).splitlines()]
    for row, model in zip(rows, ["run", "base"]):
        near(f"{model}: chosen", row["chosen_log_probability"], scores[model][:, 0].mean().item(), 1e-4)
        near(f"{model}: rejected", row["rejected_log_probability"], scores[model][:, 1].mean().item(), 1e-4)
        near(f"{model}: accuracy", row["preference_accuracy"], (scores[model][:, 0] > scores[model][:, 1]).double().mean().item(), 0)
    logits = (scores["run"] - scores["base"]) @ torch.tensor([1.0, -1.0], dtype=torch.float64)
    near("reward margin", rows[2]["reward_margin"], logits.mean().item(), 1e-4)
    near("reward accuracy", rows[2]["reward_accuracy"], (logits > 0).double().mean().item(), 0)
    # Held-out and training pairs together are all pairs. The training loss is that of a part of them, as many as a quarter of the tokens of
    # an evaluation: the sum is near the loss of all while the pairs differ little, as with the rate of this base.
    last = [json.loads(line) for line in (folder / "run/log.jsonl").read_text().splitlines()]
    best = [entry for entry in last if entry["event"] == "evaluated" and entry["best"] == 1][-1]
    held_out = int(best["val_set"].rsplit("-", 1)[1])
    loss = -F.logsigmoid(BETA * logits).mean().item()
    found = (best["val_loss"] * held_out + best["train_loss"] * (len(pairs) - held_out)) / len(pairs)
    near("loss of all pairs", found, loss, 1e-2)
print("preferences agree with transformers")
