"""Plots the output of `train.py` as a bar chart: tokens per second, one group per data type.

    .venv/bin/python Benchmarks/train.py > figures.txt
    .venv/bin/python Benchmarks/chart.py < figures.txt > Documentation/Performance/training.svg
"""
import re
import sys

LINE = re.compile(r"^(\w+) (bf16|f32)\s+(.+?)\s+(\d+) tokens/s")
COLORS = {"slm": "#d9480f", "torch compiled": "#495057", "torch eager": "#adb5bd"}


def main():
    rows = [match.groups() for match in map(LINE.match, sys.stdin) if match]
    rows = [(dtype, name, int(speed)) for _, dtype, name, speed in rows if name in COLORS]
    rows.sort(key=lambda row: (row[0], list(COLORS).index(row[1])))
    fastest = max(speed for _, _, speed in rows)
    width, left, y, parts = 420, 190, 44, []
    before = None
    for dtype, name, speed in rows:
        y += 34 if before not in (None, dtype) else 26 if before else 0
        before = dtype
        length = width * speed / fastest
        parts.append(f'<text x="{left - 10}" y="{y + 14}" text-anchor="end">{name.replace("torch", "PyTorch,")} {dtype}</text>'
                     f'<rect x="{left}" y="{y}" width="{length:.0f}" height="19" rx="2" fill="{COLORS[name]}"/>'
                     f'<text x="{left + length + 8:.0f}" y="{y + 14}">{speed:,}</text>')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="700" height="{y + 36}" font-family="sans-serif" font-size="13" fill="#212529">'
          f'<rect width="100%" height="100%" fill="#ffffff"/>'
          f'<text x="{left}" y="26" font-size="14">tokens per second, training a GPT of 36M parameters</text>{"".join(parts)}</svg>')


if __name__ == "__main__":
    main()
