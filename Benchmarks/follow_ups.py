"""How often `slm index search --after` finds what a question of a chat refers to: "And its exit status?" after a question about a program.

    .venv/bin/python Benchmarks/follow_ups.py                   invented islands, and manual pages of this machine
    .venv/bin/python Benchmarks/follow_ups.py --pages 300       more manual pages

Each pair is an earlier question and the one that follows. `same` asks for another fact of the same island or another section of the same manual page, `other` for the
same fact of another island, `new` is a complete question about something else. Beside it: the question alone, and both questions as one text. A passage is in the
prompt under the rules of PassageFinder.swift: among the first four with half of the best score, and none if too little of the question is found.
"""
import argparse
import json
import pathlib
import random
import re
import subprocess
import tempfile

import retrieval

LIMIT, LEAST_SHARE, LEAST_COVERAGE = 4, 0.5, 1 / 3

# Of each fact of Tools/sample-chats/Islands.swift: a complete question, and some that need an earlier one.
ISLANDS = {
    "Ferry": ["When does the ferry to {} leave?", "And when does the ferry leave?", "What time is its ferry?", "And the ferry?", "When can I take the boat there?"],
    "Harbor": ["Who keeps the harbor of {}?", "Who keeps the harbor there?", "And its harbor?"],
    "Lighthouse": ["How high is the lighthouse of {}?", "How high is its lighthouse?", "And the lighthouse?", "How high is the lighthouse?"],
    "Baker": ["Who is the baker of {}?", "Who is the baker there?", "And who is the baker?", "What is the name of its baker?"],
    "Radio": ["What channel is the radio of {}?", "And what channel is the radio?", "And its radio?"],
    "Gate": ["What is the code of the gate of {}?", "How do I open the gate there?", "What is the code of the gate?", "And the gate?"],
    "School": ["How many children are in the school of {}?", "How big is its school?", "How many children go to school there?"],
    "Market": ["When is the market of {}?", "And when is the market?", "On what day is its market?", "And the market?"],
    "Founder": ["Who built the first house of {}?", "Who built the first house there?"],
    "Boat": ["What is the fastest boat of {}?", "What is its fastest boat?", "And the fastest boat?"],
    "Hill": ["How many steps has the hill of {}?", "How many steps has the hill?", "And its hill?"],
    "Doctor": ["Who is the doctor of {}?", "And the doctor?", "Who is the doctor there?"],
}
OTHER_ISLAND = ["And of {}?", "What about {}?", "And in {}?", "How about {}?"]
SECTIONS = {
    "EXIT STATUS": ["What is its exit status?", "And which exit codes does it have?", "What does it exit with?"],
    "ENVIRONMENT": ["What environment variables does it use?", "Which environment variables?", "And the environment variables?"],
    "FILES": ["Which files does it read?", "And what files does it use?"],
    "EXAMPLES": ["Show me an example.", "Is there an example?", "And an example?"],
    "BUGS": ["Does it have bugs?", "What are the known bugs?"],
    "AUTHOR": ["Who wrote it?", "Who is the author?"],
    "SEE ALSO": ["What should I see also?", "Which related pages are there?"],
    "DIAGNOSTICS": ["What diagnostics does it print?"],
    "COPYRIGHT": ["What about its copyright?", "What is the license?"],
    "REPORTING BUGS": ["Where do I report bugs?"],
}


