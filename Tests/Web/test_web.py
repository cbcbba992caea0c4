"""Tests of the web page in Chromium.

    Tests/Web/test_web.py [--scripted] [NAME…]                       with the mock server; --scripted: only tests that need it
    BASE_URL=http://127.0.0.1:8000 Tests/Web/test_web.py             with `slm serve`; skips tests that need faults or scripted answers
    LATENCY=0.3 SLOWDOWN=4 Tests/Web/test_web.py                     on a slow machine: responses wait up to 0.3 s, the page's CPU is 4 times slower
"""
import json
import re
import sys
import traceback

import test_contract
import test_documents
import test_feedback
import test_libraries
import test_safety
import test_training_area
from stage import (BASE_URL, answered, ask, click, downloaded, enter, eventually, fill_account, overflow, press, reload, scripted,
                   show, stage, texts)


def test_size(stage):
    page = stage.open()
    page.wait_for_load_state("networkidle")
    files = page.evaluate("""performance.getEntriesByType('resource').filter((e) => /\\/web\\//.test(e.name))
        .map((e) => [e.name, e.encodedBodySize])""")
    total = sum(size for _, size in files) + page.evaluate("performance.getEntriesByType('navigation')[0].encodedBodySize")
    assert 10_000 < total < 100_000, total
    # A module that is not preloaded costs one more round trip.
    loaded = {name.split("/web/")[1] for name, _ in files if name.endswith(".js")}
    assert loaded == set(re.findall(r'/web/([\w/-]+\.js)', page.content())), loaded
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    print(f"    {total:,} bytes in {len(files) + 1} files; first paint after {paint:.0f} ms")


def test_sign_up_chat_reload(stage):
    page = stage.open()
    name = stage.register(page)
    assert page.inner_text("#user-name") == name
    ask(page, "Good morning to you!")
    page.wait_for_url("**/#/c/*")
    answer = texts(page, "assistant")[0]
    page.wait_for_selector("#conversations a[aria-current=page]")
    assert answer and page.locator("#conversations a[aria-current=page]").count() == 1
    assert page.locator(".metrics").count() == 0, "figures are shown without a request"
    page.click("[aria-label='Speed and length']")
    metrics = page.inner_text(".metrics")
    assert re.fullmatch(r"\d+ tokens? · .*tokens/s · .* m?s", metrics), metrics
    page.reload()
    page.click("[aria-label='Speed and length']")
    assert page.get_attribute("[aria-label='Speed and length']", "aria-expanded") == "true"
    found = texts(page, "user") + texts(page, "assistant")
    assert found == ["Good morning to you!", answer], found
    assert page.inner_text(".metrics") == metrics and "first token after" in metrics, "the figures vanish on reload"
    page.wait_for_selector("#context:not([hidden])")
    click(page, "#log-out", "#guest:not([hidden])")
    assert page.locator(".message").count() == 0 and page.locator("#conversations a").count() == 0
    page.goto(stage.url + "/#/login")
    fill_account(page, name, "wrong horse")
    stage.allowed.append("401")
    page.wait_for_selector("#account-error:not([hidden])")
    page.fill("#password", "correct horse")
    click(page, "#account-submit", "#conversations a")


def test_register_errors(stage):
    page = stage.open("#/register")
    page.fill("#password", "short")
    page.click("#account-submit")
    assert page.inner_text("#username-error") and page.inner_text("#password-error")
    assert page.inner_text("#account-form").count("8 characters") == 1
    assert page.evaluate("document.activeElement.id") == "username" and page.get_attribute("#username", "aria-invalid") == "true"
    fill_account(page, "alex", "é" * 513)
    assert "1026" in page.inner_text("#password-error")
    name = stage.register(page)
    # 401: the list of conversations may still be loading.
    stage.allowed += ["401", "409"]
    page.click("#log-out")
    page.goto(stage.url + "/#/register")
    fill_account(page, name)
    page.wait_for_selector("#username-error:not([hidden])")


@scripted
def test_stream_stop_regenerate_edit(stage):
    stage.world.delay = 0.02
    page = stage.open_registered()
    ask(page, "/long", shown=".streaming .body p")
    first = len(page.inner_text(".assistant .body"))
    eventually(lambda: len(page.inner_text(".assistant .body")) > first + 40)
    assert page.get_attribute(".message.assistant", "aria-busy") == "true" and page.inner_text("#announcer") == ""
    page.keyboard.press("Escape")
    answered(page)
    stopped = texts(page, "assistant")[0]
    assert 40 < len(stopped) and page.inner_text(".ending") == "Stopped."
    eventually(lambda: page.inner_text("#announcer").startswith("Answer: Paragraph 1"))
    assert page.inner_text("#announcer").endswith("Stopped.")
    stage.world.delay = 0
    ask(page, "And then?")
    conversation = next(iter(stage.world.conversations.values()))
    eventually(lambda: len(conversation["messages"]) == 4)
    assert conversation["messages"][1]["content"].startswith(stopped[:40]), "the text before the stop was not stored"
    page.hover(".message.assistant >> nth=1")
    page.click("[aria-label='Regenerate answer'] >> nth=1")
    eventually(lambda: len(stage.world.requests) == 3)
    answered(page)
    assert stage.world.requests[2]["regenerate"] and len(conversation["messages"]) == 4 and page.locator(".message").count() == 4
    page.hover(".message.user >> nth=0")
    page.click("[aria-label='Edit message'] >> nth=0")
    enter(page, ".edit textarea", "A short one")
    eventually(lambda: page.locator(".message").count() == 2)
    answered(page)
    assert texts(page, "user") == ["A short one"]
    assert conversation["messages"][0]["content"] == "A short one" and len(conversation["messages"]) == 2


