"""How often `slm index search` finds the right passage, beside rank_bm25 on the same passages, and how fast an index is built.

    .venv/bin/pip install rank_bm25==0.2.2
    .venv/bin/python Benchmarks/retrieval.py                    three sets of questions, with and without stemming
    .venv/bin/python Benchmarks/retrieval.py --weights          other weights of titles and headings, and all words of the questions, too
    .venv/bin/python Benchmarks/retrieval.py --embedding-model MODEL        search by vectors, and by both, too
    .venv/bin/python Benchmarks/retrieval.py --only-vectors --train         the same with a model that slm trains on the passages of each set
    .venv/bin/python Benchmarks/retrieval.py --coverage         how much of a question the best passages have, if the index has its answer and if not

The set `manual` has manual pages of this machine (sections 1 and 8, not those of gcloud), without their NAME sections. A question is what NAME says about a
page, such as "list directory contents"; a passage is right if it is of this page. The other sets have slm's own documentation; a passage is right if it is of the
section of the question. In `sentences`, a question is the first sentence of a section, which is removed from the text. In `headings`, it is the heading of a
section, which is replaced by a number. Questions that are in their text word for word are left out.

Hit rate at k: the share of questions with a right passage among the first k.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shlex
import sqlite3
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLM = ROOT / ".build" / "release" / "slm"
RANKS = (1, 5, 10)
# As in DocumentIndex+Search.swift.
WEIGHTS = (2.0, 2.0, 1.0)


def slm(*words, check=True):
    return subprocess.run([str(word) for word in (SLM, *words)], check=check, capture_output=True, text=True)


def sentence_is_long(text):
    return len(re.findall(r"[A-Za-z]{2,}", text)) >= 3


def manual(folder, count, questions):
    """Writes manual pages as text. Returns (question, file, first line, last line)."""
    pages = sorted(path for section in ("man1", "man8") for path in pathlib.Path("/usr/share/man", section).glob("*.gz")
                   if not path.is_symlink() and not path.name.startswith("gcloud"))
    random.Random(1).shuffle(pages)
    found, seen, written = [], set(), 0
    for page in pages:
        if written == count:
            break
        shown = subprocess.run(["man", "--no-hyphenation", "--no-justification", "-l", str(page)], capture_output=True, text=True,
                               env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "90", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"}).stdout
        parts = re.match(r"(?s).*?^NAME\n(?P<name>.*?)\n(?=^\S)(?P<body>.*)", shown, re.M)
        if not parts or len(parts["body"]) < 1500:
            continue
        description = " ".join(re.sub(r"(?s)^.*?\s[-–—]+\s", "", parts["name"], count=1).split())
        if description in seen:
            continue                                        # one page under several names
        seen.add(description)
        written += 1
        name = page.name.removesuffix(".gz") + ".txt"
        (folder / name).write_text(parts["body"])
        if sentence_is_long(description) and description.lower() not in " ".join(parts["body"].lower().split()):
            found.append((description, name, 1, 10**9))
    random.Random(2).shuffle(found)
    return found[:questions]


def pages(folder, kind):
    """Writes slm's documentation without the first sentences, or without the headings, that are questions."""
    found = []
    for page in sorted((ROOT / "Documentation").rglob("*.md")):
        if page.name == "Commands.md":
            continue
        name, lines, is_code, starts = str(page.relative_to(ROOT)).replace("/", "-"), page.read_text().split("\n"), False, []
        for number, line in enumerate(lines):
            is_code ^= line.startswith("```")
            if line.startswith("#") and not is_code:
                starts.append(number)
        changed = list(lines)
        for number, end in zip(starts, starts[1:] + [len(lines)]):
            question = (without_heading if kind == "headings" else without_sentence)(changed, number, end)
            if question and sentence_is_long(question):
                found.append((question, name, number + 1, end))
        (folder / name).write_text("\n".join(changed))
    return found


def without_heading(lines, start, end):
    """Replaces the heading of a section by a number, and returns it."""
    heading, body = lines[start].lstrip("# "), " ".join(" ".join(lines[start + 1:end]).split())
    if not lines[start].startswith("##") or len(body) < 100 or heading.lower() in body.lower() or not sentence_is_long(heading):
        return None
    lines[start] = f"## {start}"
    return heading


