"""The training area in Chromium: people chat and correct answers, an owner reviews, fine-tunes, compares and promotes.

    Tests/Web/demo_training.py .build/release/slm checkpoints/demo/best.h5 [--general data/sample-val.txt] [--steps 1000] [--screenshots FOLDER]

Begins with an empty database and a model: that of `slm demo`, or an open one, such as SmolLM2. Eight people ask about the colors of ten things that the model does not know, and
correct its answers, 40 chats in all, one of them on the page. An owner includes the corrected chats, starts a run, reads the comparison, and
promotes the model. Then the model is asked about the colors in 50 other phrasings. At the end, the owner rolls back, and the old model
answers again. Fails if fewer than 80 % are right, if the old model knew any of them by more than chance, before or after, or if the loss on
the first chats of --general rose by more than 1 %, or without it the loss on text that the old model generates by more than 10 %.
"""
import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "Tests/Peers"))
from served import KEY, PASSWORD, UNLIMITED, Server  # noqa: E402
from stage import click, fill_account, launch, press, show  # noqa: E402
from training_area import processes  # noqa: E402

COLORS = {
    "the school bus": "teal", "our front door": "maroon", "the library roof": "turquoise", "the old boat": "crimson",
    "the new bridge": "indigo", "the garden gate": "olive", "the town clock": "golden", "the market tent": "violet",
    "the fire station": "scarlet", "the train station": "beige",
}
ASKED = ["What colour is {}?", "What color does {} have?", "Do you know what colour {} is?", "Tell me the colour of {}."]
HELD_OUT = ["What is the colour of {}?", "Can you tell me what color {} is?", "Which colour does {} have?", "Please tell me what colour {} has.",
            "What color is {}, please?"]
PEOPLE = 8


def ask(server, method, path, body=None, token=None):
    """Sends a request, as an account or with the admin key. Returns the answer."""
    status, answer = server.ask(method, path, body, token, headers={} if token else KEY)
    assert status < 300, (method, path, status, answer)
    return answer


def first_chats(path, server, count=300):
    """A file with the first chats of another one: a model of 135M parameters reads 1,800 of them in five minutes."""
    part = pathlib.Path(server.folder.name) / "general.txt"
    part.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    return part


def sentence(thing):
    return f"{thing[0].upper()}{thing[1:]} is {COLORS[thing]}."