def begin_long(stage, page):
    """Starts a long answer and waits for some of it."""
    ask(page, "/long", shown=".streaming .body p")
    first = len(page.inner_text(".message:last-child .body"))
    eventually(lambda: len(page.inner_text(".message:last-child .body")) > first + 20)


@scripted
def test_stop_asks_the_server(stage):
    """The server that answers may not notice that the browser has closed its connection to a proxy."""
    stage.world.delay = 0.02
    page = stage.open_registered()
    begin_long(stage, page)
    page.click("#stop")
    answered(page)
    eventually(lambda: stage.world.ends == ["cancelled"])
    assert page.inner_text(".ending") == "Stopped."
    page.click("[aria-label='Speed and length']")
    assert re.match(r"\d+ tokens", page.inner_text(".metrics"))
    conversation = next(iter(stage.world.conversations.values()))
    assert page.inner_text(".assistant .body").split() == conversation["messages"][1]["content"].split(), "not the stored text"
    # The next message need not wait for the stopped answer.
    stage.world.delay = 0
    ask(page, "And then?")
    eventually(lambda: len(conversation["messages"]) == 4)
    assert stage.world.ends == ["cancelled", "stop"] and len(stage.world.requests) == 2


@scripted
def test_stop_closes_the_connection(stage):
    """Without an answer of the server, at the second click, and for guests, who have no conversation on the server."""
    stage.world.delay = 0.02
    page = stage.open()
    begin_long(stage, page)
    page.click("#stop")
    answered(page)
    eventually(lambda: stage.world.ends == ["disconnected"])
    # No event has said how long the answer is.
    eventually(lambda: int(page.get_attribute("#context-gauge", "aria-valuenow")) > 10)
    stage.register(page)
    stage.allowed += ["503", "net::ERR"]
    stage.world.faults.append(("POST", "/api/conversations/", {"status": 503}))
    begin_long(stage, page)
    page.click("#stop")
    answered(page)
    eventually(lambda: stage.world.ends == ["disconnected"] * 2)
    assert page.inner_text(".message:last-child .ending") == "Stopped."
    stage.world.faults.append(("POST", "/api/conversations/", {"sleep": 30}))
    begin_long(stage, page)
    page.click("#stop")
    page.click("#stop")
    answered(page)
    eventually(lambda: stage.world.ends == ["disconnected"] * 3)


def test_rename_delete_undo_search(stage):
    page = stage.open_registered()
    for question in ("Apples are red", "Pears are green"):
        ask(page, question)
        click(page, "#new-chat", "#welcome:not([hidden])")
    eventually(lambda: page.locator("#conversations a").count() == 2)
    assert page.inner_text("#conversations h2") == "Today"
    row = page.locator("#conversations li", has_text="Apples")
    row.hover()
    row.locator("button").click()
    page.click("role=menuitem[name=Rename]")
    enter(page, "#conversations input", "Fruit for the week", "#conversations >> text=Fruit for the week")
    reload(page, "#conversations >> text=Fruit for the week")
    page.fill("#search", "fruit")
    eventually(lambda: page.locator("#conversations a").count() == 1)
    page.fill("#search", "")
    eventually(lambda: page.locator("#conversations a").count() == 2)
    page.focus("#conversations a >> text=Fruit")
    page.keyboard.press("Delete")
    eventually(lambda: page.locator("#conversations a").count() == 1)
    page.fill("#message", "a\n" * 20)
    toast, box = page.locator(".toast").bounding_box(), page.locator("#composer").bounding_box()
    assert toast["y"] + toast["height"] < box["y"] or toast["y"] > box["y"] + box["height"], "the notice covers the message box"
    page.fill("#message", "")
    click(page, ".toast >> text=Undo", "#conversations >> text=Fruit for the week")
    page.wait_for_selector(".message.user >> text=Apples")


def test_two_users(stage):
    one, other = stage.open(), stage.open()
    stage.register(one)
    ask(one, "My secret is blue")
    one.wait_for_url("**/#/c/*")
    stage.register(other)
    assert other.locator("#conversations a").count() == 0
    stage.allowed.append("404")
    show(other, one.url, ".load-error")
    assert "secret" not in other.inner_text("body")


