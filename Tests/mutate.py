#!/usr/bin/env python3
"""Mutation tests: changes one operator or drops one line of a module, and reports the changes that its tests do not notice.

    Tests/mutate.py --scratch DIR [--modules Train,Checkpoint,Serve,Store] [--count 300] [--seed 1]
    Tests/mutate.py --list --count 20                   print the changes, do nothing
    Tests/mutate.py --scratch DIR --report              print the results so far

Works in a clone of the last commit in DIR/clone, whose manifest contains the tests of one module at a time. Results are appended to
DIR/results.jsonl: an interrupted run with the same options continues. A change is caught if a test fails, crashes or runs four times as
long as without the change. Changes that do not compile do not count. Each change takes a build and a test run, so 300 take a night.
"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Operators with spaces around them, and what takes their place.
OPERATORS = {
    "==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "&&": "||", "||": "&&", "+": "-", "-": "+", "*": "+", "/": "*",
    "%": "+", "+=": "-=", "-=": "+=", "..<": "...", "...": "..<", "&": "|", "|": "&", "<<": ">>", ">>": "<<", "&+": "&-", "&-": "&+",
}
OPERATOR = re.compile(r"(?<= )(" + "|".join(re.escape(o) for o in sorted(OPERATORS, key=len, reverse=True)) + r")(?= )")
RANGE = re.compile(r"(?<=[\w)\]])(\.\.<|\.\.\.)(?=[\w(])")
BOOLEAN = re.compile(r"\b(true|false)\b")
NEGATION = re.compile(r"(?<=[ (])!(?=[a-z(])")
# A statement that a program still compiles without: a call, or an assignment to something that exists.
DROPPABLE = re.compile(r"^\s+(?:_ = )?(?:try[?!]? )?[a-z_]\w*(?:[.?!]+\w+)*(?:\(.*\)|\[.*\])*(?:\.\w+(?:\(.*\))?)*(?: (?:=|\+=|-=|\*=|&\+=) .+)?$")
KEYWORDS = re.compile(r"^\s*(?:_ = )?(?:return|let|var|if|guard|else|for|while|switch|case|default|func|init|throw|break|continue|defer|do|repeat|import|"
                      r"package|private|fileprivate|static|struct|enum|class|extension|precondition|fatalError|require)\b")


def blanked(text):
    """The text with comments and string literals replaced by blanks, so that no change falls into them."""
    out, i, n = list(text), 0, len(text)

    def blank(start, end):
        for j in range(start, min(end, n)):
            if out[j] != "\n":
                out[j] = " "

    while i < n:
        if text.startswith("//", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
        elif text.startswith("/*", i):
            end = text.find("*/", i) + 2
        elif text[i] in "\"#" and (quote := re.compile(r'(#*)("""|")').match(text, i)):
            hashes, mark = quote.groups()
            end = quote.end()
            while end < n and not text.startswith(mark + hashes, end):
                end += 2 if not hashes and text[end] == "\\" else 1
            end += len(mark + hashes)
        else:
            i += 1
            continue
        blank(i, end)
        i = end
    return "".join(out)


def mutations(path):
    """All changes of a file: (line number, description, new line)."""
    text = path.read_text()
    lines, code = text.split("\n"), blanked(text).split("\n")
    for number, (line, bare) in enumerate(zip(lines, code)):
        stripped = bare.strip()
        # More memory reserved than needed is no fault.
        if not stripped or stripped.startswith(("import ", "package import", "@", "#")) or "reserveCapacity" in bare:
            continue
        is_signature = re.search(r"\b(func|init|protocol|typealias|associatedtype|operator)\b", bare) is not None

        def change(match, new):
            return line[:match.start()] + new + line[match.end():]

        if not is_signature:
            for match in list(OPERATOR.finditer(bare)) + list(RANGE.finditer(bare)):
                old = match.group(1)
                if old in ("&", "...") and match.re is OPERATOR:       # a composition of protocols, a variadic parameter
                    continue
                yield number, f"{old} → {OPERATORS[old]}", change(match, OPERATORS[old])
            for match in NEGATION.finditer(bare):
                yield number, "! dropped", change(match, "")
        for match in BOOLEAN.finditer(bare):
            new = "false" if match.group(1) == "true" else "true"
            yield number, f"{match.group(1)} → {new}", change(match, new)
        previous = code[number - 1].rstrip() if number else ""
        is_whole = line.count("(") == line.count(")") and line.count("{") == line.count("}") and line.count("[") == line.count("]")
        if DROPPABLE.match(line) and not KEYWORDS.match(line) and is_whole and previous.endswith(("{", "}", ")", ";")) and '"""' not in line:
            yield number, f"dropped {line.strip()}", re.match(r"\s*", line).group(0)


def chosen(tree, modules, count, seed):
    """The same changes for the same options: for each module, a share of the count."""
    all_of = {}
    for module in modules:
        found = []
        for path in sorted((tree / "Sources" / module).rglob("*.swift")):
            found += [(str(path.relative_to(tree)), *mutation) for mutation in mutations(path)]
        all_of[module] = found
    picked = []
    for index, module in enumerate(modules):
        share = count // len(modules) + (1 if index < count % len(modules) else 0)
        source = random.Random(f"{seed} {module}")
        found = all_of[module]
        picked += [(module, *mutation) for mutation in source.sample(found, min(share, len(found)))]
    return picked, {module: len(found) for module, found in all_of.items()}


