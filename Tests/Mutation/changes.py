"""The changes that mutation tests make: finds them in Swift sources."""
import dataclasses
import random
import re

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
DROPPABLE = re.compile(r"^\s+(?:_ = )?(?:try[?!]? )?[a-z_]\w*(?:[.?!]+\w+)*(?:\(.*\)|\[.*\])*(?:\.\w+(?:\(.*\))?)*"
                       r"(?: (?:=|\+=|-=|\*=|&\+=) .+)?$")
KEYWORDS = re.compile(r"^\s*(?:_ = )?(?:return|let|var|if|guard|else|for|while|switch|case|default|func|init|throw|break|continue|defer|do|"
                      r"repeat|import|package|private|fileprivate|static|struct|enum|class|extension|precondition|fatalError|require)\b")
# Lines that only reserve memory, pause, end the pause of a thread that looks again anyway, or write to the log: no answer depends on them.
# What decides about access, such as `checkAnswersNow`, stays.
ARID = re.compile(r"\.reserveCapacity\(|^\s*(?:usleep\(|Log\.(?:info|error)\(|"
                  r"(?:\w+\.)*(?:indexer\?|thread)\.wake\(\)$|(?:\w+\.)?lookNow\(\)$)")


@dataclasses.dataclass(frozen=True)
class Change:
    module: str
    path: str       # below the root of the repository
    line: int       # from 0
    start: int      # columns of the replaced text
    end: int
    kind: str       # "operator", "negation", "boolean" or "drop"
    old: str
    new: str

    @property
    def description(self):
        """Identifies the change in results and reports."""
        what = {"operator": f"{self.old} → {self.new}", "negation": "! dropped", "boolean": f"{self.old} → {self.new}", "drop": "dropped"}
        return f"{self.path}:{self.line + 1}:{self.start + 1}: {what[self.kind]}"


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


def changes_of_file(module, tree, path):
    """All changes of a file."""
    text = (tree / path).read_text()
    lines, code = text.split("\n"), blanked(text).split("\n")
    for number, (line, bare) in enumerate(zip(lines, code)):
        stripped = bare.strip()
        if not stripped or stripped.startswith(("import ", "package import", "@", "#")) or ARID.search(bare.rstrip()):
            continue

        def change(start, end, kind, new):
            return Change(module, path, number, start, end, kind, line[start:end], new)

        if not re.search(r"\b(func|init|protocol|typealias|associatedtype|operator)\b", bare):
            for match in list(OPERATOR.finditer(bare)) + list(RANGE.finditer(bare)):
                if match.group() in ("&", "...") and match.re is OPERATOR:       # a composition of protocols, a variadic parameter
                    continue
                yield change(*match.span(), "operator", OPERATORS[match.group()])
            for match in NEGATION.finditer(bare):
                yield change(*match.span(), "negation", "")
        for match in BOOLEAN.finditer(bare):
            yield change(*match.span(), "boolean", "false" if match.group() == "true" else "true")
        previous = code[number - 1].rstrip() if number else ""
        comment = min((at for at in [line.find("//", len(bare.rstrip()))] if at >= 0), default=len(line))
        statement = line[:comment].rstrip()
        is_whole = all(bare.count(left) == bare.count(right) for left, right in ("()", "{}", "[]"))
        is_statement = previous.endswith(("{", "}", ")", ";")) and '"""' not in line
        if is_statement and is_whole and DROPPABLE.match(statement) and not KEYWORDS.match(line):
            yield change(len(line) - len(line.lstrip()), len(statement), "drop", "")


def shuffled_changes(tree, modules, seed):
    """All changes of each module, in an order that depends only on the sources and the seed."""
    result = {}
    for module in modules:
        paths = sorted(str(path.relative_to(tree)) for path in (tree / "Sources" / module).rglob("*.swift"))
        found = [change for path in paths for change in changes_of_file(module, tree, path)]
        random.Random(f"{seed} {module}").shuffle(found)
        result[module] = found
    return result