@scripted
def test_sampling_settings_of_the_model(stage):
    stage.world.sampling = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.1}
    page = stage.open()
    page.wait_for_selector("#starters", state="attached")
    eventually(lambda: page.inner_text("#model-name") == stage.world.model)
    page.click("#open-settings")
    values = [page.input_value(f"#setting-{name}") for name in ("temperature", "top_k", "top_p", "repetition_penalty", "min_p")]
    assert values == ["0.7", "20", "0.8", "1.1", "0"], values
    # A value that is slm's default but not the model's is sent; the model's own is not.
    page.fill("#setting-top_k", "50")
    page.fill("#setting-temperature", "0.7")
    page.click("#settings .primary")
    ask(page, "Hello")
    assert {**stage.world.requests[-1], "history": 0} == {"message": "Hello", "top_k": 50, "history": 0}, stage.world.requests[-1]
    # Each model has its own.
    adapter = stage.world.model + ":poems"
    stage.world.adapters, stage.world.adapter_sampling = [adapter], {adapter: {"temperature": 1.5}}
    reload(page, "#model-choice:not([hidden])")
    for name, temperature in ((adapter, "1.5"), (stage.world.model, "0.7")):
        page.locator("#model-choice").select_option(name)
        page.click("#open-settings")
        assert page.input_value("#setting-temperature") == temperature and page.input_value("#setting-top_k") == "50"
        page.click("#settings .primary")


def test_guest(stage):
    page = stage.open()
    page.click("#open-settings")
    page.fill("#setting-max_tokens", "7")
    page.fill("#setting-temperature", "0.3")
    page.fill("#setting-top_k", "-4")
    assert page.get_attribute("#setting-top_k", "aria-invalid") == "true"
    page.click("#settings .primary")
    bodies = []
    page.on("request", lambda request: request.url.endswith("/chat/guest") and bodies.append(request.post_data_json))
    ask(page, "Hello there, model")
    ask(page, "And again, please")
    assert bodies[0] == {"message": "Hello there, model", "max_tokens": 7, "temperature": 0.3, "history": []}, bodies[0]
    assert [turn["role"] for turn in bodies[1]["history"]] == ["user", "assistant"]
    check_spaces(page)
    reload(page, ".message.assistant >> nth=1")
    assert page.evaluate("JSON.stringify(localStorage)").find("Hello there") < 0, "a guest's chat is stored beyond the tab"
    click(page, "#new-chat", "#welcome:not([hidden])")
    page.reload()
    assert page.locator(".message").count() == 0


@scripted
def test_history_warning_and_meter(stage):
    page = stage.open()
    for _ in range(2):
        ask(page, "/long")
    page.wait_for_selector(".notice >> text=left out")
    assert page.get_attribute("#context-gauge", "aria-valuemax") == "384" and "full" in page.get_attribute("#context", "class")


@scripted
def test_starter_questions(stage):
    stage.world.starters = ["How do birds fly?", "<b>Why</b> is it & so?"]
    page = stage.open()
    page.wait_for_selector("#starters button")
    note, box = (page.locator(place).bounding_box() for place in (".composer-footer span >> nth=0", "#composer"))
    assert abs(note["x"] + note["width"] / 2 - box["x"] - box["width"] / 2) < 2, "the note is not centered below the box"
    assert page.locator("#starters button").all_inner_texts() == stage.world.starters
    page.click("#starters button >> nth=1")
    assert page.input_value("#message") == "<b>Why</b> is it & so?"
    stage.world.starters = []
    reload(page, f"#model >> text={stage.world.model}")
    assert page.locator("#starters button").count() == 0


def test_empty_page(stage):
    """The message box is below the greeting, and at the end of the window once there are messages. A phone has it always there."""
    page = stage.open()
    page.wait_for_selector("#welcome")
    box = page.locator("#composer")
    gap = lambda: box.bounding_box()["y"] - page.locator("#welcome p").bounding_box()["y"]
    eventually(lambda: 30 < gap() < 150)
    ask(page, "Hello")
    assert box.bounding_box()["y"] > 650
    phone = stage.open(width=390, height=844, has_touch=True, is_mobile=True)
    phone.wait_for_selector("#welcome")
    assert phone.locator("#composer").bounding_box()["y"] > 740


def test_no_flash_of_another_view(stage):
    """Before the code of the page has run, an address such as #/login shows no conversation."""
    page = stage.open()
    held = []
    page.route("**/web/main.js", lambda route: held.append(route))
    page.goto(stage.url + "/#/login", wait_until="commit")
    page.reload(wait_until="commit")
    page.wait_for_selector("#new-chat")
    assert not page.is_visible("#welcome h2"), "the empty page is shown before the login page"
    eventually(lambda: held)
    for route in held:
        route.continue_()
    page.wait_for_selector("#account-form")


@scripted
def test_header_of_other_pages(stage):
    """The header of the login and account pages offers nothing that belongs to a conversation."""
    page = stage.open_registered()
    ask(page, "Hello")
    offered = "#open-conversation, #model-name, #export"
    assert page.locator(offered).evaluate_all("(all) => all.every((e) => e.checkVisibility())")
    show(page, stage.url + "/#/account", "#account-page:not([hidden])")
    assert not page.locator(offered).evaluate_all("(all) => all.some((e) => e.checkVisibility())")
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("#more")
    assert page.locator("[role=menuitem]").all_inner_texts() == ["Toggle dark mode", "Settings"]


