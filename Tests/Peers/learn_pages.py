"""Runs the commands of Documentation/Learn, compares what they print with the pages, and draws the pictures.

    Tests/Peers/learn_pages.py .build/release/slm             compare: every ```sh block, and the ```text block after it
    Tests/Peers/learn_pages.py .build/release/slm --write     write the outputs into the pages, and the pictures into Documentation/Learn/images

All chapters run in one scratch folder, in order, with SLM_CPU=plain and SLM_THREADS=1 as the pages say. Numbers may differ by 0.02 or 2 %, because `exp` and
`tanh` of another C library may round differently; everything else has to be the same.
"""
import argparse, html, json, math, os, pathlib, re, subprocess, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Documentation/Learn"
CHAPTERS = ["1-Tokens", "2-Embeddings", "3-Attention", "4-Loss", "5-Gradient", "6-Training", "7-Sampling", "8-Cache"]
CHAT = ["--user", "Where does a cat live?", "--assistant", "A cat lives with people."]

def pieces(text):
    """The page as a list of (kind, text): "sh" and "text" blocks, and what is between them."""
    parts, i = re.split(r"(?m)^```(sh|text|swift|python|)\n(.*?)^```\n", text, flags=re.S | re.M), 0
    result = []
    for i in range(0, len(parts), 3):
        result.append(("", parts[i]))
        if i + 2 < len(parts): result.append((parts[i + 1], parts[i + 2]))
    return result

