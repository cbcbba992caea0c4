"""Builds all changes into one program, which chooses one of them when it starts.

A changed operator becomes an operator of its own that contains both forms, such as `a <⠀⠑ b`: the two Braille characters are the number
of the change (base 256). A dropped statement becomes `if !isChange_Module(17) { statement }`, and a literal `true` becomes
`(true != isChange_Module(17))`. The environment variable CHOSEN_CHANGE has the number of the change, 0 for none; numbers start at 1.
With REACHED_CHANGES=FILE, the program sets byte n of the file to 1 when it executes change n for the first time, so that only the tests
that execute a change have to run with it.
"""
import re
import subprocess

MAX_CHANGES = 65_536

HEADER = """\
#pragma once
extern int chosen_change;
extern unsigned char *reached_changes;
static inline _Bool is_change(int number) {
    if (!reached_changes[number]) reached_changes[number] = 1;
    return number == chosen_change;
}
"""

SOURCE = """\
#include "changes.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char nowhere[SIZE];
int chosen_change = 0;
unsigned char *reached_changes = nowhere;

__attribute__((constructor)) static void read_environment(void) {
    const char *number = getenv("CHOSEN_CHANGE"), *path = getenv("REACHED_CHANGES");
    if (number) chosen_change = atoi(number);
    int file = path ? open(path, O_RDWR | O_CREAT, 0666) : -1;
    if (file < 0) return;
    void *bytes = ftruncate(file, SIZE) ? MAP_FAILED : mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes != MAP_FAILED) reached_changes = bytes;
    close(file);
}
""".replace("SIZE", str(MAX_CHANGES))

MODULE_SOURCE = """\
import CChanges

@inline(__always) package func isChange_{module}(_ number: Int32) -> Bool {{ is_change(number) }}

package struct EitherRange_{module}<T: Comparable>: RangeExpression {{
    let lower: T, upper: T, isClosed: Bool
    package func relative<C: Collection>(to elements: C) -> Range<T> where C.Index == T {{
        isClosed ? (lower...upper).relative(to: elements) : (lower..<upper).relative(to: elements)
    }}
    package func contains(_ element: T) -> Bool {{ isClosed ? (lower...upper).contains(element) : (lower..<upper).contains(element) }}
}}

"""

# The functions of a changed operator: (rank, generic parameters and parameters, result, body). Rank 1 is used only where no function of
# rank 0 fits. In a body, IS is whether the change is chosen; OLD and NEW are the operators.
EITHER = "IS ? a NEW b : a OLD b"
COMPARISON = [(0, "<T: Comparable>(a: T, b: T)", "Bool", EITHER), (1, "<T: BinaryInteger, U: BinaryInteger>(a: T, b: U)", "Bool", EITHER)]
EQUALITY = [
    (0, "<T: Equatable>(a: T, b: T)", "Bool", EITHER),
    (1, "<T: BinaryInteger, U: BinaryInteger>(a: T, b: U)", "Bool", EITHER),
    (1, "<T: StringProtocol, U: StringProtocol>(a: T, b: U)", "Bool", EITHER),
    (1, "<T>(a: T?, b: _OptionalNilComparisonType)", "Bool", EITHER),
]
LOGIC = [(0, "(a: Bool, b: @autoclosure () throws -> Bool) rethrows", "Bool", "if IS { return try a NEW b() }; return try a OLD b()")]
SUM = [
    (0, "<T: AdditiveArithmetic>(a: T, b: T)", "T", EITHER),
    (1, "<T: Strideable>(a: T, b: T.Stride)", "T", 'a.advanced(by: IS == ("OLD" == "+") ? 0 - b : b)'),
    (1, "<T: InstantProtocol>(a: T, b: T.Duration)", "T", 'a.advanced(by: IS == ("OLD" == "+") ? .zero - b : b)'),
]
ASSIGNMENT = [
    (0, "<T: AdditiveArithmetic>(a: inout T, b: T)", "Void", "if IS { a NEW b } else { a OLD b }"),
    (1, "<T: Strideable>(a: inout T, b: T.Stride)", "Void", 'a = a.advanced(by: IS == ("OLD" == "+=") ? 0 - b : b)'),
]
INTEGERS = [(0, "<T: BinaryInteger>(a: T, b: T)", "T", EITHER)]
OVERLOADS = {
    "ComparisonPrecedence": {"<": COMPARISON, "<=": COMPARISON, ">": COMPARISON, ">=": COMPARISON, "==": EQUALITY, "!=": EQUALITY},
    "LogicalConjunctionPrecedence": {"&&": LOGIC},
    "LogicalDisjunctionPrecedence": {"||": LOGIC},
    "AdditionPrecedence": {
        "+": SUM, "-": SUM, "|": INTEGERS,
        "&+": [(0, "<T: FixedWidthInteger>(a: T, b: T)", "T", EITHER)], "&-": [(0, "<T: FixedWidthInteger>(a: T, b: T)", "T", EITHER)],
    },
    "MultiplicationPrecedence": {
        "*": [(0, "<T: Numeric>(a: T, b: T)", "T", EITHER)],
        "/": INTEGERS + [
            (0, "<T: FloatingPoint>(a: T, b: T)", "T", EITHER), (1, "<T: BinaryInteger>(a: Duration, b: T)", "Duration", EITHER),
            (1, "(a: Duration, b: Double)", "Duration", EITHER),
        ],
        "%": INTEGERS, "&": INTEGERS,
    },
    "BitwiseShiftPrecedence": {
        "<<": [(0, "<T: BinaryInteger, U: BinaryInteger>(a: T, b: U)", "T", EITHER)],
        ">>": [(0, "<T: BinaryInteger, U: BinaryInteger>(a: T, b: U)", "T", EITHER)],
    },
    "AssignmentPrecedence": {"+=": ASSIGNMENT, "-=": ASSIGNMENT},
    "RangeFormationPrecedence": {
        "..<": [
            (0, "<T: Strideable>(a: T, b: T)", "Range<T> where T.Stride: SignedInteger", "IS ? Range(a...b) : a..<b"),
            (1, "<T: Comparable>(a: T, b: T)", "EitherRange_MODULE<T>", "EitherRange_MODULE(lower: a, upper: b, isClosed: IS)"),
        ],
        "...": [
            (0, "<T: Strideable>(a: T, b: T)", "Range<T> where T.Stride: SignedInteger", "IS ? a..<b : Range(a...b)"),
            (1, "<T: Comparable>(a: T, b: T)", "EitherRange_MODULE<T>", "EitherRange_MODULE(lower: a, upper: b, isClosed: !IS)"),
        ],
    },
}


