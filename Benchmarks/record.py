"""Stores what the benchmarks measured, in one JSON file per machine. `tables.py` draws the tables of Documentation/Performance/Machines.md from these files.

A file has the machine and a list of comparisons. A comparison is one kind of work, measured with slm and with another program in alternating rounds:

    {"benchmark": "train.py", "work": "training step, eugpt", "variant": "bf16", "unit": "tokens/s", "slm": [4183.1, 3624.0, 4261.5],
     "peer": "PyTorch 2.13.0, compiled", "theirs": [2374.0, 2357.2, 2378.4], "date": "2026-11-21", "version": "0.1.0 (ec23682)"}

`slm` and `theirs` have one value per round. A new comparison replaces the older one of the same benchmark, work, variant and peer.
"""
import datetime
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLM = ROOT / ".build/release/slm"
RESULTS = ROOT / "Documentation/Performance/results"
KEY = ("benchmark", "work", "variant", "peer")
# Names of the cores of servers whose CPU name does not tell: (vendor, family, models).
MICROARCHITECTURES = [
    ("AuthenticAMD", 25, range(0x10, 0x20), "Zen 4"), ("AuthenticAMD", 25, range(0xA0, 0xB0), "Zen 4c"), ("AuthenticAMD", 25, range(0x00, 0x10), "Zen 3"),
    ("AuthenticAMD", 26, range(0x00, 0x20), "Zen 5"), ("AuthenticAMD", 23, range(0x30, 0x40), "Zen 2"),
    ("GenuineIntel", 6, [143], "Sapphire Rapids"), ("GenuineIntel", 6, [207], "Emerald Rapids"), ("GenuineIntel", 6, [106, 108], "Ice Lake"),
    ("GenuineIntel", 6, [85], "Skylake or Cascade Lake"), ("GenuineIntel", 6, [173, 174], "Granite Rapids"),
]


def one_round(runs, i):
    """The runs of a round by name, in every second round backwards: where a machine slows down under load, the first of two runs is faster."""
    return list(runs.items())[::-1 if i % 2 else 1]


def alternating(runs, rounds):
    """The runs of all rounds by name."""
    return [named for i in range(rounds) for named in one_round(runs, i)]


def microarchitecture(vendor, family, model):
    return next((name for v, f, models, name in MICROARCHITECTURES if (v, f) == (vendor, family) and model in models), None)


def json_lines(command):
    """Runs a command and returns the JSON objects of its output, one per line."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: {result.stderr}")
    # splitlines() would also split at the line separators of Unicode, which a text in JSON can have.
    return [json.loads(line) for line in result.stdout.split("\n") if line.startswith("{")]


def last_line(command):
    return json_lines(command)[-1]


def slm_info():
    return last_line([SLM, "info", "--json"])


def machine(info):
    """The CPU as /proc/cpuinfo and `slm info` describe it."""
    fields = dict(re.findall(r"^(vendor_id|cpu family|model)\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    family, model = int(fields.get("cpu family", 0)), int(fields.get("model", 0))
    return {"cpu": re.sub(r" \(family.*", "", info["cpu"]), "microarchitecture": microarchitecture(fields.get("vendor_id"), family, model), "family": family, "model": model,
            "cores": info["cores"], "features": info["features"], "memory_mb": info["memory_mb"]}


def file_name(machine):
    words = [machine["cpu"], machine["microarchitecture"] or f"{machine['family']} {machine['model']}", f"{machine['cores']} cores"]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-") + ".json"


def version(number):
    """The version with the commit, where there is one."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"{number} ({commit})" if commit else number


def comparison(work, variant, unit, slm, peer, theirs):
    return {"work": work, "variant": variant, "unit": unit, "slm": slm, "peer": peer, "theirs": theirs}


def merge(stored, benchmark, comparisons, date, version):
    """Adds comparisons to those of a file, in place of older ones of the same work."""
    new = [dict(benchmark=benchmark, **each, date=date, version=version) for each in comparisons]
    replaced = {tuple(each[key] for key in KEY) for each in new}
    return sorted([each for each in stored if tuple(each[key] for key in KEY) not in replaced] + new, key=lambda each: tuple(each[key] for key in KEY))


def rounded(value):
    return float(f"{value:.4g}")


def save(benchmark, comparisons, folder=RESULTS):
    info = slm_info()
    here = machine(info)
    path = pathlib.Path(folder) / file_name(here)
    stored = json.loads(path.read_text())["comparisons"] if path.exists() else []
    comparisons = [dict(each, slm=[rounded(v) for v in each["slm"]], theirs=[rounded(v) for v in each["theirs"]]) for each in comparisons if each["slm"] and each["theirs"]]
    merged = merge(stored, benchmark, comparisons, datetime.date.today().isoformat(), version(info["version"]))
    lines = ",\n    ".join(json.dumps(each, ensure_ascii=False) for each in merged)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "machine": {json.dumps(here)},\n  "comparisons": [\n    {lines}\n  ]\n}}\n')
    print(f"{len(comparisons)} comparisons stored in {path}", flush=True)