def run(command, folder, environment):
    result = subprocess.run(["bash", "-c", "set -euo pipefail\n" + command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if result.returncode: raise SystemExit(f"exit status {result.returncode} of\n{command}\n{result.stdout}{result.stderr}")
    return result.stdout

def alike(a, b):
    """Whether two texts are the same but for small differences of numbers."""
    number = re.compile(r"-?\d+\.\d+")
    if number.sub("#", re.sub(r" +", " ", a)) != number.sub("#", re.sub(r" +", " ", b)): return False
    return all(math.isclose(float(x), float(y), rel_tol=0.02, abs_tol=0.02) for x, y in zip(number.findall(a), number.findall(b)))

def chapters(folder, environment, write):
    count = 0
    for name in CHAPTERS:
        path, out, command, last = FOLDER / f"{name}.md", [], None, ""
        for kind, text in pieces(path.read_text()):
            if kind == "sh":
                last = run(text, folder, environment)
                command = text
            elif kind == "text" and command is not None:
                if write: text = last if last.endswith("\n") else last + "\n"
                elif not alike(text, last): raise SystemExit(f"{name}.md: the output of\n{command}\nis\n{last}\nand not\n{text}")
                command = None
                count += 1
            elif kind == "" and text.strip(): command = None
            out.append(f"```{kind}\n{text}```\n" if kind else text)
        if write: path.write_text("".join(out))
        print(f"{name}.md: done", flush=True)
    print(f"{count} outputs {'written' if write else 'are those of the pages'}")

# Pictures: plain SVG that reads in light and dark.

STYLE = """<style>text{font:13px system-ui,sans-serif;fill:#24292f}.small{font-size:11px}.muted{fill:#6e7781}.mono{font-family:ui-monospace,monospace}
.line{stroke:#0969da;fill:none;stroke-width:2}.second{stroke:#bc4c00}.axis{stroke:#8c959f;fill:none}.box{fill:#ddf4ff;stroke:#54aeff}.bar{fill:#54aeff}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.muted{fill:#8b949e}.box{fill:#0c2d6b;stroke:#388bfd}.bar{fill:#388bfd}.line{stroke:#58a6ff}.second{stroke:#f0883e}}</style>"""

def svg(name, width, height, title, body):
    (FOLDER / "images").mkdir(exist_ok=True)
    (FOLDER / f"images/{name}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">\n{STYLE}\n' + "\n".join(body) + "\n</svg>\n")

def text(x, y, s, classes="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{html.escape(str(s))}</text>'

def heat(x, y, size, value, limit):
    """A cell of a heat map: blue above 0, orange below."""
    color = "#0969da" if value >= 0 else "#bc4c00"
    return (f'<rect x="{x}" y="{y}" width="{size[0]}" height="{size[1]}" fill="{color}" fill-opacity="{min(1, abs(value) / limit):.2f}" stroke="#8c959f" stroke-opacity=".4"/>')

def curve(points, box, xs, ys, classes="line"):
    """A polyline in a box (x, y, width, height) for the ranges xs and ys."""
    def place(p): return (box[0] + (p[0] - xs[0]) / (xs[1] - xs[0]) * box[2], box[1] + box[3] - (p[1] - ys[0]) / (ys[1] - ys[0]) * box[3])
    return f'<polyline class="{classes}" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points)) + '"/>'

def axes(box, xs, ys, xlabel, ylabel, digits=1):
    x, y, w, h = box
    return [f'<path class="axis" d="M{x} {y}V{y + h}H{x + w}"/>', text(x - 6, y + 8, f"{ys[1]:.{digits}f}", "small muted", "end"), text(x - 6, y + h, f"{ys[0]:.{digits}f}", "small muted", "end"),
            text(x, y + h + 16, f"{xs[0]:g}", "small muted", "middle"), text(x + w, y + h + 16, f"{xs[1]:g}", "small muted", "middle"),
            text(x + w / 2, y + h + 30, xlabel, "small", "middle"), text(x, y - 8, ylabel, "small")]

def pictures(folder, environment):
    slm = lambda *arguments: run("slm " + " ".join(f"'{a}'" for a in arguments), folder, environment)
    explain = lambda *arguments: json.loads(slm("explain", *arguments, "-c", "checkpoints/hand/best.h5", "--json"))

    # Chapter 1: the sentence with growing vocabularies.
    body, y = [], 30
    for size in (260, 270, 300, 512):
        slm("tokenize", "train", "--data", "data/sample.txt", "--vocab-size", str(size), "--out", f"t{size}.json", "--quiet")
        tokens = [re.split(r"\s+", l.strip(), maxsplit=1)[1] for l in slm("tokenize", "show", f"t{size}.json", "A cat lives with people.").splitlines()[:-1]]
        body += [text(0, y, f"{size} tokens in the vocabulary: {len(tokens)} in the sentence", "small")]
        x = 0
        for token in tokens:
            w = 10 + 9 * len(token)
            body += [f'<rect x="{x}" y="{y + 8}" width="{w}" height="24" rx="4" class="box"/>', text(x + w / 2, y + 25, token, "mono", "middle")]
            x += w + 4
        y += 66
    svg("tokens", 560, y - 20, "One sentence cut into tokens by vocabularies of 260, 270, 300 and 512 tokens", body)

    result = explain(*CHAT, "--gradient", "head.weight[342,0]")
    names = [t["text"] for t in result["tokens"]]

    # Chapter 2: embeddings as a heat map.
    limit = max(abs(v) for row in result["embeddings"] for v in row)
    body = [text(130 + 34 * c + 17, 16, f"{c}", "small muted", "middle") for c in range(8)]
    for i, row in enumerate(result["embeddings"]):
        y = 24 + 22 * i
        body += [text(0, y + 15, i, "small muted"), text(24, y + 15, names[i], "mono")]
        for c, v in enumerate(row): body += [heat(130 + 34 * c, y, (34, 22), v, limit), text(130 + 34 * c + 17, y + 15, f"{v:.1f}", "small", "middle")]
    svg("embeddings", 420, 30 + 22 * len(names), "Embedding of each token: eight numbers", body)

    # Chapter 3: attention weights of both heads.
    body, side = [], 20
    for head in range(2):
        left = 110 + head * (side * len(names) + 130)
        body.append(text(left, 14, f"head {head}"))
        for i, row in enumerate(result["layers"][0]["heads"][head]["attention"]):
            body.append(text(left - 6, 24 + side * i + 14, names[i], "small mono", "end"))
            for j, v in enumerate(row): body.append(heat(left + side * j, 24 + side * i, (side, side), v, 1))
        for j, name in enumerate(names):
            x, y = left + side * j + 14, 34 + side * len(names)
            body.append(f'<text x="{x}" y="{y}" class="small mono" text-anchor="end" transform="rotate(-60 {x} {y})">{html.escape(name)}</text>')
    svg("attention", 240 + 2 * side * len(names), 110 + side * len(names), "Attention weights of two heads", body)

    # Chapter 4: the loss of each token.
    body = [text(0, 14, "loss of each token in nats")]
    for i, t in enumerate(result["tokens"][1:], 1):
        y = 4 + 20 * i
        body += [text(90, y + 14, t["text"], "small mono", "end"), f'<rect x="98" y="{y + 2}" width="{26 * t["loss"]:.1f}" height="15" class="bar"/>', text(104 + 26 * t["loss"], y + 14, f'{t["loss"]:.2f}', "small")]
    height = 30 + 20 * len(names)
    svg("loss", 420, height, "Loss of each token", body)

    # Chapter 5: the loss as a function of one weight.
    g = result["gradient"]
    points = g["curve"]
    xs, ys = (points[0][0], points[-1][0]), (min(p[1] for p in points), max(p[1] for p in points))
    ys = (ys[0] - 0.1 * (ys[1] - ys[0]), ys[1])
    box = (60, 30, 420, 200)
    tangent = [(x, g["loss"] + g["backward"] * (x - g["weight"])) for x in xs]
    tangent = [(x, min(max(v, ys[0]), ys[1])) for x, v in ((g["weight"] + d, g["loss"] + g["backward"] * d) for d in (-1.2, 1.2))]
    px = box[0] + (g["weight"] - xs[0]) / (xs[1] - xs[0]) * box[2]
    py = box[1] + box[3] - (g["loss"] - ys[0]) / (ys[1] - ys[0]) * box[3]
    svg("gradient", 520, 280, "Loss as a function of head.weight[342,0], with its tangent",
        axes(box, [round(x, 2) for x in xs], ys, "head.weight[342, 0]", "mean loss in nats", 3)
        + [curve(points, box, xs, ys), curve(tangent, box, xs, ys, "line second"), f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="#bc4c00"/>', text(px + 8, py - 8, f"slope {g['backward']:.4f}", "small")])

    # Chapter 6: the run's losses.
    log = [json.loads(line) for line in (folder / "checkpoints/hand/log.jsonl").read_text().splitlines()]
    steps = [(e["step"], e["loss"]) for e in log if e["event"] == "step"]
    steps = [(sum(s for s, _ in part) / len(part), sum(l for _, l in part) / len(part)) for part in (steps[i:i + 20] for i in range(0, len(steps), 20))]
    evaluated = [(e["step"], e["val_loss"]) for e in log if e["event"] == "evaluated"]
    box, xs, ys = (50, 30, 430, 200), (0, 4500), (0, 6.5)
    svg("training", 520, 280, "Training loss falls from 6.2 to 0.2", axes(box, xs, ys, "step", "loss in nats per token")
        + [curve(steps, box, xs, ys), curve(evaluated, box, xs, ys, "line second"), text(330, 60, "training", "small"), text(330, 78, "validation", "small"),
           '<path class="line" d="M300 56h24"/>', '<path class="line second" d="M300 74h24"/>'])

    # Chapter 7: one prediction at three temperatures.
    answer = json.loads(slm("generate", "checkpoints/hand/best.h5", "--user", "Where does a cat live?", "--temperature", "0", "--logprobs", "20", "--json"))
    logits = [(t["token"].replace(" ", "·"), t["logprob"]) for t in answer["logprobs"][1]["top"]]
    body = []
    for column, temperature in enumerate((0.5, 1, 2)):
        exponentials = [math.exp((l - logits[0][1]) / temperature) for _, l in logits]
        total, left = sum(exponentials), 20 + 190 * column
        body.append(text(left, 16, f"T = {temperature}"))
        for i in range(6):
            p = exponentials[i] / total
            body += [text(left + 52, 42 + 22 * i, logits[i][0], "small mono", "end"), f'<rect x="{left + 58}" y="{30 + 22 * i}" width="{80 * p:.1f}" height="15" class="bar"/>', text(left + 62 + 80 * p, 42 + 22 * i, f"{p:.2f}", "small")]
    svg("sampling", 590, 170, "Probabilities of the six most likely tokens after A, of the 20 best, at the temperatures 0.5, 1 and 2", body)

    # Chapter 8: which positions are computed in each step.
    prompt = names.index("<|assistant|>") + 1
    body = [text(0, 14, "keys and values computed in this step, and read from the cache", "small")]
    for step in range(len(names) - prompt):
        y = 24 + 22 * step
        body.append(text(110, y + 15, "prefill" if step == 0 else f"decode {step}", "small", "end"))
        for i in range(prompt + step):
            fresh = step == 0 or i == prompt + step - 1
            body.append(f'<rect x="{118 + 26 * i}" y="{y}" width="24" height="18" rx="3" class="{"bar" if fresh else "box"}"/>')
    svg("cache", 130 + 26 * len(names), 30 + 22 * (len(names) - prompt), "Prefill computes the prompt at once, each decoding step one position", body)
    print("pictures written to", FOLDER / "images")

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slm", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "bin").mkdir()
        (folder / "bin/slm").symlink_to(o.slm.resolve())
        (folder / "data").symlink_to(ROOT / "data")
        environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / "cache"), "SLM_CPU": "plain", "SLM_THREADS": "1"}
        chapters(folder, environment, o.write)
        if o.write: pictures(folder, environment)

if __name__ == "__main__": main()
