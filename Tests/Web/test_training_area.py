"""Tests of the training area of owners: chats, runs, comparisons, models, schedule. The routes are those of mock_training.py."""
import json
import os
import random
import urllib.request

import hostile
import mock_server
import mock_training
import mock_values
from stage import BASE_URL, ask, click, downloaded, enter, eventually, overflow, press, reload, scripted, show
from test_safety import CONTROLS, check_axe

ROWS = ".chat-rows li[data-id]"
FILES = sorted(path.name for path in (mock_server.WEB / "training").iterdir())


def as_owner(stage, hash="#/training/chats", selector=ROWS, **window):
    """Opens the area as an owner, and waits for what a selector finds."""
    page = stage.open(**window)
    name = stage.register(page)
    stage.world.owners.add(name)
    page.goto(stage.url + "/" + hash)
    reload(page, selector)
    return page


def make_owner(name):
    """Gives an account of a running `slm serve` the role of an owner, with the admin key."""
    def request(method, path, body=None):
        headers = {"X-Admin-Key": os.environ["ADMIN_API_KEY"], "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(BASE_URL + path, body and json.dumps(body).encode(), headers, method=method)) as answer:
            return json.loads(answer.read() or "null")
    user = next(user for user in request("GET", f"/api/admin/users?search={name}")["users"] if user["username"] == name)
    request("PUT", f"/api/admin/users/{user['id']}/role", {"role": "owner"})


def focused(page):
    return page.evaluate("document.activeElement?.ariaLabel ?? document.activeElement?.textContent ?? ''")


def changes(stage, path):
    return [(method, body) for method, where, body in stage.world.area.changes if where == "/api/training/" + path]


def state(stage, id):
    return stage.world.area.chats[id]["state"]


@scripted
def test_area_is_for_owners(stage):
    page = stage.open()
    name = stage.register(page)
    page.wait_for_load_state("networkidle")
    assert page.is_hidden("#training-link")
    # Its files are loaded when it is opened, not before.
    loaded = "performance.getEntriesByType('resource').map((e) => e.name.split('/web/')[1]).filter((n) => n?.startsWith('training-'))"
    assert page.evaluate(loaded) == []
    stage.allowed.append("403")
    show(page, stage.url + "/#/training/models", "text=This needs the account of an owner.")
    assert focused(page) == "Only owners can open this page"
    check_axe(page, "not an owner")
    stage.world.owners.add(name)
    page.goto(stage.url + "/#/")
    page.reload()
    page.click("#training-link")
    page.wait_for_url("**/#/training/chats")
    page.wait_for_selector(ROWS)
    assert page.title() == "Training: Chats · slm" and page.get_attribute("#training-link", "aria-current") == "page"
    # Deep links, reload and the back button keep the section.
    for section, title in (("runs", "Runs"), ("compare", "Compare"), ("models", "Models"), ("schedule", "Schedule"), ("history", "History")):
        click(page, f".area-tabs >> text={title}", f".area-body h2 >> text={title}")
        eventually(lambda: focused(page) == title)
    reload(page, ".area-body h2 >> text=History")
    page.go_back()
    page.wait_for_selector(".area-body h2 >> text=Schedule")
    page.go_back()
    page.wait_for_selector(".area-body h2 >> text=Models")
    assert page.locator(".area-tabs [aria-current]").all_inner_texts() == ["Models"]
    show(page, stage.url + "/#training/runs", ".area-body h2 >> text=Runs")
    # The chat page returns unchanged, and an answer that begins and ends meanwhile takes neither title nor address.
    click(page, "#new-chat", "#welcome")
    stage.world.faults.append(("POST", "/api/chat", {"sleep": 1}))
    ask(page, "Hello", shown=".streaming")
    show(page, stage.url + "/#/training/models", ".area-body h2 >> text=Models")
    eventually(lambda: page.inner_text("#announcer").startswith("Answer:"))
    assert page.inner_text("#title") == "Training: Models" and page.url.endswith("#/training/models") and page.is_hidden("#export")
    # Deleting that chat does not leave the area.
    page.focus("#conversations a")
    press(page, "Delete", shown=".toast >> text=was deleted")
    assert page.url.endswith("#/training/models") and page.is_visible(".area-body h2 >> text=Models")
    # The skip link goes to the content and keeps the address.
    page.focus("#skip")
    page.keyboard.press("Enter")
    assert focused(page) == "Models" and page.url.endswith("#/training/models")
    # The role is taken away while the area is open.
    stage.world.owners.clear()
    click(page, ".area-tabs >> text=Schedule", "text=Only owners can open this page")
    assert page.is_hidden("#training-link")
    page.click("text=To the chats")
    page.click("#log-out")
    show(page, stage.url + "/#/training/chats", "#account-error >> text=Log in as an owner")


def test_area_files(stage):
    """The area has no way to insert HTML, and stays small."""
    page = stage.open()
    forbidden = (".innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", 'setAttribute("style"')
    total = 0
    for name in FILES:
        text, size = page.evaluate("""async (name) => { const r = await fetch('/web/training/' + name); const text = await r.text();
            return [text, performance.getEntriesByName(r.url)[0].encodedBodySize]; }""", name)
        total += size
        assert not any(word in text for word in forbidden), name
    assert len(FILES) > 10 and 10_000 < total < 60_000, total
    print(f"    {total:,} bytes in {len(FILES)} files")


@scripted
def test_chats_list_and_filters(stage):
    page = as_owner(stage)
    assert page.locator(ROWS).count() == 50 and page.locator(".segments button").all_inner_texts()[:2] == ["All 120", "New 120"]
    assert page.locator(".held-out").count() == 0, "chats are held out of those that are included"
    # The rest is loaded while scrolling.
    page.locator(ROWS).last.scroll_into_view_if_needed()
    page.wait_for_selector(f"{ROWS} >> nth=99")
    page.locator(ROWS).last.scroll_into_view_if_needed()
    page.wait_for_selector(f"{ROWS} >> nth=119")
    assert page.is_hidden(".more-rows")
    page.fill("[type=search][aria-label='Search in chats']", "Question 17.0")
    page.wait_for_selector("text=1 chat matches")
    assert page.locator(ROWS).count() == 1 and "q=Question+17.0" in page.url
    page.fill("[type=search][aria-label='Search in chats']", "nothing at all")
    page.wait_for_selector("text=No chat matches")
    click(page, "text=Remove all filters", "text=120 chats")
    page.click("button >> text=Filters")
    page.select_option("#chat-filters >> internal:label=Rating", "bad")
    page.wait_for_selector("text=30 chats match")
    page.select_option("#chat-filters >> internal:label=Marked as", "personal")
    page.wait_for_selector("text=4 chats match")
    assert page.locator(".filter-chip").all_inner_texts() == ["Rating: Has a bad answer", "Marked as: Personal data"]
    reload(page, "text=4 chats match")
    click(page, ".filter-chip >> nth=1", "text=30 chats match")
    page.select_option("[aria-label=Order]", "oldest")
    page.wait_for_selector(f"{ROWS} >> nth=0 >> text=Chat 117")
    page.click("button >> text=Filters")
    length = sorted(chat["characters"] for chat in stage.world.area.chats.values() if chat["bad"])[9]
    fewer = sum(bool(chat["bad"]) and chat["characters"] <= length for chat in stage.world.area.chats.values())
    page.fill("#chat-filters >> internal:label=Characters, at most", str(length))
    page.press("#chat-filters >> internal:label=Characters, at most", "Tab")
    page.wait_for_selector(f"text={fewer} chats match")
    assert page.locator(".filter-chip").all_inner_texts()[-1] == f"Characters, at most: {length}" and f"max_characters={length}" in page.url
    click(page, ".filter-chip >> nth=1", "text=30 chats match")
    page.fill("#chat-filters >> internal:label=Last day", "2020-01-01")
    page.wait_for_selector("text=No chat matches")
    page.fill("#chat-filters >> internal:label=Last day", "")
    page.press("#chat-filters >> internal:label=Last day", "Tab")
    page.wait_for_selector("text=30 chats match")
    click(page, ".segments >> text=Excluded", "text=No chat matches")
    # An error is the server's sentence, with a button that tries again.
    stage.allowed.append("500")
    stage.world.faults.append(("GET", "/api/training/chats", {"status": 500, "message": "The database is busy."}))
    reload(page, ".load-error >> text=The database is busy.")
    click(page, "text=Try again", "text=No chat matches")
    stage.world.area.chats.clear()
    show(page, stage.url + "/#/training/chats", "text=No chats yet")


@scripted
def test_rows_stay_when_states_change(stage):
    """A row that moves between a mouse button's press and its release loses the click."""
    page = as_owner(stage)
    page.evaluate("""() => {
      const list = document.querySelector(".chat-rows"), height = () => Math.round(list.getBoundingClientRect().height);
      window.heights = new Set([height()]);
      new MutationObserver(() => window.heights.add(height())).observe(list, { childList: true, subtree: true });
    }""")
    for row in (4, 5, 6):
        page.check(f"{ROWS} >> nth={row} >> input")
    for key, shown in (("i", "Included"), ("e", "Excluded"), ("n", "New")):
        press(page, key, shown=f"{ROWS} >> nth=6 >> .pill >> text={shown}")
        assert focused(page) == "Select Chat 6 about " + stage.world.area.chats["c6"]["title"].split()[-1]
    assert page.evaluate("window.heights.size") == 1, page.evaluate("[...window.heights]")


@scripted
def test_review_with_the_keyboard(stage):
    page = as_owner(stage)
    press = page.keyboard.press
    press("j")
    assert focused(page).startswith("Chat 0")
    press("j")
    press("Enter")
    page.wait_for_selector(".reader h3 >> text=Chat 1 about")
    assert "/training/chats/c1" in page.url
    press("i")
    eventually(lambda: state(stage, "c1") == "included")
    # The next chat is shown, so that a list is worked through with one key for each.
    page.wait_for_selector(".reader h3 >> text=Chat 2 about")
    press("e")
    eventually(lambda: state(stage, "c2") == "excluded")
    page.wait_for_selector(".reader h3 >> text=Chat 3 about")
    page.wait_for_selector(".segments button >> text=Included 1")
    page.wait_for_selector(".held-out >> text=held out")
    page.click(".toast >> text=Undo")
    eventually(lambda: state(stage, "c2") == "new")
    press("Escape")
    page.wait_for_selector(".reader-empty", state="attached")
    assert page.url.endswith("#/training/chats")
    # Selection: x, Shift with j and k, Shift with a click.
    page.focus(f"{ROWS} >> nth=4 >> a")
    press("x")
    press("Shift+J")
    press("Shift+ArrowDown")
    page.wait_for_selector(".bulk >> text=3 selected")
    press("i")
    eventually(lambda: [state(stage, f"c{n}") for n in (3, 4, 5, 6, 7)] == ["new", "included", "included", "included", "new"])
    assert changes(stage, "chats/bulk")[-1] == ("POST", {"ids": ["c4", "c5", "c6"], "state": "included"})
    press("Escape")
    page.wait_for_selector(".bulk >> text=Select all")
    page.check(f"{ROWS} >> nth=8 >> input")
    page.click(f"{ROWS} >> nth=11 >> input", modifiers=["Shift"])
    page.wait_for_selector(".bulk >> text=4 selected")
    press("t")
    page.wait_for_selector("dialog >> text=Tags of 4 chats")
    page.keyboard.type("sky, blue")
    page.check("dialog >> internal:label=colors")
    press("Enter")
    eventually(lambda: changes(stage, "chats/bulk")[-1][1].get("add_tags") == ["sky", "blue"])
    assert changes(stage, "chats/bulk")[-1][1]["remove_tags"] == ["colors"]
    page.wait_for_selector(f"{ROWS} >> nth=9 >> text=sky")
    press("/")
    eventually(lambda: focused(page) == "Search in chats")
    page.keyboard.type("e")
    assert page.input_value("[aria-label='Search in chats']") == "e", "a shortcut is a letter in a text box"
    page.wait_for_url("**q=e")
    press("Escape")
    press("?")
    page.wait_for_selector("dialog[open] >> text=Mark as new")
    press("Escape")
    page.click("#open-settings")
    page.uncheck("#single-keys")
    page.click("#settings .primary")
    before = len(stage.world.area.changes)
    page.focus(f"{ROWS} >> nth=0 >> a")
    press("e")
    page.wait_for_timeout(200)
    assert len(stage.world.area.changes) == before


@scripted
def test_include_all_that_match(stage):
    page = as_owner(stage, "#/training/chats?rating=good", "text=30 chats match")
    show(page, stage.url + "/#/training/chats", "text=120 chats")
    page.check("[aria-label='Select all that are shown']")
    page.wait_for_selector(".bulk >> text=50 selected")
    page.click("text=Select all 120 that match")
    click(page, "text=Include all 120 that match", "dialog >> text=Include 120 chats?")
    page.keyboard.press("Escape")
    assert not changes(stage, "chats/bulk") and focused(page) == "Include all 120 that match"
    page.click("text=Include all 120 that match")
    click(page, "dialog .primary", ".toast >> text=Changed 120 chats")
    assert changes(stage, "chats/bulk") == [("POST", {"filter": {}, "state": "included"})]
    page.goto(stage.url + "/#/training/chats?tag=colors&min_turns=2&from=2020-01-01")
    # The rows of the list before stay until then.
    page.wait_for_selector("text=/[0-9]+ chats? match/")
    rows = page.locator(ROWS).count()
    page.check("[aria-label='Select all that are shown']")
    page.click(".bulk >> text=Exclude")
    eventually(lambda: len(changes(stage, "chats/bulk")) == 2)
    assert len(changes(stage, "chats/bulk")[1][1]["ids"]) == rows
    # Lower bounds, as for a text that many chats contain.
    show(page, stage.url + "/#/training/chats?q=about", "text=120+ chats match")
    page.check("[aria-label='Select all that are shown']")
    page.click("text=Select all 120+ that match")
    click(page, "text=Exclude all 120+ that match", "dialog >> text=Exclude 120+ chats?")
    page.keyboard.press("Escape")


@scripted
def test_read_and_correct(stage):
    page = as_owner(stage, "#/training/chats/c1", ".reader-message")
    chat = stage.world.area.chats["c1"]
    answer = chat["messages"][1]
    # The person's correction beside the original, and what is trained on.
    assert page.locator(".version.used .version-label").all_inner_texts() == ["Corrected by the person"]
    assert answer["content"] in page.inner_text(".reader") and answer["correction"] in page.inner_text(".reader")
    page.click(".correction-host button >> nth=0")
    assert page.input_value(".correct textarea") == answer["correction"]
    page.fill(".correct textarea", "The owner's <b>answer</b>.")
    press(page, "Control+Enter", shown=".version.used >> text=The owner's <b>answer</b>.")
    assert answer["owner_correction"] == "The owner's <b>answer</b>." and answer["content"] not in answer["owner_correction"]
    eventually(lambda: focused(page) == "Change the correction")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    eventually(lambda: focused(page) == "Change the correction")
    assert "/c1" in page.url, "Escape in the correction does not close the chat"
    page.click("text=Change the correction")
    click(page, "text=Remove correction", ".version.used >> text=Corrected by the person")
    assert answer["owner_correction"] is None
    stage.allowed.append("500")
    stage.world.faults.append(("PUT", "/api/training/chats", {"status": 500, "message": "Not written."}))
    page.keyboard.press("c")
    page.fill(".correct textarea", "Kept after an error")
    click(page, ".correct .primary", ".toast >> text=Not written.")
    assert page.input_value(".correct textarea") == "Kept after an error"
    page.keyboard.press("Escape")
    # Tags.
    enter(page, "[aria-label='Add a tag']", "poems", ".reader .tag >> text=poems")
    assert chat["tags"] == ["poems"] and focused(page) == "Add a tag"
    page.click("[aria-label='Remove the tag poems']")
    page.wait_for_selector(".reader .tag", state="detached")
    page.click(".reader .segments >> text=Include")
    eventually(lambda: chat["state"] == "included")
    page.wait_for_selector(".reader .segments [aria-pressed=true] >> text=Include")
    # Personal data, alternatives, duplicates, held out.
    show(page, stage.url + "/#/training/chats/c3", "mark")
    assert page.locator("mark").inner_text().startswith("ada@example.org") and "email address" in page.inner_text(".area-note")
    page.goto(stage.url + "/#/training/chats/c2")
    page.click(".reader-alternatives summary >> nth=0")
    assert stage.world.area.chats["c2"]["messages"][1]["alternatives"][0]["content"] in page.inner_text(".reader-alternatives >> nth=0")
    page.goto(stage.url + "/#/training/chats/c4")
    click(page, "text=Show the first one", ".reader h3 >> text=Chat 1 about")
    show(page, stage.url + "/#/training/chats/c9", "text=Held out: this chat compares models")
    stage.allowed.append("404")
    show(page, stage.url + "/#/training/chats/c999", ".load-error >> text=There is no such thing.")


@scripted
def test_import_and_export(stage):
    page = as_owner(stage)
    page.click("[aria-label='Import and export']")
    page.click("role=menuitem >> nth=0")
    lines = "".join(json.dumps({"messages": [n]}) + "\n" for n in range(3)) + "<b>not JSON</b>\n"
    page.set_input_files("#import-file", {"name": "chats.jsonl", "mimeType": "text/plain", "buffer": lines.encode()})
    page.select_option("dialog >> internal:label=Format", "messages")
    click(page, "dialog .primary", "dialog >> text=3 chats added, 1 line skipped.")
    page.wait_for_selector("dialog >> text=Line 4: expected a JSON object.")
    assert stage.world.area.imported == [("messages", len(lines))]
    before = len(stage.world.area.chats)
    click(page, "dialog >> text=Undo the import", "dialog >> text=3 chats deleted.")
    assert len(stage.world.area.chats) == before - 3
    page.keyboard.press("Escape")
    # A large file is sent in parts that end with a line; the numbers of lines count in the file.
    line = json.dumps({"messages": ["x" * 200]}) + "\n"
    big = line * 25 + "wrong\n"
    found = page.evaluate("""async (text) => {
        const { send } = await import('/web/training/import.js');
        const { API } = await import('/web/common/api.js'), { Session } = await import('/web/common/session.js');
        return send(new API(new Session()), new File([text], 'big.jsonl'), 'detected', () => {}, 4000); }""", big)
    assert found == {"import": "import1", "added": 25, "duplicates": 0, "skipped": 1, "errors": [{"line": 26, "message": "expected a JSON object."}]}, found
    sizes = [size for _, size in stage.world.area.imported[1:]]
    assert len(sizes) == 2 and sum(sizes) == len(big) and sizes[0] % len(line) == 0, sizes
    # A dropped file opens the dialog.
    page.evaluate("""() => { const data = new DataTransfer(); data.items.add(new File(['{}\\n'], 'dropped.jsonl'));
        document.querySelector('.chats').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })); }""")
    page.wait_for_selector("dialog >> text=dropped.jsonl")
    stage.allowed.append("413")
    stage.world.faults.append(("POST", "/api/training/chats/import", {"status": 413, "message": "The file is larger than 8 MB."}))
    click(page, "dialog .primary", "dialog >> text=The file is larger than 8 MB.")
    page.keyboard.press("Escape")
    page.click(".segments >> text=New")
    page.click("[aria-label='Import and export']")
    download = downloaded(page, "role=menuitem >> text=Export preference pairs")
    assert download.suggested_filename == "slm-pairs.jsonl"
    exported = download.path().read_text().splitlines()
    assert len(exported) == len(stage.world.area.chats) and json.loads(exported[0])["format"] == "pairs"
    page.click("[aria-label='Import and export']")
    download = downloaded(page, "role=menuitem >> text=Export messages")
    assert download.suggested_filename == "slm-messages.jsonl"


@scripted
def test_run(stage):
    page = as_owner(stage, "#/training/runs", "text=No runs yet")
    click(page, ".area-head >> text=Fine-tune", ".estimate >> text=This run fits on this machine.")
    assert "about 10 min" in page.inner_text(".estimate")
    page.fill("#training-area >> internal:label=Budget", "30")
    page.wait_for_selector(".estimate >> text=about 30 min")
    stage.world.area.fits = False
    page.fill("#training-area >> internal:label=Name", "colors")
    page.wait_for_selector(".estimate >> text=Choose the LoRA method")
    stage.allowed.append("422")
    click(page, "text=Start", "[role=alert] >> text=The run needs 9 GB more memory than this machine has.")
    stage.world.area.fits = True
    page.click("text=More settings")
    page.select_option("#training-area >> internal:label=Method", "lora")
    page.fill("#training-area >> internal:label=Rank of the adapter", "8")
    page.fill("#training-area >> internal:label=Replay share, in percent", "25")
    page.uncheck("#training-area >> internal:label=All included chats")
    page.fill(".settings-grid >> internal:label=Tag", "colors")
    page.press(".settings-grid >> internal:label=Tag", "Tab")
    page.wait_for_selector(".estimate >> text=This run fits")
    click(page, "text=Start", "h2 >> text=colors")
    assert changes(stage, "runs")[-1][1] == {"name": "colors", "method": "lora", "rank": 8, "objective": "chats", "minutes": 30,
                                             "replay_share": 0.25, "filter": {"tag": "colors"}}
    page.wait_for_selector("svg.curve[role=img] polyline.validation")
    assert "training 2.0000 at the end" in page.get_attribute("svg.curve", "aria-label") or page.locator("svg.curve circle").count() >= 4
    click(page, "text=Values as a table", "text=The run has finished.")
    assert page.locator(".chart details[open] tbody tr").count() == 4, "the table stays open while the curve grows"
    assert "step 40: loss 1.000" in page.inner_text(".log") and page.locator(".sample b").count() == 0
    assert "Blue, after 40 steps. <b>" in page.inner_text(".samples >> nth=0")
    page.wait_for_selector("text=Compare the model")
    # Stop, resume, failures, and the refusal of a second run.
    show(page, stage.url + "/#/training/runs/new", ".estimate .facts")
    click(page, "text=Start", ".area-buttons >> text=Stop")
    press(page, "s", shown="text=The run was stopped. It can be resumed")
    stage.allowed.append("409")
    stage.world.area.runs[1]["state"] = "running"
    show(page, stage.url + "/#/training/runs/new", ".estimate .facts")
    click(page, "text=Start", "[role=alert] >> text=A run is in progress.")
    stage.world.area.runs[1] |= {"state": "failed", "message": "The disk is full: 3 MB are free, 600 MB are needed."}
    show(page, stage.url + "/#/training/runs", ".card >> text=The disk is full")
    click(page, ".card >> nth=1 >> a", "text=The disk is full: 3 MB are free, 600 MB are needed.")
    page.wait_for_selector(".area-buttons >> text=Resume")
    # A base that is gone: the estimate, the start, and a run of the schedule, which cannot be resumed.
    missing = "The model first is not on this machine any more: /models/first.h5 cannot be read."
    refusal = {"status": 422, "code": "base_missing", "message": missing}
    stage.world.faults.append(("POST", "/api/training/estimate", refusal))
    show(page, stage.url + "/#/training/runs/new", f".estimate >> text={missing}")
    stage.world.faults.append(("POST", "/api/training/runs", refusal))
    click(page, "text=Start", f"[role=alert] >> text={missing}")
    stage.world.area.runs[1] |= {"message": missing, "settings": {}}
    show(page, stage.url + "/#/training/runs", f".card >> text={missing}")
    click(page, ".card >> nth=1 >> a", f".area-note >> text={missing}")
    assert page.locator(".area-buttons >> text=Resume").count() == 0
    click(page, "text=Delete…", "dialog >> text=The model that it made stays in the registry.")
    click(page, "dialog .danger", "h2 >> text=Runs")
    eventually(lambda: len(stage.world.area.runs) == 1)


def candidate(stage, name="colors", **fields):
    model = mock_training.make_model(name, "candidate", **fields)
    stage.world.area.models.append(model)
    return model


@scripted
def test_model_that_is_loading(stage):
    page = as_owner(stage, "#/training/models", ".card.active")
    assert page.locator("text=This server does not serve it yet").count() == 0
    active = next(model for model in stage.world.area.models if model["state"] == "active")
    active["is_served"] = False
    reload(page, "text=This server does not serve it yet")
    active["is_served"] = True
    page.wait_for_selector("text=This server does not serve it yet", state="detached")


@scripted
def test_compare_vote_promote(stage):
    page = as_owner(stage, "#/training/compare", "text=No candidates")
    model = candidate(stage)
    page.fill(".area-body form textarea", "Name a <river>.")
    click(page, "text=Add the question", ".question-rows >> text=Name a <river>.")
    page.click("[aria-label='Remove the question Which color has the sky?']")
    eventually(lambda: [question["text"] for question in stage.world.area.questions] == ["What is the capital of Peru?", "Name a <river>."])
    page.wait_for_load_state("networkidle")
    page.fill("#training-area >> internal:label=How much it may forget", "0.02")
    page.uncheck("text=A model must be better")
    click(page, "text=Save the gate", ".toast >> text=The gate was changed.")
    assert stage.world.area.gate == {"max_replay_loss_rise": 0.02, "min_held_out_gain": 0, "min_right_answers": 0, "significance": 0.05,
                                     "requires_better": False, "general": None}
    show(page, stage.url + f"/#/training/compare/{model['id']}", "text=This model was not compared")
    click(page, ".area-buttons >> text=Compare", "text=The comparison is running")
    reload(page, ".verdict >> text=Better")
    assert "fell by 0.2000" in page.inner_text(".verdict")
    row = page.locator(".area-table tr", has_text="Held-out chats: loss per token").inner_text().split("\t")
    assert row[1:] == ["1.1000", "1.3000", "−0.2000"], row
    row = page.locator(".area-table tr", has_text="Held-out chats: bits per byte").inner_text().split("\t")
    assert row[3] == "−0.2000 (−0.2500 to −0.1500, p = 0.001)", row
    # The vote is blind: neither model is named before it.
    assert "Candidate" not in page.inner_text(".vote") and "Expected: Lima" in page.inner_text(".vote")
    press(page, "1", shown="text=Question 2 of 2")
    page.focus("text=Equally good")
    press(page, "Enter", shown="text=You preferred the candidate 1 time, the active model 0 times, and found 1 tie.")
    assert [body["choice"] for _, body in changes(stage, f"comparisons/{model['comparison']}/votes")] == ["left", "tie"]
    page.click(".votes summary")
    assert page.locator(".vote-rows h4").all_inner_texts()[0].startswith("Candidate")
    click(page, "text=Promote…", "dialog >> text=The gate passed: it is better")
    click(page, "dialog .primary", ".area-head .pill >> text=Active")
    assert model["state"] == "active" and changes(stage, f"models/{model['id']}/promote")[-1][1] == {}
    # A worse model needs a second decision, and a reason.
    worse = candidate(stage)
    stage.world.area.verdict = "worse"
    page.goto(stage.url + f"/#/training/compare/{worse['id']}")
    click(page, ".area-buttons >> text=Compare", ".verdict.worse")
    click(page, "text=Promote…", "dialog >> text=The gate did not pass")
    click(page, "dialog .primary", ".toast >> text=Nothing was changed")
    assert worse["state"] == "candidate"
    page.click("text=Promote…")
    page.check("#training-area >> internal:label=Promote it all the same")
    click(page, "dialog .primary", ".toast >> text=say why")
    assert worse["state"] == "candidate"
    page.click("text=Promote…")
    page.check("#training-area >> internal:label=Promote it all the same")
    page.fill("#training-area dialog >> internal:label=Why", "It answers my questions")
    page.click("dialog .primary")
    eventually(lambda: worse["state"] == "active")
    assert changes(stage, f"models/{worse['id']}/promote")[-1][1] == {"force": True, "reason": "It answers my questions"}
    unknown = candidate(stage)
    stage.world.area.verdict = "not_enough"
    page.goto(stage.url + f"/#/training/compare/{unknown['id']}")
    click(page, ".area-buttons >> text=Compare", ".verdict.not_enough >> text=Not enough to judge")
    click(page, "text=Promote…", "dialog >> text=There is not enough to judge it")
    page.click("dialog >> text=Cancel")
    failed = candidate(stage)
    page.goto(stage.url + f"/#/training/compare/{failed['id']}")
    page.click(".area-buttons >> text=Compare")
    eventually(lambda: failed["comparison"])
    one = stage.world.area.comparisons[failed["comparison"]]
    one |= {"state": "failed", "message": "There are only 2 held-out chats; at least 5 are needed."}
    page.wait_for_selector("text=There are only 2 held-out chats")
    page.click("text=Archive…")
    click(page, "dialog .primary", "h2 >> text=Compare")
    assert failed["state"] == "archived"


@scripted
def test_models(stage):
    page = as_owner(stage, "#/training/models", ".card.active >> text=first")
    assert page.locator("button:visible >> text=Roll back").count() == 0
    model = candidate(stage, verdict="no_worse")
    name = next(iter(stage.world.owners))
    stage.world.keys["k1"] = (name, {"id": "k1", "name": "phone", "created_at": mock_values.timestamp(), "last_used_at": None})
    reload(page, ".card >> text=colors")
    page.click("[aria-label='Promote colors']")
    click(page, "dialog .primary", ".toast >> text=colors is active.")
    click(page, ".area-head >> text=Roll back to first", ".toast >> text=first is active again.")
    assert stage.world.area.models[0]["name"] == "first" and model["state"] == "previous"
    # The verdict has changed on the server since the list was loaded.
    stage.allowed.append("409")
    model["state"] = "candidate"
    reload(page, "[aria-label='Promote colors']")
    model["verdict"] = "worse"
    page.click("[aria-label='Promote colors']")
    click(page, "dialog .primary", "dialog >> text=The model did not pass the gate.")
    # Canary. The dialog's "close" event comes after the focus has moved on, and must not take it back.
    page.evaluate("""() => { [...document.querySelectorAll("dialog button")].find((one) => one.textContent === "Cancel").click();
        document.querySelector("#canary-share").focus(); }""")
    page.wait_for_selector("#training-area dialog", state="detached")
    assert model["state"] == "candidate"
    press(page, "ArrowRight", shown=".canary >> text=11 %")
    click(page, ".canary >> text=Start", ".pill >> text=Canary, 11 %")
    assert stage.world.area.canary == {"model": model["id"], "share": 0.11}
    page.click("text=End the canary")
    page.wait_for_selector(".pill >> text=Canary", state="detached")
    # Pins, and a refusal of the server.
    page.select_option(f"[aria-label='Model of the key phone of {name}']", model["id"])
    page.wait_for_selector(".card >> text=1 pinned key")
    page.click("[aria-label='More about colors']")
    page.click("role=menuitem >> text=Delete…")
    click(page, "dialog .danger", ".toast >> text=An API key is pinned to this model.")
    page.select_option(f"[aria-label='Model of the key phone of {name}']", "")
    eventually(lambda: stage.world.area.pins == {"k1": None})
    page.click("[aria-label='More about colors']")
    page.click("role=menuitem >> text=Archive…")
    click(page, "dialog .primary", ".card.archived")
    page.fill("#training-area >> internal:label=Candidates to keep", "1")
    page.click("text=Clean up…")
    click(page, "dialog .danger", ".toast >> text=Deleted 1 model, 145 MB are free again.")
    assert changes(stage, "models/clean-up") == [("POST", {"keep": 1})] and page.locator(".card").count() == 1
    stage.allowed.append("422")
    page.click("text=Add a model…")
    page.fill("#training-area >> internal:label=File", "/tmp/x.txt")
    page.fill("dialog >> internal:label=Name", "other")
    click(page, "dialog .primary", "dialog >> text=there is no checkpoint at this path")
    enter(page, "#training-area >> internal:label=File", "/models/other.h5", ".card h3 >> text=other")
    stage.world.area.models[1]["error"] = "The file is damaged: its checksum is wrong."
    reload(page, ".card >> text=The file is damaged")


@scripted
def test_schedule(stage):
    page = as_owner(stage, "#/training/schedule", ".schedule")
    assert not page.is_checked("#training-area >> internal:label=Train automatically") and "off" in page.inner_text(".facts")
    page.check("#training-area >> internal:label=Train automatically")
    page.uncheck("#training-area >> internal:label=Every night")
    click(page, ".schedule .primary", "text=Choose when runs start")
    page.check("#training-area >> internal:label=After a number of new included chats")
    page.fill("#training-area >> internal:label=New included chats >> nth=-1", "20")
    page.check("#training-area >> internal:label=Every night")
    page.fill("#training-area >> internal:label=Time", "04:30")
    page.fill("#training-area >> internal:label=Budget", "15")
    click(page, ".schedule .primary", ".toast >> text=The schedule is on.")
    schedule = stage.world.area.schedule
    assert (schedule["enabled"], schedule["at"], schedule["new_chats"], schedule["settings"]["minutes"]) == (True, "04:30", 20, 15), schedule
    reload(page, ".schedule")
    assert page.input_value("#training-area >> internal:label=Budget") == "15" and page.locator(".facts time").count() == 1
    click(page, ".area-tabs >> text=History", ".area-table >> text=api/training/schedule")


@scripted
def test_area_offline(stage):
    """The server stops while the area is open: the banner says so, and the section is loaded again when it is back."""
    stage.allowed += ["ERR_", "Failed to load", "502"]
    page = as_owner(stage, "#/training/models", ".card")
    restart = stage.stop()
    click(page, ".area-tabs >> text=Schedule", "#banner:not([hidden])")
    page.wait_for_selector(".load-error >> nth=0")
    restart()
    page.click("#banner-retry")
    page.wait_for_selector("#banner", state="hidden")
    if page.locator("text=Reload the page").count():
        page.click("text=Reload the page")
    page.wait_for_selector(".schedule")


@scripted
def test_area_on_a_phone(stage):
    page = as_owner(stage, width=320, height=640, has_touch=True, is_mobile=True)
    assert overflow(page) == [0], overflow(page)
    page.tap(f"{ROWS} >> nth=1 >> a")
    page.wait_for_selector(".reader-message")
    assert page.is_hidden(ROWS) and overflow(page) == [0], overflow(page)
    page.tap("[aria-label='Back to the list']")
    page.wait_for_selector(ROWS)
    page.tap("button >> text=Filters")
    assert overflow(page) == [0], overflow(page)
    model = candidate(stage, name="a-model-with-quite-a-long-name-for-a-phone-" + "x" * 30)
    for address, ready in (("runs/new", ".estimate .facts"), ("compare", ".question-rows"), ("models", ".canary"), ("schedule", ".schedule"),
                           ("history", ".area-table")):
        show(page, stage.url + "/#/training/" + address, ready)
        assert overflow(page) == [0], (address, overflow(page))
    page.goto(stage.url + f"/#/training/compare/{model['id']}")
    page.tap(".area-buttons >> text=Compare")
    page.wait_for_selector(".vote")
    assert overflow(page) == [0], overflow(page)


@scripted
def test_area_shows_hostile_text(stage):
    """Chats, tags, names and messages of errors are text."""
    page = as_owner(stage, width=390, height=700)
    chat = stage.world.area.chats["c0"]
    tags = {"P", "DIV", "SPAN", "MARK", "LI", "H3", "H4", "A", "BUTTON", "svg", "use", "INPUT", "FORM", "DL", "DT", "DD", "OL", "UL", "HEADER", "DETAILS",
            "SUMMARY", "TIME"}
    for number in (0, 3, 20, 45, 80, 98, 113, 128, 162, 194, 195, 199):
        evil = hostile.ANSWERS[number]
        chat["title"] = chat["person"] = chat["model"] = evil[:300]
        chat["tags"] = [evil[:100]]
        chat["messages"][0] |= {"content": evil, "personal": [{"kind": evil[:50], "start": 1, "end": 3}, {"kind": "email", "start": 2, "end": 10**9}]}
        chat["messages"][1] |= {"content": evil, "correction": evil, "alternatives": [{"id": "x", "content": evil, "chosen": True, "rating": "bad"}]}
        show(page, stage.url + "/#/training/models", ".card")
        show(page, stage.url + "/#/training/chats/c0", ".reader-message")
        seen = page.evaluate("""() => { const reader = document.querySelector('.reader'); return { text: reader.textContent,
            tags: [...new Set([...reader.querySelectorAll('*')].map((e) => e.tagName))], harmed: window.harmed ?? 0,
            links: [...reader.querySelectorAll('a')].map((e) => e.getAttribute('href')) }; }""")
        assert set(seen["tags"]) <= tags and seen["harmed"] == 0, (number, set(seen["tags"]) - tags)
        assert all(link.startswith("#/training/chats") for link in seen["links"]), seen["links"]
        assert not CONTROLS & set(seen["text"]), (number, CONTROLS & set(seen["text"]))
        assert overflow(page) == [0], (number, overflow(page))
        assert not stage.problems, (number, stage.problems)


@scripted
def test_lists_that_load_or_fail_are_accessible(stage):
    page = as_owner(stage)
    stage.allowed.append("500")
    for path in ("models", "runs", "compare"):
        route = "runs" if path == "runs" else "models"
        stage.world.faults.append(("GET", f"/api/training/{route}", {"sleep": 3}))
        page.goto(f"{stage.url}/#/training/{path}")
        page.wait_for_selector("#training-area .cards .area-loading", state="attached")
        check_axe(page, f"{path}, loading")
        page.wait_for_selector("#training-area .cards .area-loading", state="detached")
    stage.world.faults.append(("GET", "/api/training/runs", {"status": 500, "message": "The database is busy."}))
    show(page, stage.url + "/#/training/runs", ".cards .load-error")
    check_axe(page, "runs, failed")


@scripted
def test_area_accessibility(stage):
    """All axe rules on every view of the area, light and wide, dark and narrow."""
    for scheme, width in (("light", 1280), ("dark", 360)):
        stage.world.area = mock_training.TrainingWorld()
        page = as_owner(stage, width=width, color_scheme=scheme, reduced_motion="reduce")
        page.check(f"{ROWS} >> nth=0 >> input")
        page.click("button >> text=Filters")
        check_axe(page, "chats")
        page.click(".bulk >> text=Tag…")
        check_axe(page, "tags")
        page.keyboard.press("Escape")
        page.click("[aria-label='Import and export']")
        page.click("role=menuitem >> nth=0")
        check_axe(page, "import")
        page.keyboard.press("Escape")
        page.goto(stage.url + "/#/training/chats/c31")
        page.click(".correction-host button >> nth=0")
        check_axe(page, "reader")
        show(page, stage.url + "/#/training/runs/new", ".estimate .facts")
        page.click("text=More settings")
        page.uncheck("#training-area >> internal:label=All included chats")
        check_axe(page, "new run")
        click(page, "text=Start", ".curve")
        page.click("text=Values as a table")
        check_axe(page, "run")
        page.wait_for_selector("text=Compare the model")
        show(page, stage.url + "/#/training/runs", ".card")
        check_axe(page, "runs")
        show(page, stage.url + "/#/training/compare", ".question-rows")
        check_axe(page, "comparisons")
        page.click(".card a")
        click(page, ".area-buttons >> text=Compare", ".vote")
        press(page, "1", shown=".votes summary")
        page.click(".votes summary")
        check_axe(page, "comparison")
        page.click("text=Promote…")
        check_axe(page, "promote")
        page.keyboard.press("Escape")
        stage.world.keys["k1"] = ("ada", {"id": "k1", "name": "phone", "created_at": "", "last_used_at": None})
        show(page, stage.url + "/#/training/models", ".question-rows")
        page.click(".card summary >> nth=0")
        check_axe(page, "models")
        show(page, stage.url + "/#/training/schedule", ".schedule")
        check_axe(page, "schedule")
        show(page, stage.url + "/#/training/history", ".area-table")
        check_axe(page, "history")


AREA_SECTIONS = {"chats": ROWS, "runs": ".card", "runs/new": ".estimate >> text=This run fits", "compare": ".card", "models": ".card.active",
                 "schedule": ".schedule", "history": ".area-table"}


def test_area_of_a_server(stage):
    """With `slm serve --use-chats` and its admin key: people chat, an owner reviews, fine-tunes, promotes and rolls back."""
    if not BASE_URL or "ADMIN_API_KEY" not in os.environ:
        return
    page = stage.open()
    name = stage.register(page)
    page.wait_for_selector("#training >> text=may be used")
    for question in ("What comes after 3?", "What comes after 5?"):
        click(page, "#new-chat", "#welcome")
        ask(page, question)
    page.click("[aria-label='Correct answer']")
    page.fill(".correct textarea", "After 5 comes six.")
    click(page, ".correct .primary", ".corrected")
    make_owner(name)
    page.reload()
    click(page, "#training-link", f"{ROWS} >> text=corrected")
    page.keyboard.press("j")
    press(page, "Enter", shown=".reader .version.used >> text=After 5 comes six.")
    page.keyboard.press("c")
    page.fill(".reader .correct textarea", "After 5 comes 6, and then 7.")
    press(page, "Control+Enter", shown=".reader .version.used >> text=After 5 comes 6, and then 7.")
    enter(page, "[aria-label='Add a tag']", "numbers", f"{ROWS} .tag >> text=numbers")
    page.focus(f"{ROWS} >> nth=0 >> a")
    press(page, "i", shown=".segments button >> text=Included 1")
    # Imported chats, reviewed by filter.
    words = random.Random(1)
    imported = "".join(json.dumps({"messages": [{"role": "user", "content": f"Question {n}: {mock_training.text(words, 9)}"},
                                               {"role": "assistant", "content": mock_training.text(words, 9)}]}) + "\n" for n in range(40))
    page.click("[aria-label='Import and export']")
    page.click("role=menuitem >> nth=0")
    page.set_input_files("#import-file", {"name": "chats.jsonl", "mimeType": "text/plain", "buffer": imported.encode()})
    click(page, "dialog .primary", "dialog >> text=40 chats added")
    page.keyboard.press("Escape")
    show(page, stage.url + "/#/training/chats?source=import&state=new", "text=40 chats match")
    page.check("[aria-label='Select all that are shown']")
    click(page, ".bulk >> text=Include", ".toast >> text=Included: 40 chats.")
    show(page, stage.url + "/#/training/chats?tag=numbers&rating=corrected&min_turns=1&from=2020-01-01&to=2099-01-01&sort=longest", "text=1 chat matches")
    page.click("[aria-label='Import and export']")
    download = downloaded(page, "role=menuitem >> text=Export preference pairs")
    assert "After 5 comes 6, and then 7." in download.path().read_text()
    # What the comparison asks both models.
    page.goto(stage.url + "/#/training/compare")
    page.fill(".area-body form textarea", "What comes after 5?")
    click(page, "text=Add the question", ".question-rows >> text=What comes after 5?")
    # A run, as a process of the server.
    show(page, stage.url + "/#/training/runs/new", ".estimate >> text=This run fits on this machine.")
    page.fill("#training-area >> internal:label=Name", "colors")
    page.select_option("#training-area >> internal:label=Unit", "max_steps")
    page.fill("#training-area >> internal:label=Budget", "20")
    click(page, "button >> text=Start", "h2 >> text=colors")
    page.wait_for_selector("text=The run has finished.", timeout=120_000)
    page.wait_for_selector("svg.curve")
    # It is compared by itself.
    page.goto(stage.url + "/#/training/compare")
    page.click(".card >> text=colors")
    page.wait_for_selector(".verdict", timeout=120_000)
    assert "Text that the active model generates: the loss" in page.inner_text(".verdict") or "General chats: the loss" in page.inner_text(".verdict")
    page.wait_for_selector(".vote >> text=What comes after 5?")
    press(page, "0", shown="text=found 1 tie")
    # Promoted, whatever the verdict is, and taken back.
    show(page, stage.url + "/#/training/models", ".card.active")
    candidate = page.locator(".card.candidate h3").first.inner_text()
    click(page, f"[aria-label='Promote {candidate}']", "dialog >> text=The gate")
    force = page.locator("#training-area >> internal:label=Promote it all the same")
    if force.count():
        force.check()
        page.fill("#training-area dialog >> internal:label=Why", "A test")
    click(page, "dialog .primary", f".card.active >> text={candidate}")
    click(page, ".area-head >> text=Roll back to", ".toast >> text=is active again.")
    page.goto(stage.url + "/#/training/schedule")
    page.check("#training-area >> internal:label=Train automatically")
    click(page, ".schedule .primary", ".toast >> text=The schedule is on.")
    click(page, ".area-tabs >> text=History", ".area-table >> text=schedule set")
    assert "model promote" in page.inner_text(".area-table") or "force promote" in page.inner_text(".area-table")
    # Every section with the server's own data, wide and as on a phone.
    for width, height in ((1180, 780), (320, 640)):
        page.set_viewport_size({"width": width, "height": height})
        for section, shown in AREA_SECTIONS.items():
            show(page, stage.url + f"/#/training/{section}", shown)
            check_axe(page, f"{section} at {width}")
            assert overflow(page)[0] == 0, (section, width, overflow(page))
    page.set_viewport_size({"width": 1180, "height": 780})
    # The keyboard alone: a section, a run, and back.
    show(page, stage.url + "/#/training/chats", ROWS)
    page.focus(".area-tabs a >> nth=1")
    press(page, "Enter", shown="h2 >> text=Runs")
    page.focus(".card a")
    press(page, "Enter", shown="h2 >> text=colors")
    page.go_back()
    page.wait_for_selector("h2 >> text=Runs")
    page.click("#log-out")