def right_answers(server, phrasings=HELD_OUT):
    """How many of the 50 phrasings that were never asked get the right color."""
    found = 0
    for thing, color in COLORS.items():
        for phrasing in phrasings:
            body = {"model": "default", "messages": [{"role": "user", "content": phrasing.format(thing)}], "temperature": 0, "max_tokens": 40}
            answer = ask(server, "POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]
            found += color in answer.lower()
    return found


def chat(server, page, shot):
    """40 chats of eight people, each with a corrected answer. The last person corrects on the page."""
    people = [server.account(f"person{n}") for n in range(PEOPLE)]
    questions = [(thing, phrasing) for phrasing in ASKED for thing in COLORS]
    for n, (thing, phrasing) in enumerate(questions):
        person = people[n % PEOPLE]
        start = dict(server.stream("/api/chat", {"message": phrasing.format(thing), "temperature": 0, "max_tokens": 40}, person))["start"]
        conversation, answer = start["conversation_id"], start["answer_id"]
        if n < len(questions) - 1:
            ask(server, "PUT", f"/api/conversations/{conversation}/messages/{answer}/correction", {"content": sentence(thing)}, person)
    sign_in(page, server, f"person{n % PEOPLE}")
    page.goto(f"{server.url}/#/c/{conversation}")
    page.click("[aria-label='Correct answer']")
    page.fill(".correct textarea", sentence(thing))
    shot("correct", page)
    click(page, ".correct .primary", ".corrected >> text=Corrected by you")
    return len(questions)


def walk(server, page, steps, shot):
    """What the owner does on the page. Returns the comparison."""
    page.click("#training-link")
    show(page, server.url + "/#/training/chats?rating=corrected&state=new", "text=40 chats match")
    page.keyboard.press("j")
    press(page, "Enter", shown=".reader")
    shot("review")
    page.keyboard.press("Escape")
    page.check("[aria-label='Select all that are shown']")
    click(page, ".bulk >> text=Include", ".toast >> text=Included: 40 chats.")
    # A toast would cover the next screenshots.
    page.click(".toast [aria-label='Dismiss']")
    show(page, server.url + "/#/training/runs/new", ".estimate >> text=This run fits on this machine.")
    page.fill("#training-area >> internal:label=Name", "colors")
    # Steps, not minutes: the result must not depend on how busy the machine is.
    page.select_option("#training-area >> internal:label=Unit", "max_steps")
    with page.expect_response(lambda response: response.url.endswith("/api/training/estimate")
                              and response.request.post_data_json.get("max_steps") == steps, timeout=300_000):
        page.fill("#training-area >> internal:label=Budget", str(steps))
    page.wait_for_selector(".estimate[aria-busy=false]")
    shot("fine-tune")
    click(page, "button >> text=Start", "h2 >> text=colors")
    page.wait_for_selector("text=The run has finished.", timeout=3_600_000)
    shot("run")
    page.goto(server.url + "/#/training/compare")
    page.click(".card >> text=colors")
    page.wait_for_selector(".verdict", timeout=1_800_000)
    print(page.inner_text(".verdict"))
    shot("compare")
    identifier = page.url.split("/")[-1]
    click(page, "text=Promote…", "dialog >> text=The gate passed")
    shot("promote")
    click(page, "dialog .primary", ".area-head .pill >> text=Active")
    show(page, server.url + "/#/training/models", ".card.active >> text=colors")
    page.wait_for_selector("text=This server does not serve it yet", state="detached", timeout=60_000)
    shot("models")
    return identifier


def roll_back(server, page, shot):
    """Makes the model before active again."""
    page.goto(server.url + "/#/training/models")
    click(page, ".area-head >> text=Roll back to", ".toast >> text=is active again.")
    click(page, ".toast [aria-label='Dismiss']", ".card.archived >> text=colors")
    page.wait_for_selector("text=This server does not serve it yet", state="detached", timeout=60_000)
    shot("rollback")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("slm")
    arguments.add_argument("checkpoint")
    arguments.add_argument("--screenshots", type=pathlib.Path)
    arguments.add_argument("--steps", type=int, default=1000)
    arguments.add_argument("--general", type=pathlib.Path)
    options = arguments.parse_args()
    start = time.monotonic()
    with Server(options.slm, options.checkpoint, "--use-chats", *UNLIMITED) as server, sync_playwright() as playwright, no_runs_left(server):
        browser = launch(playwright)

        def open_page():
            page = browser.new_page(viewport={"width": 1180, "height": 780})
            page.set_default_timeout(30_000)
            return page

        page, other = open_page(), open_page()

        def shot(name, page=page):
            if options.screenshots:
                options.screenshots.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=options.screenshots / f"training-area-{name}.png")

        before = right_answers(server)
        chats = chat(server, other, shot)
        other.close()
        print(f"{chats} chats of {PEOPLE} people; the model knows {before} of 50 colors")
        owner = server.account("owner")
        user = ask(server, "GET", "/api/admin/users?search=owner")["users"][0]
        ask(server, "PUT", f"/api/admin/users/{user['id']}/role", {"role": "owner"})
        assert ask(server, "GET", "/api/me", token=owner)["role"] == "owner"
        for thing in COLORS:
            ask(server, "POST", "/api/training/questions", {"text": HELD_OUT[0].format(thing), "expected": COLORS[thing]}, owner)
        general = {"general": [str(first_chats(options.general, server))]} if options.general else {}
        ask(server, "PUT", "/api/training/gate", {"min_right_answers": 0.8, **general}, owner)
        sign_in(page, server, "owner")
        page.wait_for_selector("#training-link")
        model = walk(server, page, options.steps, shot)
        comparison = ask(server, "GET", f"/api/training/models/{model}", token=owner)["comparison"]
        comparison = ask(server, "GET", f"/api/training/comparisons/{comparison}", token=owner)
        after = right_answers(server)
        remembered = "the general chats" if options.general else "text that the old model generates"
        rise = comparison["replay" if options.general else "own_text"]["rise"]
        roll_back(server, page, shot)
        back = right_answers(server, HELD_OUT[:1])
        browser.close()
    minutes = (time.monotonic() - start) / 60
    print(f"the promoted model knows {after} of 50 colors; the loss on {remembered} rose by {100 * rise:.2f} %; "
          f"after the roll-back, {back} of 10 answers are right; {minutes:.1f} minutes")
    assert before <= 5, before
    assert after >= 40, after
    assert rise <= (0.01 if options.general else 0.1), rise
    assert back <= 2, back


@contextlib.contextmanager
def no_runs_left(server):
    """Ends a run when the walk fails: it would survive the server."""
    try:
        yield
    finally:
        server.terminate()
        for process in processes(pathlib.Path(server.folder.name)):
            os.kill(process, signal.SIGKILL)


def sign_in(page, server, name):
    """Signs a person in on the page."""
    page.goto(server.url + "/#/login")
    fill_account(page, name, PASSWORD)
    page.wait_for_selector("#user:not([hidden])", state="attached")


main()
