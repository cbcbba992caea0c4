"""The metrics of Benchmarks/answers.py on tiny examples, its openings, and a run with a tiny model that is its own judge.

    Tests/Peers/check_answers.py .build/release/slm
"""
import json
import pathlib
import sys

from programs import run, scratch_folder
from served import tiny_checkpoint

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "Benchmarks"
sys.path.append(str(BENCHMARKS))
import answers  # noqa: E402


def check_metrics():
    assert answers.words("Don’t stop, it's 5 o'clock!  'Yes.'") == ["don’t", "stop", "it's", "5", "o'clock", "yes"]
    both = [["a", "b", "a"], ["a", "b"]]
    assert answers.distinct(both, 1) == 2 / 5
    # A pair does not have words of two answers.
    assert answers.distinct(both, 2) == 2 / 3
    assert answers.distinct([[], ["a"]], 2) is None
    # Of six 4-grams, "a b c d" and "b c d a" occurred before.
    assert abs(answers.repetition("a b c d a b c d a".split()) - 2 / 6) < 1e-12
    assert answers.repetition("a b c d".split()) == 0
    assert answers.repetition("a b c".split()) is None
    # An answer that is too short for 4-grams does not lower the repetition.
    found = answers.figures([{"text": "a a a a a", "finish_reason": "length"}, {"text": " A, b!", "finish_reason": "stop"},
                             {"text": " \n", "finish_reason": "stop"}])
    assert found == {"words": 7 / 3, "distinct-1": 2 / 7, "distinct-2": 2 / 5, "repetition": 1 / 2, "stopped": 2 / 3, "empty": 1 / 3}, found
    empty = answers.figures([{"text": "", "finish_reason": "stop"}])
    assert empty == {"words": 0, "distinct-1": None, "distinct-2": None, "repetition": None, "stopped": 1, "empty": 1}, empty
    summary = answers.summary([{"words": 1, "repetition": None}, {"words": 4, "repetition": None}])
    assert summary == {"words": {"mean": 2.5, "low": 1, "high": 4}, "repetition": None}, summary
    assert answers.cell(summary["words"], "{:.1f}", True) == "2.5 (1.0–4.0)"
    assert answers.cell(summary["repetition"], "{:.1%}", True) == "-"


def check_openings(folder):
    openings = answers.read_openings(answers.OPENINGS)
    assert len(openings) == len({opening.lower() for opening in openings}) == 200
    assert all(5 <= len(opening.split()) <= 25 for opening in openings), [o for o in openings if not 5 <= len(o.split()) <= 25]
    file = folder / "some.jsonl"
    file.write_text('{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi\\nthere "}]}\n\n')
    assert answers.read_openings(file) == ["Hi\nthere"]
    for bad in ["Hi", "7", '{"text": "Hi"}', '{"messages": [{"role": "user"}]}', '{"messages": [{"role": "user", "content": " "}]}']:
        file.write_text(bad + "\n")
        try:
            answers.read_openings(file)
        except SystemExit as error:
            assert str(error).startswith(f"{file}:1: expected"), error
        else:
            raise AssertionError(f"accepted {bad}")


def new_folder(path):
    path.mkdir()
    return path


def check_run(slm, folder):
    """A model that is its own judge has the judge's figures; another one has other answers."""
    model, other = (tiny_checkpoint(slm, new_folder(folder / f"seed-{seed}"), seed=seed) for seed in (1, 2))
    openings = folder / "openings.jsonl"
    # More than one call.
    messages = ({"role": "user", "content": f"What comes\nafter {i}?"} for i in range(12))
    openings.write_text("".join(json.dumps({"messages": [message]}) + "\n" for message in messages))
    command = [sys.executable, BENCHMARKS / "answers.py", "--slm", slm, "--model", f"same={model}", "--model", f"other={other}",
               "--openings", openings, "--threads", 1, "--max-tokens", 20, "--pairs", 1]
    found = json.loads(run(*command, "--judge", model, "--seeds", "1,2", "--json"))
    judge, same, different = found["models"]
    assert judge | {"name": "same"} == same and same["gap"] == {"mean": 0, "low": 0, "high": 0}, (judge, same)
    assert judge["answers"] == 24 and judge["loss_token"]["low"] < judge["loss_token"]["high"], judge
    assert different["words"] != same["words"] and different["gap"]["mean"] != 0, different
    assert set(found["pairs"][0]["answers"]) == {"judge", "same", "other"} and len(found["pairs"]) == 1, found["pairs"]
    lines = run(*command, "--judge", model, "--no-judge-answers").splitlines()
    assert lines[0].split()[-2:] == ["loss/token", "loss/byte"] and [line.split()[0] for line in lines[1:3]] == ["same", "other"], lines
    assert lines[4] == "**What comes after 0?**" and lines[6].startswith("- same: ") and lines[7].startswith("- other: "), lines


def main():
    check_metrics()
    with scratch_folder() as folder:
        check_openings(folder)
        check_run(pathlib.Path(sys.argv[1]).resolve(), folder)
    print("answers.py: the metrics, the openings, and a model that is its own judge")


main()