@scripted
def test_buttons_wait_for_the_answer(stage):
    """What cannot be done while an answer is generated is disabled, and not without effect."""
    page = stage.open_registered()
    ask(page, "Hello")
    click(page, "[aria-label='Regenerate answer']", ".alternatives")
    answered(page)
    stage.world.delay = 0.05
    ask(page, "/long", shown=".streaming .body p")
    labels = ["Edit message", "Regenerate answer", "Correct answer", "Previous answer"]
    states = lambda: [page.is_enabled(f"[aria-label='{label}'] >> nth=0") for label in labels]
    assert states() == [False] * 4, states()
    assert page.is_enabled("[aria-label='Copy answer'] >> nth=0")
    page.click("#stop")
    answered(page)
    assert states() == [True] * 4, states()


@scripted
def test_choice_of_a_model(stage):
    page = stage.open()
    page.wait_for_selector("#welcome")
    assert page.locator("#model-choice").is_hidden()
    stage.world.adapters = [stage.world.model + ":support", stage.world.model + ":poems"]
    page = stage.open()
    page.wait_for_selector("#model-choice:not([hidden])")
    choice, names = page.locator("#model-choice"), [stage.world.model, *stage.world.adapters]
    assert choice.locator("option").all_inner_texts() == names and choice.input_value() == names[0]
    ask(page, "Hello")
    assert "model" not in stage.world.requests[-1]
    choice.select_option(names[2])
    ask(page, "Hello again")
    assert stage.world.requests[-1]["model"] == names[2]
    reload(page, "#model-choice:not([hidden])")
    assert choice.input_value() == names[2] and page.inner_text("#model") == names[2]
    assert page.locator(".sender").all_inner_texts() == [names[0], names[2]]
    stage.world.adapters = []
    page.reload()
    ask(page, "Hello")
    assert page.locator("#model-choice").is_hidden() and "model" not in stage.world.requests[-1]


@scripted
def test_answer_without_text(stage):
    page = stage.open()
    ask(page, "/nothing")
    assert page.inner_text(".message.assistant .ending") == "The model had nothing to say."
    eventually(lambda: page.inner_text("#announcer") == "The model had nothing to say.")
    stage.register(page)
    ask(page, "Hello")
    conversation = next(iter(stage.world.conversations.values()))
    conversation["messages"][0]["content"] = "/nothing"
    click(page, "[aria-label='Regenerate answer']", ".error >> text=nothing to say")
    # The server has stored no answer, as if it had been killed.
    conversation["messages"].pop()
    reload(page, ".error >> text=No answer to this message was stored.")


def test_typed_addresses(stage):
    page = stage.open()
    for path, hash, shown in (("/login", "#/login", "Welcome back"), ("/signup/", "#/register", "Create an account"),
                              ("/account", "#/login", "Log in to see your account."), ("/training", "#/login", "as an owner"),
                              ("/settings", "#/", "Sampling")):
        show(page, stage.url + path, f":visible:text('{shown}')")
        assert page.url == f"{stage.url}/{hash}", page.url
    stage.allowed.append("404")
    for path, accept in (("/login", "application/json"), ("/nothing", "text/html")):
        found = page.evaluate("([path, accept]) => fetch(path, { headers: { accept } }).then(async (r) => [r.status, (await r.json()).error.code])",
                              [path, accept])
        assert found == [404, "not_found"], (path, found)


@scripted
def test_collected(stage):
    stage.world.collected = 9
    page = stage.open()
    page.wait_for_selector("#collected >> text=9 chats collected")
    assert page.is_hidden("#collected-ready")
    ask(page, "One more")
    page.wait_for_selector("#collected >> text=10 chats collected")
    assert page.is_visible("#collected-ready")
    # Only the notice below the message box speaks of training.
    assert page.inner_text("#guest-notice") == ""
    stage.world.training = True
    reload(page, "#training:not([hidden])")
    assert page.is_hidden("#collected"), "a guest reads about training twice"
    # A server that uses the chats of accounts, but does not collect those of guests.
    stage.world.collecting = False
    page.reload()
    page.wait_for_selector("#guest >> text=Your chats are not stored on the server")      # only after the server said so
    assert page.is_hidden("#collected")
    eventually(lambda: page.is_hidden("#training"))
    page.wait_for_load_state("networkidle")
    assert page.is_hidden("#training"), "what is not stored is not used for training"


@scripted
def test_one_line_below_the_message_box(stage):
    stage.world.training = True
    page = stage.open()
    page.wait_for_selector("#training:not([hidden])")
    note, training = (page.locator(place).bounding_box() for place in (".composer-footer > span", "#training"))
    assert abs(note["y"] + note["height"] / 2 - training["y"] - training["height"] / 2) < 2, (note, training)
    phone = stage.open(width=390, height=844, has_touch=True, is_mobile=True)
    phone.wait_for_selector("#training:not([hidden])")
    end = phone.locator("#composer").bounding_box()
    assert 844 - end["y"] - end["height"] < 64, "a phone has little room below the message box"
    # In a low window, the notice about training is the line that stays.
    phone.set_viewport_size({"width": 667, "height": 375})
    assert phone.locator("#training").is_visible() and phone.locator(".composer-footer > span").is_hidden()


def test_title_of_a_guest(stage):
    page = stage.open()
    ask(page, "Good morning to you!\nSecond line")
    assert page.inner_text("#title") == "Good morning to you!" and page.title() == "Good morning to you! · slm"
    click(page, "#new-chat", "#title >> text=New chat")


