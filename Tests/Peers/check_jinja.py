"""Chat templates: slm's interpreter of Jinja gives what Python's jinja2 gives with the settings of transformers.

    python check_jinja.py RENDER [FOLDER]

RENDER is the test program JinjaRender. Renders the templates of Tests/Golden/jinja.py, which use every feature, and all *.jinja files of
FOLDER, each with many conversations. Text and errors must be equal, byte for byte.
"""
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "Golden"))
import jinja  # noqa: E402  (Tests/Golden/jinja.py)


def main():
    program, folder = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    cases = list(jinja.cases())
    if folder:
        for path in sorted(pathlib.Path(folder).glob("*.jinja")):
            source = path.read_text()
            for name, variables in jinja.conversations():
                cases.append((f"{path.stem}, {name}", source, variables))
    lines = [json.dumps({"template": source, "variables": variables}, ensure_ascii=False) for _, source, variables in cases]
    run = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.split("\n")[:-1]]
    assert len(answers) == len(cases), f"{len(answers)} answers for {len(cases)} cases: {run.stderr}"
    failures = raised = 0
    for (name, source, variables), answer in zip(cases, answers):
        expected = jinja.rendered(source, variables)
        raised += "error" in expected
        if all(answer.get(key) == expected.get(key) for key in ("text", "error")):
            continue
        failures += 1
        if failures <= 20:
            print(f"{name}\n  jinja2: {json.dumps(expected)[-600:]}\n  slm:    {json.dumps(answer)[-600:]}")
    print(f"{len(cases)} renderings, {raised} of them errors, {failures} different")
    sys.exit(1 if failures else 0)


main()