def key(mutation):
    module, path, number, what, new = mutation
    return f"{path}:{number + 1}: {what}" + (f": {new.strip()}" if new.strip() else "")


class Clone:
    def __init__(self, scratch, is_new):
        self.path = scratch / "clone"
        self.manifest = None
        if not self.path.exists():
            subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(self.path)], check=True)
        elif is_new:
            subprocess.run(["git", "fetch", "--quiet", str(ROOT), "HEAD"], cwd=self.path, check=True)
            subprocess.run(["git", "reset", "--quiet", "--hard", "FETCH_HEAD"], cwd=self.path, check=True)
        subprocess.run(["git", "checkout", "--quiet", "--", "."], cwd=self.path, check=True)

    def only(self, module):
        """Leaves only the tests of a module, and the programs that they start, in the manifest."""
        path = self.path / "Package.swift"
        self.manifest = self.manifest or path.read_text()
        path.write_text(self.manifest + f"""
let kept = package.targets.first {{ $0.name == "{module}Tests" }}.map {{ tests in
    Set(tests.dependencies.compactMap {{ if case .byNameItem(let name, _) = $0 {{ name }} else {{ nil }} }} + [tests.name])
}} ?? []
package.products = []
package.targets.removeAll {{ ($0.type == .test || $0.type == .executable) && !kept.contains($0.name) }}
""")

    def run(self, command, limit):
        """Runs a command at low priority. Returns its exit status, None after `limit` seconds, and the end of its output."""
        process = subprocess.Popen(["nice", "-n", "19", *command], cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=limit)
            return process.returncode, output[-4_000:]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)                     # the group that this script started
            process.wait()
            return None, ""

    def build(self):
        return self.run(["swift", "build", "-c", "release", "--build-tests"], 3_600)

    def test(self, module, limit):
        return self.run(["swift", "test", "-c", "release", "--skip-build", "--filter", f"^{module}Tests\\."], limit)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--scratch", type=pathlib.Path, help="the folder for the clone and the results")
    options.add_argument("--modules", default="Train,Checkpoint,Serve,Store")
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--list", action="store_true")
    options.add_argument("--report", action="store_true")
    given = options.parse_args()
    modules = given.modules.split(",")
    if given.list:
        picked, totals = chosen(ROOT, modules, given.count, given.seed)
        print(*map(key, picked), sep="\n")
        return print(f"{len(picked)} of {totals}")
    if given.scratch is None:
        options.error("--scratch DIR is required")
    given.scratch.mkdir(parents=True, exist_ok=True)
    results = given.scratch / "results.jsonl"
    done = {}
    if results.exists():
        done = {entry["change"]: entry for entry in map(json.loads, results.read_text().splitlines())}
    if given.report:
        return report(done.values())
    clone = Clone(given.scratch, is_new=not results.exists())
    picked, totals = chosen(clone.path, modules, given.count, given.seed)
    print(f"{len(picked)} of {totals} changes, {sum(key(m) in done for m in picked)} of them done", flush=True)
    current, limit = None, 0
    for mutation in sorted(picked, key=lambda m: modules.index(m[0])):
        module, path, number, what, new = mutation
        if key(mutation) in done:
            continue
        if module != current:
            clone.only(module)
            status, output = clone.build()
            if status != 0:
                sys.exit(f"{module} does not build without changes:\n{output}")
            start = time.monotonic()
            status, output = clone.test(module, 3_600)
            if status != 0:
                sys.exit(f"{module}Tests fail without changes:\n{output}")
            limit = 60 + 4 * (time.monotonic() - start)
            current = module
        file = clone.path / path
        original = file.read_text()
        lines = original.split("\n")
        old, lines[number] = lines[number], new
        start = time.monotonic()
        try:
            file.write_text("\n".join(lines))
            status, output = clone.build()
            if status != 0:
                result = "does not compile"
            else:
                status, output = clone.test(module, limit)
                result = "survived" if status == 0 else "caught" if status is not None else "caught (time limit)"
        finally:
            file.write_text(original)
        entry = {"change": key(mutation), "module": module, "result": result, "old": old.strip(), "seconds": round(time.monotonic() - start)}
        done[entry["change"]] = entry
        with results.open("a") as log:
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")
        print(f"{result}: {entry['change']}", flush=True)
    report([done[key(m)] for m in picked])


def report(entries):
    """Prints the share of caught changes of each module, and the survivors."""
    entries = list(entries)
    print()
    for module in [*sorted({e["module"] for e in entries}), None]:
        counted = [e for e in entries if e["module"] in (module, *([e["module"]] if module is None else [])) and e["result"] != "does not compile"]
        caught = sum(e["result"].startswith("caught") for e in counted)
        if counted:
            print(f"{module or 'all'}: {caught} of {len(counted)} caught, {100 * caught / len(counted):.0f} %")
    survivors = [e for e in entries if e["result"] == "survived"]
    if survivors:
        print("\nSurvivors:")
        for entry in survivors:
            print(f"  {entry['change']}\n    was: {entry['old']}")


if __name__ == "__main__":
    main()