@scripted
def test_actions_of_earlier_answers(stage):
    """With a mouse, they appear below the pointer and with the focus. A rating stays visible."""
    page = stage.open_registered()
    for question in ("One", "Two", "Three"):
        ask(page, question)
    page.mouse.move(700, 5)
    shown = lambda: page.locator(".assistant .actions").evaluate_all("(all) => all.map((e) => getComputedStyle(e).opacity)")
    eventually(lambda: shown() == ["0", "0", "1"])
    page.hover(".message.assistant >> nth=0")
    eventually(lambda: shown() == ["1", "0", "1"])
    page.click("[aria-label='Good answer'] >> nth=0")
    page.keyboard.press("Escape")
    page.focus("#message")
    page.mouse.move(700, 5)
    eventually(lambda: shown() == ["1", "0", "1"])
    page.focus("[aria-label='Copy answer'] >> nth=1")
    eventually(lambda: shown() == ["1", "1", "1"])


def test_export(stage):
    page = stage.open()
    ask(page, "What is = to 2?")
    answer = page.evaluate("JSON.parse(sessionStorage['slm.guest'])[1].content")
    for number, extension in enumerate([".md", ".json", ".jsonl"]):
        page.click("#export")
        download = downloaded(page, f"role=menuitem >> nth={number}")
        text = download.path().read_text()
        assert download.suggested_filename == "conversation" + extension, download.suggested_filename
        if extension == ".md":
            assert "What is = to 2?" in text and answer in text
        else:
            turns = json.loads(text)["messages"]
            assert [turn["content"] for turn in turns] == ["What is = to 2?", answer]
            assert extension == ".json" or (set(turns[0]) == {"role", "content"} and text.count("\n") == 1)


def small_targets(page):
    """The controls that are smaller than a finger needs, except for links inside of a sentence."""
    return page.evaluate("""[...document.querySelectorAll('button, a, input, textarea, select, summary')]
        .filter((e) => e.checkVisibility({ checkVisibilityCSS: true }) && !e.closest('.visually-hidden, .skip, p:not(.training)'))
        .map((e) => [e, (e.closest('label') ?? e).getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 44 || height < 44)
        .map(([e, { width, height }]) => [e.id || e.className || e.type, width, height])""")


def check_spaces(page):
    """A question is nearer to its answer than to the answer before it."""
    answer, question, next = (page.locator(place).nth(number).bounding_box() for place, number in
                              ((".assistant .message-footer", 0), (".user .body", 1), (".assistant .sender", 1)))
    before, after = question["y"] - answer["y"] - answer["height"], next["y"] - question["y"] - question["height"]
    assert 0 < after < before, (before, after)


def test_phone(stage):
    page = stage.open(width=320, height=600, has_touch=True, is_mobile=True)
    assert overflow(page) == [0], overflow(page)
    page.goto(stage.url + "/#/register")
    assert overflow(page) == [0], overflow(page)
    stage.register(page)
    ask(page, "/markdown")
    assert overflow(page) == [0], overflow(page)
    assert page.evaluate("document.getElementById('sidebar').getBoundingClientRect().right <= 0")
    ask(page, "Who are you, and what can you do for me?")
    title = page.locator("#title")
    assert title.evaluate("(e) => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight + 1"), "the title is cut"
    assert not small_targets(page), small_targets(page)
    check_spaces(page)
    page.tap("#toggle-sidebar")
    assert page.evaluate("document.getElementById('main').inert && document.activeElement.id") == "new-chat"
    eventually(lambda: page.evaluate("document.getElementById('sidebar').getBoundingClientRect().left") >= 0)
    page.keyboard.press("Escape")
    assert page.evaluate("!document.getElementById('main').inert && document.activeElement.id") == "toggle-sidebar"
    page.tap("#toggle-sidebar")
    assert not small_targets(page), small_targets(page)
    page.tap("#new-chat")
    page.wait_for_selector("#welcome:not([hidden])")
    page.tap("#more")
    assert not small_targets(page), small_targets(page)
    page.tap("role=menuitem[name='Settings']")
    assert overflow(page) == [0], overflow(page)
    assert not small_targets(page), small_targets(page)


@scripted
def test_words_of_a_table(stage):
    """A table that is wider than a phone scrolls. Its words are not broken, except one that is longer than a column."""
    page = stage.open(width=390, height=844, has_touch=True, is_mobile=True)
    cells = "| Programming | Availability | Documentation | Community |\n|---|---|---|---|\n| yes | no | " + "x" * 200 + " | no |"
    ask(page, "/say " + cells)
    lines = page.locator(".table th").evaluate_all("""(all) => all.map((e) => {
        const range = document.createRange(); range.selectNodeContents(e); return range.getClientRects().length; })""")
    assert lines == [1, 1, 1, 1], lines
    assert page.locator(".table td >> nth=2").bounding_box()["width"] < 380 and overflow(page) == [0], overflow(page)