def symbol(old, number):
    """The operator of a change. A slash would begin a regular expression."""
    return old.replace("/", "÷") + chr(0x2800 + number // 256) + chr(0x2800 + number % 256)


def definition(change, number):
    """Declares the operator of a change."""
    name = symbol(change.old, number)
    if change.kind == "negation":
        body = f"isChange_{change.module}({number}) ? a : !a"
        return f"prefix operator {name}\n@inline(__always) package prefix func {name} (a: Bool) -> Bool {{ {body} }}\n"
    precedence, functions = next((precedence, of[change.old]) for precedence, of in OVERLOADS.items() if change.old in of)
    text = f"infix operator {name}: {precedence}\n"
    for rank, parameters, result, body in functions:
        body = body.replace("IS", f"isChange_{change.module}({number})").replace("OLD", change.old).replace("NEW", change.new)
        text += f"{'@_disfavoredOverload ' * rank}@inline(__always) package func {name} {parameters} -> {result} {{ {body} }}\n"
    return text.replace("_MODULE", f"_{change.module}")


def changed_line(line, changes):
    """A line with all its changes: pairs of number and change."""
    replacements = []
    for number, change in changes:
        is_change = f"isChange_{change.module}({number})"
        if change.kind == "drop":
            replacements += [(change.end, 1, change.end, " }"), (change.start, 0, change.start, f"if !{is_change} {{ ")]
        else:
            new = f"({change.old} != {is_change})" if change.kind == "boolean" else symbol(change.old, number)
            replacements.append((change.start, 1, change.end, new))
    for start, _, end, new in sorted(replacements, reverse=True):
        line = line[:start] + new + line[end:]
    return line


class Schemata:
    """The sources of a clone with many changes. `numbered` has the changes by number."""

    def __init__(self, tree, numbered):
        self.tree, self.numbered, self.rejected = tree, dict(numbered), []

    def write(self):
        """Writes the manifest and the sources of the changed modules."""
        support = self.tree / "Sources" / "CChanges"
        self.replace(support / "include" / "changes.h", HEADER)
        self.replace(support / "changes.c", SOURCE)
        modules = sorted({change.module for change in self.numbered.values()})
        self.replace(self.tree / "Package.swift", self.committed("Package.swift") + f"""
package.targets.append(.target(name: "CChanges", path: "Sources/CChanges"))
for target in package.targets where {modules}.contains(target.name) {{ target.dependencies.append("CChanges") }}
""".replace("'", '"'))
        for module in modules:
            self.write_module(module)

    def write_module(self, module):
        changes = [(number, change) for number, change in self.numbered.items() if change.module == module]
        operators = [definition(change, number) for number, change in changes if change.kind in ("operator", "negation")]
        self.replace(self.tree / "Sources" / module / "Changes.swift", MODULE_SOURCE.format(module=module) + "".join(operators))
        of_file = {}
        for number, change in changes:
            of_file.setdefault(change.path, {}).setdefault(change.line, []).append((number, change))
        for path in (self.tree / "Sources" / module).rglob("*.swift"):
            relative = str(path.relative_to(self.tree))
            if path.name == "Changes.swift":
                continue
            lines = self.committed(relative).split("\n")
            for line, changes_of_line in of_file.get(relative, {}).items():
                lines[line] = changed_line(lines[line], changes_of_line)
            self.replace(path, "\n".join(lines))

    def committed(self, path):
        return subprocess.run(["git", "show", f"HEAD:{path}"], cwd=self.tree, check=True, capture_output=True, text=True).stdout

    @staticmethod
    def replace(path, text):
        """Writes a file unless it has this text, so that nothing is compiled again for nothing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def reject(self, output):
        """Removes the changes that the compiler's errors are about. Returns their numbers."""
        rejected = set()
        for path, line in set(re.findall(r"^(/.+?\.swift):(\d+):\d+: error:", output, re.MULTILINE)):
            relative, line = path.removeprefix(f"{self.tree}/"), int(line) - 1
            in_file = {number: change for number, change in self.numbered.items() if change.path == relative}
            at = [number for number, change in in_file.items() if change.line == line]
            # An error about an expression of several lines, or a property without a value, names another line.
            near = sorted(in_file, key=lambda number: (in_file[number].line > line, abs(in_file[number].line - line)))[:1]
            rejected.update(at or near)
        for number in rejected:
            self.rejected.append(self.numbered.pop(number))
        return rejected
