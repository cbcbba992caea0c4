"""Chooses chat templates for models without one, and compares tokens with transformers, which reads the exported folder.

    python Tests/Peers/check_chat_templates.py .build/release/slm

Two random Llamas: one with a byte-level vocabulary that has the special tokens of all templates, and one with a SentencePiece vocabulary
with byte fallback, as Llama 2 has. Of each template, the tokens of whole conversations and of prompts must be equal, and the template must
be in the exported Hugging Face folder and GGUF file, also after fine-tuning an adapter.
"""
import json
import pathlib
import subprocess
import sys

import offline                                              # before transformers

import gguf
import numpy as np
from tokenizers import AddedToken, Tokenizer, models, trainers
from transformers import AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

import foreign_tokenizers as foreign
from families import random_model
from programs import run, scratch_folder

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>"]
ALPACA = ("{% for m in messages %}{% if m.role == 'system' %}{{ m.content ~ '\n\n' }}{% else %}### {{ 'Instruction' if m.role == 'user' else 'Response' }}:\n"
          "{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n\n{% endif %}{% endfor %}{% if add_generation_prompt %}### Response:\n{% endif %}")
TEXTS = ["Where does the Danube end?", "In the Black Sea.", "And  the Rhine?\nTell me.", "naïve 日本語 🙂\tIn the North Sea", "Thanks: 12 < 345!", "You are welcome.\n\nBye", "<|im_end|> </s> [INST]", "x"]
CHATS = [TEXTS[:2], TEXTS[2:4], TEXTS[:6], TEXTS[6:8], TEXTS]


def messages(texts):
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]


def byte_level():
    tokenizer = foreign.byte_level("llama-bpe", models.BPE(vocab={}, merges=[]))
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=sorted(foreign.pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in ["<|begin_of_text|>", "<|end_of_text|>", *SPECIAL]])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>")


def sentence_piece():
    """As Llama 2's: a space before the text, and byte tokens for characters that are none, such as a line break."""
    learned = Tokenizer(models.BPE())
    # As in SentencePiece's vocabularies, a space only begins a piece: transformers merges across the border of an answer, slm does not.
    learned.pre_tokenizer = foreign.pre_tokenizers.Metaspace(replacement=foreign.MARK, prepend_scheme="never")
    alphabet = [chr(code) for code in range(33, 127)] + [foreign.MARK]
    learned.train_from_iterator([" ".join(TEXTS).replace("\n", " ").replace(" ", foreign.MARK)] * 3, trainers.BpeTrainer(vocab_size=200, initial_alphabet=alphabet, limit_alphabet=95, show_progress=False))
    state = json.loads(learned.to_str())["model"]
    vocab = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *state["vocab"]]
    tokenizer = foreign.sentence_piece("Llama 2", {piece: i for i, piece in enumerate(vocab)}, [tuple(merge) for merge in state["merges"]], "<unk>")
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in vocab[:3]])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def save_model(folder, tokenizer):
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=512)
    random_model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def peer_ids(tokenizer, texts, prompts):
    ids = tokenizer.apply_chat_template(messages(texts), tokenize=True, add_generation_prompt=prompts, return_dict=False)
    return list(ids)


def forged(tokenizer, texts):
    """transformers reads special tokens in messages, and slm does not: such conversations are compared without them."""
    return any(token in text for text in texts for token in tokenizer.all_special_tokens + [str(t) for t in tokenizer.added_tokens_decoder.values()])


def check(slm, folder, name, template, chats):
    checkpoint, back, data = (folder / f"{name}-{template.stem}{end}" for end in (".h5", "", "-data"))
    choice = template if template.suffix else template.name
    run(slm, "import", folder / name, "--chat-template", choice, "--out", checkpoint)
    run(slm, "export", checkpoint, "--out", back)
    tokenizer = AutoTokenizer.from_pretrained(back)
    chats = [texts for texts in chats if not forged(tokenizer, texts)]
    (folder / "chats.jsonl").write_text("".join(json.dumps({"messages": messages(texts)}) + "\n" for texts in chats))
    run(slm, "tokenize", "corpus", "--tokenizer", back / "tokenizer.json", "--chat-template", choice, "--data", folder / "chats.jsonl", "--val-share", "0", "--out", data)
    found = np.fromfile(data / "train.bin", "<u2").tolist()
    expected = [token for texts in chats for token in peer_ids(tokenizer, texts, prompts=False)]
    at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
    assert found == expected, f"{name}, {template.name}: token {at}: {tokenizer.decode(expected[max(0, at - 8):at])!r} {found[at:at + 6]} {expected[at:at + 6]}"
    for texts in chats:
        found = json.loads(run(slm, "explain", "--checkpoint", checkpoint, "--user", texts[0], "--json"))["tokens"]
        found = [token["id"] if isinstance(token, dict) else token for token in found]
        expected = peer_ids(tokenizer, texts[:1], prompts=True)
        assert found == expected, f"{name}, {template.name}: a prompt: {found} {expected}"
    if name == "bytes":                 # no scores give the merges of the other vocabulary, which GGUF would need
        run(slm, "export", checkpoint, "--out", folder / "model.gguf")
        field = gguf.GGUFReader(folder / "model.gguf").fields["tokenizer.chat_template"]
        assert bytes(field.parts[field.data[0]]).decode() == tokenizer.chat_template, f"{name}, {template.name}: GGUF"
    # The adapter of a fine-tuning run records the template.
    out = folder / f"runs-{name}"
    run(slm, "finetune", folder / name, "--chat-template", choice, "--data", folder / "chats.jsonl", "--force", "--lora", "2", "--max-steps", "2",
        "--context", "64", "--out", out, "--name", template.stem, "--quiet")
    run(slm, "adapter", "merge", out / template.stem / "last.h5", "--out", folder / "merged.h5")
    run(slm, "export", folder / "merged.h5", "--out", folder / "merged")
    assert AutoTokenizer.from_pretrained(folder / "merged").chat_template == tokenizer.chat_template, f"{name}, {template.name}: the adapter"
    print(f"ok: {name}, {template.stem}: {len(chats)} chats and prompts")


def main():
    slm = sys.argv[1]
    with scratch_folder() as folder:
        save_model(folder / "bytes", byte_level())
        save_model(folder / "pieces", sentence_piece())
        (folder / "alpaca.jinja").write_text(ALPACA)
        # Not human-assistant: in Llama 3's pattern a line break merges with the full stop before it, and there it is a token of its own.
        for name in ("chatml", "llama-3", "gemma", "zephyr", "mistral", folder / "alpaca.jinja"):
            check(slm, folder, "bytes", pathlib.Path(name), CHATS)
        for name in ("zephyr", "mistral", "human-assistant", folder / "alpaca.jinja"):
            check(slm, folder, "pieces", pathlib.Path(name), CHATS)
        done = subprocess.run([slm, "import", folder / "pieces", "--chat-template", "chatml", "--out", folder / "x.h5"], capture_output=True, text=True)
        assert done.returncode == 1 and "needs the token <|im_start|>" in done.stderr, done.stderr


main()
