"""Runs EleutherAI's lm-evaluation-harness on a model served by slm, and on the same weights in transformers, and `slm eval --task`: all have the same figures.

    python Tests/Peers/check_lm_eval.py .build/release/slm

The model is trained here on a few chats, served in f32, and exported as a Hugging Face folder. The tasks are made here: multiple choice, a greedy match, a rolling
perplexity with texts longer than the context, and generated answers of completions and of chats. Nothing is downloaded.
"""
import json
import logging
import os

from programs import command_line, run, scratch_folder

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false",
               "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1", "LOGLEVEL": "ERROR", "OPENAI_API_KEY": "none"}
CONTEXT = 96
# With the token that the harness generates after each text, and the one before it.
WINDOW = CONTEXT - 2


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
    # Choices after a question in a chat, and a pattern that finds the answer.
    write(folder / "picks.jsonl", [
        {"question": f"What comes after {i}?", "choices": [f"After {i + d} comes {i + 1 + e}" for d, e in [(1, 0), (0, 0), (0, 7)]] + ["Nö."], "answer": 1} for i in numbers])
    tasks["picks"] = tasks["choices"][:-1] + [f"metric_list: [{{metric: acc, {mean}}}, {{metric: acc_norm, {mean}}}, {{metric: acc_bytes, {mean}}}]"]
    write(folder / "found.jsonl", [{"question": f"What comes after {i}?", "pattern": "comes ([0-9]+)", "answer": f"{i + 1}"} for i in numbers])
    tasks["found"] = tasks["answers"] + ['filter_list: [{name: found, filter: [{function: regex, regex_pattern: "comes ([0-9]+)"}, {function: take_first}]}]']
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


def check_task(slm, folder, task, theirs, *options, model=None):
    """Holds `slm eval --task` against the harness: shares, standard errors, and the log-probability of each choice or each answer."""
    from lm_eval.api.metrics import mean_stderr
    data = folder / "tasks" / f"{task.removeprefix('local_')}.jsonl"
    (folder / "samples.jsonl").unlink(missing_ok=True)
    lines = [json.loads(line) for line in run(slm, "eval", *(model or [folder / "run/last.h5", "--dtype", "f32"]), "--task", data, "--json", "--quiet", "--samples", folder / "samples.jsonl", *options).splitlines()]
    expected = theirs["results"][task]
    figures = {name.split(",")[0]: value for name, value in expected.items() if isinstance(value, float)}
    assert {line["metric"] for line in lines} >= figures.keys() and figures, (lines, figures)
    samples = sorted(theirs["samples"][task], key=lambda s: s["doc_id"])
    for line in lines:
        if line["metric"] in figures:
            assert abs(line["value"] - figures[line["metric"]]) < 1e-9 and line["questions"] == len(samples), (task, line, figures)
            assert abs(line["stderr"] - mean_stderr([sample[line["metric"]] for sample in samples])) < 1e-9 and line["low"] <= line["value"] <= line["high"], (task, line)
    for our, their in zip((json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()), samples, strict=True):
        if "generated" in our:
            assert our["generated"] == their["resps"][0][0], (task, our, their["resps"])
        else:
            assert all(abs(a - float(b[0][0])) < 1e-3 for a, b in zip(our["log_probabilities"], their["resps"], strict=True)), (task, our, their["resps"])
    return figures


def main():
    slm = os.path.abspath(command_line(__doc__, "slm").slm)
    from served import UNLIMITED, Server
    with scratch_folder() as folder:
        (folder / "chats.txt").write_text("".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}, don't you think?\n" for i in range(200)))
        run(slm, "tokenize", "corpus", "--data", folder / "chats.txt", "--vocab-size", 400, "--out", folder / "data")
        run(slm, "train", "--data", folder / "data", "--out", folder / "run", "--layers", 2, "--width", 64, "--heads", 4, "--context", CONTEXT, "--batch", 4,
            "--max-steps", 60, "--lr", 0.01)
        run(slm, "export", folder / "run/last.h5", "--out", folder / "hf")
        (folder / "tasks").mkdir()
        tasks = make_tasks(folder / "tasks")
        hf = {"pretrained": str(folder / "hf"), "device": "cpu", "dtype": "float32", "max_length": WINDOW}
        texts, chats, picks = tasks[:4], ["local_chats", "local_found"], ["local_picks"]
        theirs = evaluate(folder / "tasks", texts, "hf", hf, batch_size=1)
        their_chats, their_picks = (evaluate(folder / "tasks", list, "hf", hf, batch_size=1, apply_chat_template=True) for list in (chats, picks))
        with Server(slm, folder / "run/last.h5", "--dtype", "f32", *UNLIMITED) as server:
            api = {"model": "default", "tokenizer": str(folder / "hf"), "tokenizer_backend": "huggingface", "max_length": CONTEXT, "max_retries": 1}
            for size in (1, 4):
                ours = evaluate(folder / "tasks", texts, "local-completions", api | {"base_url": server.url + "/v1/completions"}, batch_size=size)
                compare(ours, theirs, f"completions, batches of {size}")
            chat = {"model": "default", "base_url": server.url + "/v1/chat/completions", "max_retries": 1}
            compare(evaluate(folder / "tasks", chats, "local-chat-completions", chat, batch_size=1, apply_chat_template=True), their_chats, "chats")
            generated = ["--stop", "?", "--max-tokens", 30]
            remote = ["--backend", f"openai:{server.url}/v1"]
            check_task(slm, folder, "local_found", their_chats, *generated, model=remote)
            check_task(slm, folder, "local_answers", theirs, "--as", "text", *generated, model=remote)
            check_task(slm, folder, "local_choices", theirs, "--as", "text", model=remote)
            check_task(slm, folder, "local_picks", their_picks, model=remote)
        counted = {
            "choices": check_task(slm, folder, "local_choices", theirs, "--as", "text"), "picks": check_task(slm, folder, "local_picks", their_picks),
            "answers": check_task(slm, folder, "local_answers", theirs, "--as", "text", *generated), "found": check_task(slm, folder, "local_found", their_chats, *generated)}
        assert any(0 < value < 1 for figures in counted.values() for value in figures.values()), counted
        print(f"slm eval --task has the same figures: {counted}")
        figures = {task: {key: round(float(value), 4) for key, value in figures.items() if isinstance(value, float)} for task, figures in theirs["results"].items()}
        assert 0 < figures["local_choices"]["acc,none"] and figures["local_ends"]["acc,none"] not in (0, 1), figures
        print(f"lm-evaluation-harness has the same figures through slm as with transformers: {figures}")


if __name__ == "__main__":
    main()