def island_pairs(chance):
    """Pairs by kind: (earlier question, question, whether a passage is right)."""
    folder = pathlib.Path(tempfile.mkdtemp())
    samples = retrieval.SLM.parent / "sample-chats"
    (folder / "islands.md").write_text(subprocess.run([samples, "islands", "25", "2"], check=True, capture_output=True, text=True).stdout)
    index = folder / "islands.index"
    retrieval.slm("index", "build", folder / "islands.md", "--out", index)
    passages = [json.loads(line) for line in retrieval.slm("index", "show", index, "--json").stdout.splitlines()]
    facts = {tuple(passage["heading"].split(" > ")[-2:]): passage["text"] for passage in passages}
    pairs = {"same": [], "other": [], "new": []}

    def add(kind, earlier, question, fact):
        pairs[kind].append((earlier, question, lambda passage: passage["text"] == facts[fact]))

    for island, fact in facts:
        earlier = ISLANDS[fact][0].format(island)
        for other in [other for name, other in facts if name == island and other != fact]:
            add("same", earlier, chance.choice(ISLANDS[other][1:]), (island, other))
        with_fact = [name for name, other in facts if name != island and other == fact]
        for name in chance.sample(with_fact, min(3, len(with_fact))):
            add("other", earlier, chance.choice(OTHER_ISLAND).format(name), (name, fact))
        name, other = chance.choice([key for key in facts if key[0] != island])
        add("new", earlier, ISLANDS[other][0].format(name), (name, other))
    return index, pairs


def manual_pairs(chance, count):
    folder = pathlib.Path(tempfile.mkdtemp())
    pages = folder / "pages"
    pages.mkdir()
    about = {file: question for question, file, _, _ in retrieval.manual(pages, count, 10**9)}
    index = folder / "manual.index"
    retrieval.slm("index", "build", pages, "--out", index)
    lines = {}
    for line in retrieval.slm("index", "show", index, "--json").stdout.splitlines():
        passage = json.loads(line)
        lines.setdefault(pathlib.Path(passage["file"]).name, []).append(passage["line"])
    pairs = {"same": [], "new": []}
    for file, description in about.items():
        text = (pages / file).read_text().split("\n")
        heads = [number for number, line in enumerate(text) if re.fullmatch(r"[A-Z][A-Z ]+", line)]
        starts, program = sorted(lines[file]), file.split(".")[0]
        for head, end in zip(heads, heads[1:] + [len(text)]):
            section = text[head].strip().replace("EXAMPLE", "EXAMPLES").replace("EXAMPLESS", "EXAMPLES").replace("AUTHORS", "AUTHOR")
            if section not in SECTIONS:
                continue
            right = {start for start, next_one in zip(starts, starts[1:] + [10**9]) if start <= end and next_one > head + 1}
            earlier = chance.choice([description, f"What does {program} do?", f"How do I use {program}?"])
            is_right = lambda passage, file=file, right=right: pathlib.Path(passage["file"]).name == file and passage["line"] in right
            pairs["same"].append((earlier, chance.choice(SECTIONS[section]), is_right))
        other = chance.choice([name for name in about if name != file])
        pairs["new"].append((description, about[other], lambda passage, other=other: pathlib.Path(passage["file"]).name == other))
    return index, pairs


def in_prompt(index, question, *after):
    options = [word for text in after for word in ("--after", text)]
    output = retrieval.slm("index", "search", index, "--json", "--limit", 2 * LIMIT, *options, "--", question, check=False).stdout
    found = [json.loads(line) for line in output.splitlines()]
    coverages = [passage["coverage"] for passage in found if "coverage" in passage]
    if coverages and max(coverages) < LEAST_COVERAGE:
        return []
    return [passage for passage in found if passage["score"] >= LEAST_SHARE * found[0]["score"]][:LIMIT]


def measure(name, index, pairs):
    searches = {
        "the question alone": lambda earlier, question: in_prompt(index, question),
        "both as one text": lambda earlier, question: in_prompt(index, f"{question} {earlier}"),
        "--after": lambda earlier, question: in_prompt(index, question, earlier),
    }
    for kind, asked in pairs.items():
        for label, search in searches.items():
            first, found = 0, 0
            for earlier, question, is_right in asked:
                passages = search(earlier, question)
                first += bool(passages) and is_right(passages[0])
                found += any(map(is_right, passages))
            print(f"{name}, {kind}, {len(asked)} pairs: {label:<20} first {first / len(asked):6.1%}  in the prompt {found / len(asked):6.1%}", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pages", type=int, default=150, help="manual pages to index")
    options = arguments.parse_args()
    measure("islands", *island_pairs(random.Random(1)))
    measure("manual pages", *manual_pairs(random.Random(1), options.pages))


if __name__ == "__main__":
    main()
