"""Quality of the answers that models give to everyday openings of a chat: length, variety, repetition, and their loss under another model.

    python3 Benchmarks/answers.py --model base=base.gguf --model tuned=runs/chat/best.h5 --judge large.gguf
    python3 Benchmarks/answers.py --model tuned=runs/chat/best.h5 --seeds 1,2,3 --pairs 10

Each model answers the 200 openings of openings.jsonl, or of --openings, with the same sampling options. `distinct-n` is the share of
different n-grams of words among those of all answers together, `repetition` the share of the 4-grams of an answer that occurred in it
before, `stopped` the share of answers that end by themselves. With --judge, the loss of the answers under that model, without the ends of
turns, in nats per token of the judge and per byte, and the gap: the loss per token minus that of the judge's own answers. With several
seeds, a cell has the mean and in brackets the lowest and the highest. Documentation/Performance/Method.md says what these figures do not
show.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import tempfile

from record import SLM, json_lines, last_line

OPENINGS = pathlib.Path(__file__).parent / "openings.jsonl"
# The same for all models: a model file can have its own defaults.
SAMPLING = ["--top-k", 50, "--top-p", 0.95, "--min-p", 0.1, "--repetition-penalty", 1]
JUDGE = "judge"
FORMATS = {"words": "{:.1f}", "distinct-1": "{:.3f}", "distinct-2": "{:.3f}", "repetition": "{:.1%}", "stopped": "{:.1%}",
           "empty": "{:.1%}", "loss/token": "{:.3f}", "loss/byte": "{:.3f}", "gap": "{:+.3f}"}


def first_user_message(line):
    """None if there is none, or if it is not a text."""
    try:
        message = next(message["content"] for message in json.loads(line)["messages"] if message["role"] == "user")
        return message.strip() or None
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration):
        return None


def read_openings(path):
    """The first user message of each chat."""
    found = []
    for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            found.append(first_user_message(line))
            if not found[-1]:
                raise SystemExit(f'{path}:{number}: expected {{"messages": [{{"role": "user", "content": "…"}}]}}, found {line[:80]}')
    if not found:
        raise SystemExit(f"{path}: expected chats, one JSON object per line, found none")
    return found


def words(text):
    return re.findall(r"\w+(?:['’]\w+)*", text.lower())


def distinct(answers, n):
    """The share of different n-grams among those of all answers, which are lists of words; None without any."""
    found = [gram for answer in answers for gram in zip(*(answer[i:] for i in range(n)))]
    return len(set(found)) / len(found) if found else None


def repetition(answer, n=4):
    """The share of an answer's n-grams that occurred in it before; None without any."""
    share = distinct([answer], n)
    return None if share is None else 1 - share


def mean(values):
    """Leaves out None; None without values."""
    values = [value for value in values if value is not None]
    return statistics.fmean(values) if values else None


def figures(records):
    """Records are the JSON objects of `slm generate`."""
    answers = [words(record["text"]) for record in records]
    return {
        "words": mean(len(answer) for answer in answers),
        "distinct-1": distinct(answers, 1),
        "distinct-2": distinct(answers, 2),
        "repetition": mean(repetition(answer) for answer in answers),
        "stopped": mean(record["finish_reason"] == "stop" for record in records),
        "empty": mean(not record["text"].strip() for record in records),
    }


def answer(model, openings, seed, folder, options):
    """One record for each opening."""
    prompts = folder / "prompts.txt"
    prompts.write_text("".join(opening.replace("\n", "\\n") + "\n" for opening in openings), encoding="utf-8")
    records = json_lines([options.slm, "generate", model, "--prompts", prompts, "--chat", "--json", "--quiet",
                          "--max-tokens", options.max_tokens, "--temperature", options.temperature, *SAMPLING,
                          # Each opening has a seed of its own.
                          "--seed", seed * 1_000_000, *options.machine])
    if len(records) != len(openings):
        raise SystemExit(f"{model}: expected {len(openings)} answers, found {len(records)}")
    return records


def judged(openings, records, folder, options):
    """The loss of the answers under the judge. Ends of turns do not count, for answers that are cut off have none, nor do empty answers."""
    chats = [{"messages": [{"role": "user", "content": opening}, {"role": "assistant", "content": record["text"]}]}
             for opening, record in zip(openings, records) if record["text"].strip()]
    if not chats:
        return {"loss/token": None, "loss/byte": None}
    data = folder / "answers.jsonl"
    data.write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    report = last_line([options.slm, "eval", options.judge, "--data", data, "--format", "messages", "--loss-scope", "assistant",
                        "--json", "--quiet", *options.machine])
    loss, tokens = report.get("text_loss", report["loss"]), report["tokens"] - report.get("turn_ends", 0)
    return {"loss/token": loss, "loss/byte": loss * tokens / report["bytes"]}