def without_sentence(lines, start, end):
    """Removes the first sentence of a section that begins with prose, but not its line ends, and returns it."""
    first = next((i for i in range(start + 1, end) if lines[i].strip()), end)
    last = next((i for i in range(first, end) if not lines[i].strip()), end)
    prose = "\n".join(lines[first:last])
    sentence = re.match(r"(?s)[A-Z`\[].{30,}?[.:](?=\s)", prose)
    if not sentence or len(prose) - sentence.end() < 100:
        return None
    lines[first:last] = ("\n" * sentence[0].count("\n") + prose[sentence.end():].lstrip(" ")).split("\n")
    return " ".join(re.sub(r"\]\([^)]*\)|[`\[*]", "", sentence[0]).split())


def rank(results, question):
    """The rank of the first right passage; 0 for none."""
    _, file, first, last = question
    for place, passage in enumerate(results, 1):
        if pathlib.Path(passage["file"]).name == file and first <= passage["line"] <= last:
            return place
    return 0


def rates(ranks):
    return "  ".join(f"{sum(0 < rank <= k for rank in ranks) / len(ranks):6.1%}" for k in RANKS)


def row(name, ranks, more=""):
    print(f"  {name:<44}{rates(ranks)}  {more}", flush=True)


def peer(passages, questions):
    from rank_bm25 import BM25Okapi
    words = lambda text: re.findall(r"\w+", text.lower())
    index = BM25Okapi([words(f"{passage['title']} {passage['heading']} {passage['text']}") for passage in passages])
    ranks = []
    for question in questions:
        scores = index.get_scores(words(question[0]))
        best = sorted(range(len(passages)), key=lambda i: -scores[i])[:10]
        ranks.append(rank([passages[i] for i in best], question))
    return ranks


def word_query(question, weights, dropped, limit, columns):
    """SQL for the search of slm, and its parameters. `dropped` are words that are left out if there are others."""
    words = list(dict.fromkeys(re.findall(r"\w+", question.lower())))
    words = [word for word in words if word not in dropped] or words
    return (f"""SELECT {columns} FROM passage_search JOIN passages ON passages.id = passage_search.rowid JOIN files ON files.id = passages.file
                WHERE passage_search MATCH ? ORDER BY bm25(passage_search, {','.join(map(str, weights))}), files.name, passages.position LIMIT {limit}""",
            [" OR ".join(f'"{word}"' for word in words)])


def with_sql(database, questions, weights, dropped):
    """The search of slm in SQL, with other weights."""
    ranks = []
    for question in questions:
        rows = database.execute(*word_query(question[0], weights, dropped, 10, "files.name, passages.line"))
        ranks.append(rank([{"file": file, "line": line} for file, line in rows], question))
    return ranks


def connecting_words():
    source = (ROOT / "Sources/Documents/Index/DocumentIndex+Search.swift").read_text()
    return set(re.search(r'connectingWords = Set\("""\n(.*?)"""', source, re.S)[1].replace("\\\n", " ").split())


def searched(index, questions, *options):
    """The ranks of right passages, and the seconds of a search."""
    start, ranks = time.time(), []
    for question in questions:
        output = slm("index", "search", index, "--json", "--limit", 10, *options, "--", question[0], check=False).stdout
        ranks.append(rank([json.loads(line) for line in output.splitlines()], question))
    return ranks, (time.time() - start) / len(questions)


def embedded(model, texts, role):
    import numpy
    done = subprocess.run([str(SLM), "embed", str(model), "--file", "-", "--role", role], check=True, capture_output=True,
                          input="".join(text.replace("\n", "\\n") + "\n" for text in texts).encode())
    vectors = numpy.array([json.loads(line)["embedding"] for line in done.stdout.decode().splitlines()], dtype=numpy.float32)
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)


def trained(name, folder, options):
    """An embedding model that has only seen the passages of a set."""
    index, model = folder.parent / f"{name}-words.index", folder.parent / f"{name}-embedding"
    slm("index", "build", folder, "--out", index, "--passage-tokens", options.passage_tokens)
    report = json.loads(slm("train", "--embedding", "--documents", index, "--out", model, "--json", *shlex.split(options.train)).stdout)
    print(f"  trained on {report['examples']} passages in {report['seconds']:.0f} s: {report['steps']} steps, {report['vocabulary']} tokens with "
          f"{report['width']} numbers each; of {report['held_out']} held-out parts, {report['hit_rate_1']:.0%} find their passage first", flush=True)
    return model


