"""Plots the results of quality.py: the loss that quantized weights add against their bits.

    .venv/bin/python Benchmarks/quality_chart.py results.json > Documentation/Performance/quality.svg

Means over the texts. The vertical scale is logarithmic; types that add less than 0.001 nats, or lower the loss, are at its lower end.
"""
import json
import math
import sys

LEFT, TOP, WIDTH, HEIGHT, LOWEST = 70, 50, 600, 340, 0.001
COLORS = {"slm": "#d9480f", "llama.cpp": "#495057"}


def main():
    results = json.load(open(sys.argv[1]))
    points, base = [], {row["program"]: row["losses"] for row in results["rows"] if row["type"].lower() == "f32"}
    for row in results["rows"]:
        if row["type"].lower() != "f32" and row["shown"]:
            added = sum(loss - exact for loss, exact in zip(row["losses"], base[row["program"]])) / len(row["losses"])
            points.append((row["writer"], row["type"], row["bits_per_weight"], max(added, LOWEST)))
    fewest, most = math.floor(min(p[2] for p in points) * 2) / 2, math.ceil(max(p[2] for p in points) * 2) / 2
    highest = 10 ** (math.ceil(math.log10(max(p[3] for p in points)) * 2) / 2)

    def x(bits):
        return LEFT + WIDTH * (bits - fewest) / (most - fewest)

    def y(added):
        return TOP + HEIGHT * (1 - math.log(added / LOWEST) / math.log(highest / LOWEST))

    parts, ticks = [], [value for value in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1) if value <= highest * 1.01]
    for value in ticks:
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(value):.0f}" y2="{y(value):.0f}" stroke="#e9ecef"/>'
                     f'<text x="{LEFT - 8}" y="{y(value) + 4:.0f}" text-anchor="end">{"≤ " if value == LOWEST else ""}{value}</text>')
    bits = fewest
    while bits <= most:
        parts.append(f'<text x="{x(bits):.0f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{bits:g}</text>')
        bits += 0.5
    # Points whose labels would overlap share a column of labels, in the order of their losses; a line leads to each.
    columns = []
    for point in sorted(points, key=lambda p: p[2]):
        near = [column for column in columns if x(point[2]) - x(column[0][2]) < 56]
        near[-1].append(point) if near else columns.append([point])
    for column in columns:
        column.sort(key=lambda p: -p[3])
        left, heights = max(x(size) for _, _, size, _ in column) + 24, []
        for _, _, _, added in column:
            heights.append(max(y(added), heights[-1] + 14 if heights else TOP))
        below = max(0, heights[-1] - (TOP + HEIGHT - 4))
        middle = sum(h - y(point[3]) for h, point in zip(heights, column)) / len(column)
        shift = min(max(middle, below), heights[0] - TOP)
        for (writer, kind, size, added), height in zip(column, heights):
            label_y, px, py = height - shift, x(size), y(added)
            parts.append(f'<line x1="{px:.0f}" y1="{py:.0f}" x2="{left - 3:.0f}" y2="{label_y:.0f}" stroke="#adb5bd"/>'
                         f'<circle cx="{px:.0f}" cy="{py:.0f}" r="4.5" fill="{COLORS[writer]}"/>'
                         f'<text x="{left:.0f}" y="{label_y + 4:.0f}" fill="{COLORS[writer]}">{kind}</text>')
    parts.append(f'<text x="{LEFT + WIDTH}" y="{TOP + HEIGHT + 40}" text-anchor="end">bits per weight, over all weights</text>')
    for i, (writer, color) in enumerate(COLORS.items()):
        parts.append(f'<circle cx="{LEFT + WIDTH - 150}" cy="{TOP + 10 + 20 * i}" r="4.5" fill="{color}"/>'
                     f'<text x="{LEFT + WIDTH - 140}" y="{TOP + 14 + 20 * i}">written by {writer}</text>')
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{TOP + HEIGHT + 60}" font-family="sans-serif" font-size="12" fill="#212529">'
          f'<rect width="100%" height="100%" fill="#ffffff"/>'
          f'<text x="{LEFT}" y="26" font-size="14">nats per token over f32, {results["model"]}</text>{"".join(parts)}</svg>')


if __name__ == "__main__":
    main()