def measure(model, openings, folder, options, baseline=None):
    """The figures of each seed, and the records of the first. `baseline` has the figures of the judge's own answers."""
    rows, first = [], None
    for i, seed in enumerate(options.seeds):
        records = answer(model, openings, seed, folder, options)
        first = first or records
        row = figures(records)
        if options.judge:
            row |= judged(openings, records, folder, options)
        if options.judge_answers:
            base = (baseline or rows + [row])[i]
            losses = row["loss/token"], base["loss/token"]
            row["gap"] = None if None in losses else losses[0] - losses[1]
        rows.append(row)
    return rows, first


def summary(rows):
    """The mean and the range over seeds of each figure."""
    found = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    return {name: {"mean": statistics.fmean(values), "low": min(values), "high": max(values)} if values else None
            for name, values in found.items()}


def cell(value, form, has_range):
    if value is None:
        return "-"
    text = form.format(value["mean"])
    return f"{text} ({form.format(value['low'])}–{form.format(value['high'])})" if has_range else text


def shown(record):
    """An answer on one line of Markdown."""
    return (" ".join(record["text"].split()) or "*(empty)*") + (" *(cut off)*" if record["finish_reason"] == "length" else "")


def named(text):
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, found {text}")
    return name, path


def parsed():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", type=named, action="append", metavar="NAME=PATH", default=[],
                           help="a model that slm generate opens; can be repeated")
    arguments.add_argument("--judge", metavar="PATH", help="compute the loss of the answers under this model")
    arguments.add_argument("--judge-answers", action=argparse.BooleanOptionalAction, default=True,
                           help="with --judge: measure the judge's own answers, too (default)")
    arguments.add_argument("--openings", default=OPENINGS, metavar="FILE", help="chats, of which the first user message is answered")
    arguments.add_argument("--seeds", default="1", help="one sampling for each, such as 1,2,3")
    arguments.add_argument("--temperature", type=float, default=0.8)
    arguments.add_argument("--max-tokens", type=int, default=60)
    arguments.add_argument("--pairs", type=int, default=0, metavar="N",
                           help="print the first N openings with the answers of all models, as Markdown")
    arguments.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    arguments.add_argument("--slm", default=SLM)
    arguments.add_argument("--threads", type=int, help="compute on N threads")
    arguments.add_argument("--device", help="compute on this device, such as vulkan")
    options = arguments.parse_args()
    options.judge_answers = options.judge_answers and options.judge is not None
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    options.machine = [word for name in ("threads", "device") if (value := getattr(options, name)) for word in (f"--{name}", value)]
    names = [name for name, _ in options.model] + [JUDGE] * options.judge_answers
    if not names:
        arguments.error("expected a model: --model NAME=PATH")
    if len(set(names)) < len(names):
        arguments.error(f"expected different names of models, found {', '.join(names)}")
    return options


def main():
    options = parsed()
    # What is the fastest on a machine would change which tokens are sampled.
    os.environ.setdefault("SLM_AUTOTUNE", "off")
    openings = read_openings(options.openings)
    models = ([(JUDGE, options.judge)] if options.judge_answers else []) + options.model
    has_range = len(options.seeds) > 1
    name_width, width = max(len(name) for name, _ in models), 24 if has_range else 12
    results, answers, baseline = [], {}, None
    with tempfile.TemporaryDirectory() as folder:
        for name, path in models:
            rows, answers[name] = measure(path, openings, pathlib.Path(folder), options, baseline)
            baseline = baseline or rows
            found = summary(rows)
            if not options.json:
                if not results:
                    print(f"{'':{name_width}} {'answers':>8}" + "".join(f"{column:>{width}}" for column in found))
                print(f"{name:{name_width}} {len(openings) * len(rows):8}"
                      + "".join(f"{cell(value, FORMATS[column], has_range):>{width}}" for column, value in found.items()), flush=True)
            results.append({"name": name, "path": path, "answers": len(openings) * len(rows)}
                           | {re.sub("[-/]", "_", column): value for column, value in found.items()})
    if options.json:
        pairs = [{"opening": opening, "answers": {name: records[i]["text"] for name, records in answers.items()}}
                 for i, opening in enumerate(openings[:options.pairs])]
        settings = {"openings": len(openings), "temperature": options.temperature, "max_tokens": options.max_tokens, "seeds": options.seeds,
                    "judge": options.judge}
        print(json.dumps(settings | {"models": results} | ({"pairs": pairs} if pairs else {}), ensure_ascii=False))
        return
    for i, opening in enumerate(openings[:options.pairs]):
        print(f"\n**{' '.join(opening.split())}**\n")
        for name, records in answers.items():
            print(f"- {name}: {shown(records[i])}")


if __name__ == "__main__":
    main()