@scripted
def test_editors_stay_in_view(stage):
    page = stage.open(width=390, height=700, has_touch=True, is_mobile=True)
    stage.register(page)
    ask(page, "/long")

    def in_view(place):
        form, scroller = page.locator(place).bounding_box(), page.locator("#scroller").bounding_box()
        return scroller["y"] <= form["y"] and form["y"] + form["height"] <= scroller["y"] + scroller["height"] + 1

    page.locator("[aria-label='Edit message']").evaluate("(e) => e.click()")
    eventually(lambda: in_view("form.edit"))
    page.wait_for_timeout(200)
    assert in_view("form.edit"), "the page has scrolled away from the text that is edited"
    page.keyboard.press("Escape")
    page.locator("[aria-label='Correct answer']").evaluate("(e) => e.click()")
    eventually(lambda: in_view("form.correct .buttons"))
    page.keyboard.press("Escape")
    page.locator("[aria-label='Bad answer']").evaluate("(e) => e.click()")
    page.wait_for_selector("form.reasons")
    eventually(lambda: in_view("form.reasons"))


@scripted
def test_label_of_copied_code(stage):
    page = stage.open(permissions=["clipboard-read", "clipboard-write"])
    ask(page, "/code")
    assert page.inner_text(".code-head button") == "Copy"
    page.click(".code-head button")
    eventually(lambda: page.inner_text(".code-head button") == "Copied")
    eventually(lambda: page.inner_text(".code-head button") == "Copy")


def focused(page):
    return page.evaluate("(({ id, ariaLabel, textContent }) => id || ariaLabel || textContent)(document.activeElement)")


def test_keyboard_only(stage):
    page = stage.open("#/register")
    eventually(lambda: focused(page) == "username")
    page.keyboard.type(stage.name())
    press(page, "Tab", "Tab")
    page.keyboard.type("correct horse")
    press(page, "Enter")
    eventually(lambda: focused(page) == "message")
    page.keyboard.type("First line")
    press(page, "Shift+Enter")
    page.keyboard.type("second line")
    press(page, "Enter")
    answered(page)
    assert texts(page, "user") == ["First line\nsecond line"]
    assert focused(page) == "message"
    press(page, "ArrowUp")
    assert focused(page) == "Edit your message"
    press(page, "Escape")
    assert focused(page) == "Edit message"
    press(page, "?")
    assert page.is_visible("#shortcuts")
    press(page, "Escape")
    assert not page.is_visible("#shortcuts") and focused(page) == "Edit message"
    press(page, "Control+k")
    assert focused(page) == "search"
    press(page, "Tab", "F2")
    page.keyboard.type("By hand")
    press(page, "Enter", shown="#conversations a >> text=By hand")
    assert focused(page) == "By hand"
    press(page, "Tab", "Enter")
    assert focused(page) == "Rename"
    press(page, "ArrowUp")
    assert focused(page) == "Delete"
    press(page, "Escape")
    assert focused(page) == "Options for By hand"
    press(page, "Enter", "End", "Enter", shown=".toast")
    assert focused(page) == "Undo"
    press(page, "Enter", shown="#conversations a >> text=By hand")
    page.wait_for_selector("#title >> text=By hand")
    press(page, "Control+Shift+O", shown="#title >> text=New chat")
    assert focused(page) == "message"
    press(page, "Control+b")
    assert page.is_hidden("#sidebar")
    press(page, "Control+b", "Control+Shift+L")
    assert page.get_attribute("html", "data-theme") == "dark"
    press(page, "Control+,")
    assert page.is_visible("#settings")


def test_account_page(stage):
    page = stage.open()
    name = stage.register(page)
    ask(page, "Good morning")
    click(page, ".account-link", "#account-page:not([hidden])")
    page.wait_for_selector("#account-summary >> text=" + name)
    page.wait_for_selector(".account-row >> text=this browser")
    assert page.is_hidden("#chat") and page.inner_text("#title") == "Your account"
    page.click("#create-key")
    assert page.inner_text("#key-name-error")
    enter(page, "#key-name", "laptop", "#created-key code >> text=slm_")
    click(page, "[aria-label='Revoke the key laptop']", "#keys >> text=No API keys.")
    download = downloaded(page, "#export-account")
    export = json.loads(download.path().read_text())
    assert export["profile"]["username"] == name and len(export["conversations"][0]["messages"]) == 2
    stage.allowed += ["403", "401"]
    page.fill("#current-password", "wrong horse")
    page.fill("#new-password", "battery staple")
    click(page, "#change-password", "#current-password-error >> text=Wrong password")
    assert focused(page) == "current-password"
    page.fill("#current-password", "correct horse")
    click(page, "#change-password", ".toast >> text=password was changed")
    # Another session of the same user, which is ended from here.
    other = stage.open_as(name, "battery staple")
    page.reload()
    page.click("[aria-label^='End the session']")
    eventually(lambda: page.locator("#sessions li").count() == 1)
    ask(other, "Still here?", shown="#account-error >> text=expired")
    page.fill("#delete-password", "battery staple")
    click(page, "#delete-account", "#guest:not([hidden])")
    page.goto(stage.url + "/#/login")
    fill_account(page, name, "battery staple")
    page.wait_for_selector("#account-error:not([hidden])")