def with_vectors(name, folder, questions, options):
    """By vectors and by both, as slm searches, but in one process; some questions are searched by slm, too. With --exact, by vectors in f32, too."""
    import numpy
    model = trained(name, folder, options) if options.train is not None else options.embedding_model
    index = folder.parent / f"{name}-vectors.index"
    built = json.loads(slm("index", "build", folder, "--out", index, "--passage-tokens", options.passage_tokens, "--embedding-model", model,
                           "--json").stdout)
    database = sqlite3.connect(index)
    rows = list(database.execute("""SELECT passages.id, files.name, passages.line, passages.tokens, passages.title, passages.heading, passages.body, scale, codes
                                    FROM passages JOIN files ON files.id = passages.file JOIN vectors ON passage = passages.id ORDER BY passages.id"""))
    places = {row[0]: {"file": row[1], "line": row[2]} for row in rows}
    print(f"  with vectors: built in {built['seconds']:.1f} s, about {sum(row[3] for row in rows) / built['seconds']:,.0f} tokens per second, "
          f"index of {index.stat().st_size / 1e6:.1f} MB", flush=True)
    ids, asked = numpy.array([row[0] for row in rows]), embedded(model, [question[0] for question in questions], "query")
    vectors = {"int8": numpy.stack([numpy.frombuffer(row[8], numpy.int8) * numpy.float32(row[7]) for row in rows])}
    if options.exact:
        vectors["f32"] = embedded(model, ["\n".join(part for part in ("" if row[5].startswith(row[4]) else row[4], row[5], row[6]) if part)
                                                            for row in rows], "passage")
    words = [[found for found, in database.execute(*word_query(question[0], WEIGHTS, connecting_words(), 50, "passages.id"))] for question in questions]
    row("slm, words", [rank([places[one] for one in found[:10]], question) for found, question in zip(words, questions)])
    for kind, table in vectors.items():
        near, both = [], []
        for vector, by_words in zip(asked, words):
            products = table @ vector
            order = [i for i in (-products).argsort(kind="stable")[:50] if products[i] >= 0.25]
            near.append([int(ids[i]) for i in order])
            scores = {}
            for ranked in (by_words, near[-1]):
                for place, found in enumerate(ranked):
                    scores[found] = scores.get(found, 0) + 1 / (61 + place)
            both.append(sorted(scores, key=lambda found: -scores[found])[:10])
        for label, lists in (("vectors", near), ("both", both)):
            row(f"slm, {label}, {kind}", [rank([places[found] for found in found_list[:10]], question) for found_list, question in zip(lists, questions)])
        if kind == "int8":
            for place in range(0, len(questions), max(1, len(questions) // 5)):
                found = [json.loads(line) for line in slm("index", "search", index, "--json", "--limit", 10, "--", questions[place][0], check=False).stdout.splitlines()]
                same = [(passage["file"], passage["line"]) for passage in found] == [tuple(places[one].values()) for one in both[place]]
                print(f"    slm's own search for question {place}: {'the same' if same else 'other'} passages", flush=True)
            right = [max((float(product) for product, one in zip(table @ vector, ids) if rank([places[int(one)]], question)), default=0)
                     for vector, question in zip(asked, questions)]
            best = [float((table @ vector).max()) for vector in asked]
            print("    similarity of the right passage at 5, 25, 50 %: " + ", ".join(f"{numpy.quantile(right, q):.2f}" for q in (.05, .25, .5))
                  + "; of the best: " + ", ".join(f"{numpy.quantile(best, q):.2f}" for q in (.05, .25, .5)), flush=True)
            others = embedded(model, OTHERS, "query")
            print("    best similarity for questions about other things: " + ", ".join(f"{float((table @ vector).max()):.2f}" for vector in others), flush=True)


OTHERS = ["Thanks!", "Say that in one sentence.", "How do I bake sourdough bread?", "Who won the football match?", "What is the capital of France?",
          "My dog has a fever.", "Tell me a joke.", "Which wine goes with fish?"]


def measure(name, folder, questions, options):
    if options.only_vectors:
        print(f"\n{name}: {len(questions)} questions", flush=True)
        return with_vectors(name, folder, questions, options)
    for stemming in ("english", "none"):
        index = folder.parent / f"{name}-{stemming}.index"
        built = json.loads(slm("index", "build", folder, "--out", index, "--stemming", stemming, "--passage-tokens", options.passage_tokens, "--json").stdout)
        if stemming == "english":
            print(f"\n{name}: {len(questions)} questions, {built['files']} files of {built['bytes'] / 1e6:.1f} MB in {built['passages']} passages, "
                  f"built in {built['seconds']:.2f} s ({built['seconds'] / built['bytes'] * 1e9:.0f} ms per MB), index of "
                  f"{index.stat().st_size / 1e6:.1f} MB\n  {'':<44}  at 1    at 5   at 10")
        ranks, seconds = searched(index, questions)
        row(f"slm, stemming {stemming}", ranks, f"{seconds * 1e3:.0f} ms per search, with the start of slm")
        if stemming == "english":
            passages = [json.loads(line) for line in slm("index", "show", index, "--json").stdout.splitlines()]
            row("rank_bm25", peer(passages, questions))
            if options.embedding_model or options.train is not None:
                with_vectors(name, folder, questions, options)
        if options.weights:
            database = sqlite3.connect(index)
            row("  all words of the question", with_sql(database, questions, WEIGHTS, set()))
            for weights in ((1, 1, 1), (1, 2, 1), (2, 2, 1), (2, 4, 1), (4, 4, 1), (1, 4, 1), (2, 8, 1)):
                row(f"  weights of title, heading, text: {weights}", with_sql(database, questions, weights, connecting_words()))


def coverages(index, questions):
    """How much of each question one of the first passages has."""
    found = []
    for question in questions:
        lines = slm("index", "search", index, "--json", "--limit", 4, "--", question[0], check=False).stdout.splitlines()
        found.append(max((json.loads(line).get("coverage", 0) for line in lines), default=0))
    return found


def print_shares(label, values):
    print(f"  {label:<56}" + "".join(f"{sum(value < limit for value in values) / len(values):8.1%}" for limit in (.25, .3, 1 / 3, .4, .5)), flush=True)


def measure_coverage(folder, options):
    """An index of half of the manual pages, with questions of both halves; the other sets, with the questions of manual pages, too."""
    asked = manual(folder, options.pages, 10**9)
    names = sorted(path.name for path in folder.iterdir())
    random.Random(5).shuffle(names)
    absent = set(names[len(names) // 2:])
    others = [question for question in asked if question[1] in absent]
    for name in absent:
        (folder / name).unlink()
    print(f"  {'share of questions whose coverage is less than':<56}    0.25    0.30     1/3    0.40    0.50")
    sets = {"manual": (folder, [question for question in asked if question[1] not in absent])}
    for kind in ("sentences", "headings"):
        place = folder.parent / kind
        place.mkdir()
        sets[kind] = place, pages(place, kind)
    for kind, (place, questions) in sets.items():
        index = place.parent / f"{kind}.index"
        slm("index", "build", place, "--out", index)
        print_shares(f"{kind}, {len(questions)} of its own questions", coverages(index, questions))
        print_shares(f"{kind}, {len(others)} of manual pages that it has not", coverages(index, others))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--sets", default="manual,sentences,headings")
    arguments.add_argument("--pages", type=int, default=1000, help="manual pages to index")
    arguments.add_argument("--questions", type=int, default=400, help="questions about manual pages")
    arguments.add_argument("--passage-tokens", type=int, default=200)
    arguments.add_argument("--exact", action="store_true", help="with --embedding-model: measure vectors in f32, too")
    arguments.add_argument("--only-vectors", action="store_true", help="with --embedding-model: measure nothing else")
    arguments.add_argument("--embedding-model", type=pathlib.Path, help="a folder that slm embed takes")
    arguments.add_argument("--train", nargs="?", const="", metavar="OPTIONS", help="instead: a model that is trained on each set, with OPTIONS of slm train --embedding")
    arguments.add_argument("--weights", action="store_true", help="measure other weights, too")
    arguments.add_argument("--coverage", action="store_true", help="measure only how much of a question the best passages have")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.coverage:
            folder = pathlib.Path(name) / "manual"
            folder.mkdir()
            return measure_coverage(folder, options)
        for kind in options.sets.split(","):
            folder = pathlib.Path(name) / kind
            folder.mkdir()
            questions = manual(folder, options.pages, options.questions) if kind == "manual" else pages(folder, kind)
            measure(kind, folder, questions, options)


if __name__ == "__main__":
    main()
