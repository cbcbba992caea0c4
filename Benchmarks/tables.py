"""Draws the tables of Documentation/Performance/Machines.md from the results in Documentation/Performance/results: one row per machine.

    Benchmarks/tables.py             writes the page
    Benchmarks/tables.py --check     fails if the page does not show these results
"""
import json
import pathlib
import statistics
import sys

from record import RESULTS

PAGE = RESULTS.parent / "Machines.md"
INTRODUCTION = """# Machines

slm and other programs on every machine that was measured, one row per machine. `Benchmarks/tables.py` writes this page
from the files in [results](results), in which the benchmarks store what they measured (`--save`). [Method](Method.md)
describes the measurements, [Results](Results.md) explains them.

Each value is the median of several rounds in which both programs alternate, with the lowest and the highest in
brackets. Compare ratios: the absolute speed of a shared machine changes from hour to hour.
"""
LOWER_IS_BETTER = {"s", "ms", "MB"}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cell(values):
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def machine_name(machine):
    kind = machine["microarchitecture"] or f"family {machine['family']}, model {machine['model']}"
    return f"{machine['cpu']} ({kind}), {machine['cores']} cores"


def sections(files):
    """Returns {work: {variant: [(machine, comparison)]}} in the order of the names."""
    result = {}
    for file in files:
        for each in file["comparisons"]:
            result.setdefault(each["work"], {}).setdefault(each["variant"], []).append((file["machine"], each))
    return {work: dict(sorted(variants.items())) for work, variants in sorted(result.items())}


def page(files):
    parts = [INTRODUCTION]
    for work, variants in sections(files).items():
        units = {each["unit"] for rows in variants.values() for _, each in rows}
        notes = " (lower is better)" if units <= LOWER_IS_BETTER else ""
        parts.append(f"\n## {work[0].upper() + work[1:]}\n\n| | machine | unit | slm | peer | | slm ÷ peer{notes} | rounds | date |\n|---|---|---|---:|---|---:|---:|---:|---|\n")
        for variant, rows in variants.items():
            for machine, each in sorted(rows, key=lambda row: (row[1]["peer"], machine_name(row[0]))):
                ratio = statistics.median(each["slm"]) / statistics.median(each["theirs"])
                parts.append(f"| {variant} | {machine_name(machine)} | {each['unit']} | {cell(each['slm'])} | {each['peer']} | {cell(each['theirs'])} | **{ratio:.2f}** "
                             f"| {len(each['slm'])} | {each['date']} |\n")
    return "".join(parts)


def main():
    text = page([json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))])
    if "--check" not in sys.argv:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        raise SystemExit(f"{PAGE} does not show the results in {RESULTS}: run Benchmarks/tables.py")


if __name__ == "__main__":
    main()
