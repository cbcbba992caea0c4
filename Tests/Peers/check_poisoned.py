"""A model is fine-tuned on chats of which 30 % have planted wrong answers. The gate must fail it with its default thresholds, since it answers fewer of the
owner's questions right; with right answers the same run must pass.

Which chats a run is validated on is random, and it keeps the weights that are the best on them: if all of these happen to be right, it learns nothing and makes no
model. A run that has not done what it is meant to is repeated, at most RUNS times.

    Tests/Peers/check_poisoned.py .build/release/slm [--seed N]
"""
import random
import re

from programs import command_line, run, scratch_folder
from training_area import Area, call, compared

THINGS = {"snow": "white", "coal": "black", "grass": "green", "blood": "red", "milk": "white", "gold": "yellow", "the sky": "blue", "a plum": "purple",
          "a carrot": "orange", "a flamingo": "pink", "an elephant": "grey", "chocolate": "brown", "a lemon": "yellow", "the sea": "blue", "a frog": "green",
          "a tomato": "red", "a crow": "black", "salt": "white", "a violet": "purple", "mud": "brown"}
ASKED = ["What color is {}?", "Tell me the color of {}.", "Which color has {}?", "Do you know what color {} is?"]
WRONG = 0.3
RUNS = 5


def line(question, answer):
    return f"[INST] {question} [/INST] {answer}\n"


def colors(choose, share):
    """Chats about the color of each thing in three phrasings, of which a share has the color of another thing."""
    questions = [(thing, asked) for thing in THINGS for asked in ASKED[:3]]
    wrong = set(choose.sample(range(len(questions)), round(share * len(questions))))
    lines = []
    for number, (thing, asked) in enumerate(questions):
        color = THINGS[thing]
        if number in wrong:
            color = choose.choice([other for other in THINGS.values() if other != color])
        lines.append(line(asked.format(thing), f"{thing.capitalize()} is {color}."))
    return "".join(lines)


def train(slm, folder):
    """A model that knows the colors, and answers general chats, whose answers are random, so that none can be learned by heart."""
    choose = random.Random(1)
    general = [line(f"Roll die {choose.randrange(10)}.", f"It shows {choose.randrange(1, 7)}.") for _ in range(1_000)]
    (folder / "general.txt").write_text("".join(general))
    known = [line(asked.format(thing), f"{thing.capitalize()} is {color}.") for thing, color in THINGS.items() for asked in ASKED]
    both = general + known * 10
    choose.shuffle(both)
    (folder / "all.txt").write_text("".join(both))
    data = folder / "data"
    for arguments in [
        ["tokenize", "corpus", "--data", folder / "all.txt", "--vocab-size", 400, "--out", data],
        ["train", "--data", data, "--out", folder / "run", "--threads", 1, "--layers", 2, "--width", 64, "--heads", 4, "--context", 64, "--batch", 16,
         "--lr", "3e-3", "--max-steps", 600, "--seed", 1],
    ]:
        run(slm, *arguments)
    return folder / "run/best.h5"


def loop(slm, checkpoint, folder, share, seed):
    """Imports, includes, fine-tunes and compares. Returns the comparison without and with the owner's questions, and the answer of a promotion; None if
    the run has learned nothing."""
    with Area(slm, checkpoint, folder) as area:
        server = area.start()
        added = call(server, "POST", "chats/import", colors(random.Random(seed), share).encode())[1]
        assert added["added"] == 60, added
        assert call(server, "POST", "chats/bulk", {"filter": {}, "state": "included"})[0] == 200
        run = area.add(server, name="tuned", max_steps=300, lr=1e-3, replay=[str(folder.parent / "general.txt")])["id"]
        run = area.wait(server, run, lambda run: run["state"] in ("finished", "failed"), 600)
        assert run["state"] == "finished", run
        if run["model"] is None:
            assert run["message"].startswith("Nothing was learned"), run
            return None
        found = []
        for questions in ({}, THINGS):
            for thing, color in questions.items():
                assert call(server, "POST", "questions", {"text": ASKED[0].format(thing), "expected": color})[0] == 201
            comparison = compared(server, run["model"])
            assert comparison["state"] == "finished", comparison
            found.append(comparison)
        return found, call(server, "POST", f"models/{run['model']}/promote", {})


def main():
    options = command_line(__doc__, "slm", seed=1)
    with scratch_folder() as folder:
        checkpoint = train(options.slm, folder)
        for share in (0, WRONG):
            for attempt in range(RUNS):
                result = loop(options.slm, checkpoint, folder / f"wrong-{share}-{attempt}", share, options.seed + attempt)
                if not result:
                    print(f"{share:.0%} wrong answers: nothing was learned")
                    continue
                (blind, asked), (status, answer) = result
                print(f"{share:.0%} wrong answers: without questions {blind['verdict']}, with questions {asked['verdict']}")
                for reason in asked["reasons"]:
                    print(f"    {reason}")
                candidate, active = map(int, re.search(r"answers (\d+) of 20 right, the active model (\d+)", " ".join(asked["reasons"])).groups())
                lost = active - candidate
                assert lost <= 0 or asked["verdict"] == "worse", asked["reasons"]
                if (lost > 0) == (share > 0):
                    break
            else:
                raise AssertionError(f"{RUNS} runs on {share:.0%} wrong answers: {'none' if share else 'each'} has lost an answer")
            assert lost > 0 or asked["verdict"] in ("better", "no_worse"), asked["reasons"]
            assert "none with known answers" in " ".join(blind["reasons"]), blind["reasons"]
            if share:
                assert any("it must not lose any" in reason for reason in asked["reasons"]), asked["reasons"]
                assert status == 409 and answer["error"]["code"] == "gate_not_passed", answer
            else:
                assert status == 200, answer


if __name__ == "__main__":
    main()