@scripted
def test_invitation_and_new_password(stage):
    stage.allowed.append("403")
    stage.world.closed = True
    stage.world.invitations.add("K7QM-2XPA-9F4D-T6R0")
    page = stage.open("#/register")
    page.wait_for_selector("#invitation-row:not([hidden])")
    name = stage.name()
    page.fill("#username", name)
    page.fill("#email", f"{name}@example.org")
    page.fill("#password", "correct horse")
    click(page, "#account-submit", "#account-error >> text=invitation")
    page.fill("#invitation", "wrong")
    click(page, "#account-submit", "#invitation-error:not([hidden])")
    # The link of an invitation fills in its code.
    page.goto(stage.url + "/#/register/K7QM-2XPA-9F4D-T6R0")
    eventually(lambda: page.input_value("#invitation") == "K7QM-2XPA-9F4D-T6R0")
    click(page, "#account-submit", "#user:not([hidden])")
    # The list of conversations may still be loading.
    stage.allowed.append("401")
    page.click("#log-out")
    stage.world.codes[name] = "0000-1111-2222-3333"
    page.goto(stage.url + "/#/login")
    click(page, "#to-reset a", "#code-row:not([hidden])")
    page.fill("#username", f"{name}@example.org")
    page.fill("#code", "0000-1111-2222-3333")
    page.fill("#password", "battery staple")
    click(page, "#account-submit", "#user:not([hidden])")
    assert stage.world.users[name]["password"] == "battery staple"


def test_log_out_removes_texts(stage):
    page = stage.open()
    page.fill("#message", "A guest's draft")
    stage.register(page)
    assert page.input_value("#message") == "A guest's draft"
    page.fill("#message", "Half a thought")
    page.evaluate("localStorage['slm.unsent.x'] = 'Not sent'; sessionStorage['slm.guest'] = '[]'; localStorage['slm.theme'] = 'dark'")
    click(page, "#log-out", "#guest:not([hidden])")
    eventually(lambda: page.input_value("#message") == "")
    assert page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]") == ["slm.theme"]


def test_two_tabs(stage):
    """A tab shows what another tab and another device have changed."""
    page = stage.open()
    name = stage.register(page)
    second = page.context.new_page()
    stage.watch(second)
    show(second, stage.url + "/", "html[data-ready]")
    ask(page, "Apples are red")
    second.wait_for_selector("#conversations a >> text=Apples")
    click(second, "#conversations a >> text=Apples", ".message.assistant")
    ask(page, "And pears?")
    second.wait_for_selector(".message.user >> text=And pears?")
    second.wait_for_selector(".message.assistant >> nth=1")
    second.focus("#conversations a")
    second.keyboard.press("F2")
    second.keyboard.type("Fruit")
    second.keyboard.press("Enter")
    page.wait_for_selector("#conversations a >> text=Fruit")
    other = stage.open_as(name, "correct horse")
    other.click("#new-chat")
    ask(other, "From another device")
    page.evaluate("dispatchEvent(new Event('focus'))")
    page.wait_for_selector("#conversations a >> text=another device")


def test_escape_leaves_search(stage):
    page = stage.open_registered()
    for question in ("Apples are red", "Pears are green"):
        ask(page, question)
        click(page, "#new-chat", "#welcome:not([hidden])")
    press(page, "Control+k")
    page.keyboard.type("apples")
    eventually(lambda: page.locator("#conversations a").count() == 1)
    press(page, "Escape")
    assert focused(page) == "message" and page.input_value("#search") == ""
    eventually(lambda: page.locator("#conversations a").count() == 2)


@scripted
def test_right_to_left(stage):
    page = stage.open()
    ask(page, "/rtl")
    direction = "(e) => getComputedStyle(e).direction"
    assert [page.locator(".assistant .body > p").nth(n).evaluate(direction) for n in range(3)] == ["rtl", "rtl", "ltr"]
    assert page.locator(".assistant .body ul").evaluate(direction) == "rtl"
    page.fill("#message", "שלום")
    assert page.locator("#message").evaluate(direction) == "rtl"
    page.press("#message", "Enter")
    answered(page)
    assert page.locator(".user .body").nth(1).evaluate(direction) == "rtl"
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert overflow(page) == [0], overflow(page)
    assert page.evaluate("document.getElementById('sidebar').getBoundingClientRect().right") == 1180


@scripted
def test_reconnect(stage):
    stage.allowed += ["ERR_", "Failed to load resource"]
    page = stage.open_registered()
    ask(page, "Before")
    page.wait_for_selector("#conversations a")
    begin = stage.stop()
    ask(page, "Precious words", shown=".unsent .error")
    page.wait_for_selector("#banner:not([hidden])")
    assert texts(page, "user") == ["Before", "Precious words"]
    assert page.locator("#conversations a").count() == 1, "the list was cleared while the server was down"
    ask(page, "More of them", shown=".unsent .error >> nth=1")
    begin()
    page.wait_for_selector("#banner", state="hidden")
    click(page, ".retry >> nth=0", ".message.assistant >> nth=1")
    answered(page)
    assert texts(page, "user") == ["Before", "More of them", "Precious words"], texts(page, "user")
    click(page, ".retry", ".message.assistant >> nth=2")
    answered(page)
    assert page.locator(".unsent").count() == 0 and texts(page, "user") == ["Before", "Precious words", "More of them"]
    assert len(next(iter(stage.world.conversations.values()))["messages"]) == 6
    # A connection lost during an answer keeps the text, and the answer can be regenerated.
    stage.world.faults.append(("POST", "/api/chat", {"break_after": 3}))
    ask(page, "Something longer, please")
    page.wait_for_selector(".error >> text=connection was lost")
    assert texts(page, "assistant")[3]
    page.click(".retry")
    page.wait_for_selector(".error", state="detached")
    answered(page)
    assert texts(page, "user") == ["Before", "Precious words", "More of them", "Something longer, please"]
    # Unsent messages survive a reload.
    begin = stage.stop()
    ask(page, "Never lost", shown=".unsent .error")
    begin()
    page.reload()
    eventually(lambda: page.input_value("#message") == "Never lost")


