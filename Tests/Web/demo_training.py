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
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

from playwright.sync_api import sync_playwright

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "Tests/Peers"))
from check_training_runs import processes  # noqa: E402
from served import ADMIN_KEY, PASSWORD, UNLIMITED, Server  # noqa: E402
from stage import fill_account, launch  # noqa: E402

COLORS = {
    "the school bus": "teal", "our front door": "maroon", "the library roof": "turquoise", "the old boat": "crimson",
    "the new bridge": "indigo", "the garden gate": "olive", "the town clock": "golden", "the market tent": "violet",
    "the fire station": "scarlet", "the train station": "beige",
}
ASKED = ["What colour is {}?", "What color does {} have?", "Do you know what colour {} is?", "Tell me the colour of {}."]
HELD_OUT = ["What is the colour of {}?", "Can you tell me what color {} is?", "Which colour does {} have?", "Please tell me what colour {} has.",
            "What color is {}, please?"]
PEOPLE = 8


class Client:
    """Sends JSON requests, as an account or with the admin key."""

    def __init__(self, url, token=None):
        self.url = url
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {"X-Admin-Key": ADMIN_KEY})}

    def send(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), self.headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read().decode()

    def json(self, method, path, body=None):
        return json.loads(self.send(method, path, body) or "null")

    def ask(self, question):
        """Asks in a conversation of its own. Returns the ids of the conversation and of the answer."""
        text = self.send("POST", "/api/chat", {"message": question, "temperature": 0, "max_tokens": 40})
        start = json.loads(text.split("event: start\ndata: ", 1)[1].split("\n", 1)[0])
        return start["conversation_id"], start["answer_id"]


def register(server, name):
    body = json.dumps({"username": name, "password": PASSWORD}).encode()
    request = urllib.request.Request(server.url + "/api/auth/register", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return Client(server.url, json.loads(answer.read())["access_token"])


def first_chats(path, server, count=300):
    """A file with the first chats of another one: a model of 135M parameters reads 1,800 of them in five minutes."""
    part = pathlib.Path(server.folder.name) / "general.txt"
    part.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))
    return part


def sentence(thing):
    return f"{thing[0].upper()}{thing[1:]} is {COLORS[thing]}."


def right_answers(admin, phrasings=HELD_OUT):
    """How many of the 50 phrasings that were never asked get the right color."""
    found = 0
    for thing, color in COLORS.items():
        for phrasing in phrasings:
            body = {"model": "default", "messages": [{"role": "user", "content": phrasing.format(thing)}], "temperature": 0, "max_tokens": 40}
            answer = admin.json("POST", "/v1/chat/completions", body)["choices"][0]["message"]["content"]
            found += color in answer.lower()
    return found


def chat(server, page, shot):
    """40 chats of eight people, each with a corrected answer. The last person corrects on the page."""
    people = [register(server, f"person{n}") for n in range(PEOPLE)]
    questions = [(thing, phrasing) for phrasing in ASKED for thing in COLORS]
    for n, (thing, phrasing) in enumerate(questions):
        person = people[n % PEOPLE]
        conversation, answer = person.ask(phrasing.format(thing))
        if n < len(questions) - 1:
            person.send("PUT", f"/api/conversations/{conversation}/messages/{answer}/correction", {"content": sentence(thing)})
    sign_in(page, server, f"person{n % PEOPLE}")
    page.goto(f"{server.url}/#/c/{conversation}")
    page.click("[aria-label='Correct answer']")
    page.fill(".correct textarea", sentence(thing))
    shot("correct", page)
    page.click(".correct .primary")
    page.wait_for_selector(".corrected >> text=Corrected by you")
    return len(questions)


def walk(server, page, steps, shot):
    """What the owner does on the page. Returns the comparison."""
    page.click("#training-link")
    page.goto(server.url + "/#/training/chats?rating=corrected&state=new")
    page.wait_for_selector("text=40 chats match")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".reader")
    shot("review")
    page.keyboard.press("Escape")
    page.check("[aria-label='Select all that are shown']")
    page.click(".bulk >> text=Include")
    page.wait_for_selector(".toast >> text=Included: 40 chats.")
    # A toast would cover the next screenshots.
    page.click(".toast [aria-label='Dismiss']")
    page.goto(server.url + "/#/training/runs/new")
    page.wait_for_selector(".estimate >> text=This run fits on this machine.")
    page.fill("#training-area >> internal:label=Name", "colors")
    # Steps, not minutes: the result must not depend on how busy the machine is.
    page.select_option("#training-area >> internal:label=Unit", "max_steps")
    with page.expect_response(lambda response: response.url.endswith("/api/training/estimate")
                              and response.request.post_data_json.get("max_steps") == steps, timeout=300_000):
        page.fill("#training-area >> internal:label=Budget", str(steps))
    page.wait_for_selector(".estimate[aria-busy=false]")
    shot("fine-tune")
    page.click("button >> text=Start")
    page.wait_for_selector("h2 >> text=colors")
    page.wait_for_selector("text=The run has finished.", timeout=3_600_000)
    shot("run")
    page.goto(server.url + "/#/training/compare")
    page.click(".card >> text=colors")
    page.wait_for_selector(".verdict", timeout=1_800_000)
    print(page.inner_text(".verdict"))
    shot("compare")
    identifier = page.url.split("/")[-1]
    page.click("text=Promote…")
    page.wait_for_selector("dialog >> text=The gate passed")
    shot("promote")
    page.click("dialog .primary")
    page.wait_for_selector(".area-head .pill >> text=Active")
    page.goto(server.url + "/#/training/models")
    page.wait_for_selector(".card.active >> text=colors")
    page.wait_for_selector("text=This server does not serve it yet", state="detached", timeout=60_000)
    shot("models")
    return identifier


def roll_back(server, page, shot):
    """Makes the model before active again."""
    page.goto(server.url + "/#/training/models")
    page.click(".area-head >> text=Roll back to")
    page.wait_for_selector(".toast >> text=is active again.")
    page.click(".toast [aria-label='Dismiss']")
    page.wait_for_selector(".card.archived >> text=colors")
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
        admin = Client(server.url)
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

        before = right_answers(admin)
        chats = chat(server, other, shot)
        other.close()
        print(f"{chats} chats of {PEOPLE} people; the model knows {before} of 50 colors")
        owner = register(server, "owner")
        user = admin.json("GET", "/api/admin/users?search=owner")["users"][0]
        admin.send("PUT", f"/api/admin/users/{user['id']}/role", {"role": "owner"})
        assert owner.json("GET", "/api/me")["role"] == "owner"
        for thing in COLORS:
            owner.send("POST", "/api/training/questions", {"text": HELD_OUT[0].format(thing), "expected": COLORS[thing]})
        general = {"general": [str(first_chats(options.general, server))]} if options.general else {}
        owner.send("PUT", "/api/training/gate", {"min_right_answers": 0.8, **general})
        sign_in(page, server, "owner")
        page.wait_for_selector("#training-link")
        model = walk(server, page, options.steps, shot)
        comparison = owner.json("GET", f"/api/training/comparisons/{owner.json('GET', f'/api/training/models/{model}')['comparison']}")
        after = right_answers(admin)
        remembered = "the general chats" if options.general else "text that the old model generates"
        rise = comparison["replay" if options.general else "own_text"]["rise"]
        roll_back(server, page, shot)
        back = right_answers(admin, HELD_OUT[:1])
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
