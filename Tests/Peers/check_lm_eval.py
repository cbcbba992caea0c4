"""Runs EleutherAI's lm-evaluation-harness on a model served by slm, and on the same weights in transformers: both have the same figures.

    python Tests/Peers/check_lm_eval.py .build/release/slm

The model is trained here on a few chats, served in f32, and exported as a Hugging Face folder. The tasks are made here: multiple choice, a greedy match, a rolling
perplexity with texts longer than the context, and generated answers of completions and of chats. Nothing is downloaded.
"""
import argparse
import json
import logging
import os
import pathlib
import subprocess
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false",
               "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "LOGLEVEL": "ERROR", "OPENAI_API_KEY": "none"}
CONTEXT = 96
# With the token that the harness generates after each text, and the one before it.
WINDOW = CONTEXT - 2


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_tasks(folder):
    """Writes a task for each type of output, with its data."""
    numbers = range(3, 180, 9)
    write(folder / "choices.jsonl", [
        {"question": f"What comes after {i}?", "choices": [f"After {i + d} comes {i + 1 + e}" for d, e in [(0, 0), (1, 0), (0, 2), (3, 3)]] + ["No."], "answer": 0} for i in numbers])
    write(folder / "ends.jsonl", [{"text": f"After {i} comes {i + 1}, don't you", "end": " think?" if i % 2 else " know?"} for i in numbers])
    write(folder / "texts.jsonl", [{"text": " ".join(f"After {j} comes {j + 1}, don't you think?" for j in range(i, i + i // 9))} for i in numbers])
    # A text that a special token follows would differ: slm never generates one inside of a text.
    write(folder / "answers.jsonl", [{"question": f"After {i} comes", "answer": f" {i + 1}, don't you "} for i in numbers])
    write(folder / "chats.jsonl", [{"question": f"What comes after {i}?", "answer": f"After {i} comes {i + 1}, don't you think?"} for i in numbers])
    mean = "aggregation: mean, higher_is_better: true"
    tasks = {
        "choices": ["output_type: multiple_choice", 'doc_to_text: "{{question}}"', 'doc_to_choice: "{{choices}}"', "doc_to_target: answer",
                    f"metric_list: [{{metric: acc, {mean}}}, {{metric: acc_norm, {mean}}}]"],
        "ends": ["output_type: loglikelihood", 'doc_to_text: "{{text}}"', 'doc_to_target: "{{end}}"', 'target_delimiter: ""',
                 f"metric_list: [{{metric: acc, {mean}}}, {{metric: perplexity, aggregation: perplexity, higher_is_better: false}}]"],
        "texts": ["output_type: loglikelihood_rolling", 'doc_to_text: ""', 'doc_to_target: "{{text}}"', "metric_list: [{metric: word_perplexity}, {metric: bits_per_byte}]"],
        "answers": ["output_type: generate_until", 'doc_to_text: "{{question}}"', 'doc_to_target: "{{answer}}"', 'generation_kwargs: {until: ["?"], max_gen_toks: 30, temperature: 0}',
                    f"metric_list: [{{metric: exact_match, {mean}}}]"]}
    tasks["chats"] = tasks["answers"]
    for name, lines in tasks.items():
        data = json.dumps({"data_files": {"test": str(folder / f"{name}.jsonl")}})
        (folder / f"{name}.yaml").write_text("\n".join([f"task: local_{name}", "dataset_path: json", f"dataset_kwargs: {data}", "test_split: test", *lines]) + "\n")
    return [f"local_{name}" for name in tasks]


def evaluate(folder, tasks, model, arguments, **options):
    import lm_eval
    from lm_eval.tasks import TaskManager
    logging.disable(logging.ERROR)
    return lm_eval.simple_evaluate(
        model=model, model_args=arguments, tasks=tasks, task_manager=TaskManager(include_path=str(folder), include_defaults=False), bootstrap_iters=0, **options)


def compare(ours, theirs, what):
    assert ours["results"].keys() == theirs["results"].keys() and ours["results"], what
    for task, figures in theirs["results"].items():
        for name, value in figures.items():
            if isinstance(value, float):
                found = ours["results"][task][name]
                assert abs(found - value) <= 1e-4 * max(1, abs(value)), f"{what}, {task}, {name}: expected {value}, found {found}"
        for our, their in zip(sorted(ours["samples"][task], key=lambda s: s["doc_id"]), sorted(theirs["samples"][task], key=lambda s: s["doc_id"]), strict=True):
            a, b = our["resps"], their["resps"]
            if isinstance(b[0][0], str):
                assert a == b, f"{what}, {task}: expected {b}, found {a}"
            else:
                pairs = list(zip(flat(a), flat(b), strict=True))
                assert all(abs(float(x) - float(y)) < 1e-3 for x, y in pairs), f"{what}, {task}: expected {b}, found {a}"


def flat(value):
    """The numbers of nested lists. Whether a text was the most likely one is a number, too."""
    return [number for part in value for number in flat(part)] if isinstance(value, (list, tuple)) else [value == "True" if isinstance(value, str) and value in ("True", "False") else value]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slm")
    slm = os.path.abspath(parser.parse_args().slm)
    from served import UNLIMITED, Server
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "chats.txt").write_text("".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}, don't you think?\n" for i in range(200)))
        run(slm, "tokenize", "--data", folder / "chats.txt", "--vocab-size", 400, "--out", folder / "tokenizer.json", "--tokens", folder / "data")
        run(slm, "train", "--data", folder / "data", "--out", folder / "run", "--layers", 2, "--width", 64, "--heads", 4, "--context", CONTEXT, "--batch", 4,
            "--max-steps", 60, "--lr", 0.01)
        run(slm, "export", folder / "run/last.h5", "--out", folder / "hf")
        (folder / "tasks").mkdir()
        tasks = make_tasks(folder / "tasks")
        hf = {"pretrained": str(folder / "hf"), "device": "cpu", "dtype": "float32", "max_length": WINDOW}
        theirs = evaluate(folder / "tasks", tasks[:-1], "hf", hf, batch_size=1)
        chats = evaluate(folder / "tasks", tasks[-1:], "hf", hf, batch_size=1, apply_chat_template=True)
        with Server(slm, folder / "run/last.h5", "--dtype", "f32", *UNLIMITED) as server:
            api = {"model": "default", "tokenizer": str(folder / "hf"), "tokenizer_backend": "huggingface", "max_length": CONTEXT, "max_retries": 1}
            for size in (1, 4):
                ours = evaluate(folder / "tasks", tasks[:-1], "local-completions", api | {"base_url": server.url + "/v1/completions"}, batch_size=size)
                compare(ours, theirs, f"completions, batches of {size}")
            chat = {"model": "default", "base_url": server.url + "/v1/chat/completions", "max_retries": 1}
            compare(evaluate(folder / "tasks", tasks[-1:], "local-chat-completions", chat, batch_size=1, apply_chat_template=True), chats, "chats")
        figures = {task: {key: round(float(value), 4) for key, value in figures.items() if isinstance(value, float)} for task, figures in theirs["results"].items()}
        assert 0 < figures["local_choices"]["acc,none"] and figures["local_ends"]["acc,none"] not in (0, 1), figures
        print(f"lm-evaluation-harness has the same figures through slm as with transformers: {figures}")


if __name__ == "__main__":
    main()