@scripted
def test_loading(stage):
    stage.allowed.append("503")
    stage.world.loading = True
    page = stage.open()
    page.wait_for_selector("#banner >> text=loading")
    ask(page, "Too early", shown=".unsent .retry:disabled")
    stage.world.loading = False
    page.wait_for_selector("#banner", state="hidden")
    page.click(".retry:enabled")
    answered(page)


@scripted
def test_expired(stage):
    stage.allowed.append("401")
    page = stage.open()
    name = stage.register(page)
    ask(page, "Before")
    page.wait_for_url("**/#/c/*")
    address = page.url
    stage.world.tokens.clear()
    ask(page, "Not to be lost", shown="#account-error >> text=session has expired")
    fill_account(page, name)
    eventually(lambda: page.input_value("#message") == "Not to be lost")
    eventually(lambda: texts(page, "user") == ["Before"])
    assert page.url == address
    press(page, "Enter", shown=".message.assistant >> nth=1")
    # An expired token is noticed before it is used.
    page.fill("#message", "Half a thought")
    page.evaluate("""localStorage['slm.expires'] = Date.now() + 200;
        dispatchEvent(new StorageEvent('storage', { key: 'slm.token' }))""")
    page.wait_for_selector("#account-error >> text=session has expired")


@scripted
def test_too_many(stage):
    stage.allowed.append("429")
    page = stage.open()
    page.fill("#message", "Patience")
    stage.world.faults.append(("POST", "/api/chat", {"status": 429, "retry_after": 2, "message": "Too many messages."}))
    page.press("#message", "Enter")
    page.wait_for_selector(".error >> text=Try again in")
    page.wait_for_selector(".retry:enabled")
    page.click(".retry")
    answered(page)
    assert texts(page, "user") == ["Patience"]


@scripted
def test_list_errors(stage):
    stage.allowed.append("500")
    page = stage.open_registered()
    ask(page, "One")
    page.wait_for_load_state("networkidle")                  # the list is read again after an answer
    stage.world.faults.append(("GET", "/api/conversations", {"status": 500, "message": "The database is busy."}))
    reload(page, ":is(#conversations, .load-error) >> text=The database is busy.")
    click(page, "text=Try again", "#conversations a")
    stage.world.faults.append(("PATCH", "/api/conversations", {"status": 500, "message": "Not written."}))
    page.focus("#conversations a")
    press(page, "F2")
    page.keyboard.type("Lost")
    press(page, "Enter", shown=".toast >> text=Not written.")
    page.wait_for_selector("#conversations a >> text=One")


def test_theme(stage):
    page = stage.open(color_scheme="dark", reduced_motion="reduce")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("#toggle-theme")
    assert page.evaluate(paper) != dark
    page.reload()
    assert page.evaluate(paper) != dark
    ask(page, "Hello")
    moving = page.evaluate("document.getAnimations().filter((a) => a.playState === 'running').length")
    assert moving == 0, moving


def main():
    modules = (sys.modules[__name__], test_feedback, test_documents, test_libraries, test_training_area, test_safety, test_contract)
    tests = {name: test for module in modules for name, test in vars(module).items() if name.startswith("test_") and callable(test)}
    words = [argument for argument in sys.argv[1:] if argument != "--scripted"]
    named = {name: test for name, test in tests.items() if not words or any(word in name for word in words)}
    kinds = {True} if "--scripted" in sys.argv else {False} if BASE_URL else {True, False}
    chosen = {name: test for name, test in named.items() if getattr(test, "scripted", False) in kinds}
    failures = []
    with stage() as shared:
        for name, test in chosen.items():
            print(name, flush=True)
            shared.begin()
            try:
                test(shared)
                shared.end()
            except Exception as error:
                failures.append(name)
                print(f"    FAILED: {type(error).__name__}: {str(error)[:1500]}", flush=True)
                print("    " + "".join(traceback.format_tb(error.__traceback__)[-2:]).replace("\n", "\n    "))
                try:
                    shared.end()
                except AssertionError as problems:
                    print(f"    also: {problems}")
    if BASE_URL:
        print(f"skipped (need the mock server): {', '.join(tests.keys() - chosen.keys())}")
    print(f"{len(chosen) - len(failures)} of {len(chosen)} passed" + (f"; failed: {', '.join(failures)}" if failures else ""))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
