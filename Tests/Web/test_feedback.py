"""Tests of alternatives, ratings, corrections, settings of a conversation, the notice about training, and colored code."""
import re

from stage import answered, ask, click, downloaded, enter, eventually, overflow, press, reload, scripted, texts


def conversation(stage):
    return next(iter(stage.world.conversations.values()))


def footer(page, label):
    return page.locator(f".message.assistant:last-child [aria-label='{label}']")


@scripted
def test_alternatives(stage):
    stage.world.delay = 0
    page = stage.open_registered()
    ask(page, "/markdown")
    ask(page, "And then?")
    assert page.locator(".alternatives").count() == 0
    for _ in range(2):
        before = len(stage.world.requests)
        footer(page, "Regenerate answer").click()
        eventually(lambda: len(stage.world.requests) == before + 1)
        answered(page)
    assert page.inner_text(".alternatives span") == "3 of 3" and page.is_disabled("[aria-label='Next answer']")
    assert "message" not in stage.world.requests[-1] and len(conversation(stage)["messages"]) == 4
    # With the keyboard alone; the button keeps the focus.
    page.focus("[aria-label='Previous answer']")
    for expected in ("2 of 3", "1 of 3"):
        press(page, "Enter", shown=f".alternatives >> text={expected}")
    eventually(lambda: page.evaluate("document.activeElement.ariaLabel") == "Next answer")
    eventually(lambda: page.inner_text("#announcer") == "1 of 3")
    # Another question branches, too, and brings back its own answers.
    page.hover(".message.user >> nth=0")
    page.click("[aria-label='Edit message'] >> nth=0")
    enter(page, ".edit textarea", "Something else")
    eventually(lambda: page.locator(".message").count() == 2)
    answered(page)
    assert page.inner_text(".message.user .alternatives span") == "2 of 2"
    click(page, "[aria-label='Previous message']", ".message.user >> text=And then?")
    assert page.locator(".message").count() == 4 and texts(page, "user")[0] == "/markdown"
    assert page.locator(".alternatives span").all_inner_texts() == ["1 of 2", "1 of 3"]
    reload(page, ".message.assistant >> nth=1")
    assert page.locator(".alternatives span").all_inner_texts() == ["1 of 2", "1 of 3"]


@scripted
def test_failed_regeneration_keeps_the_answer(stage):
    stage.allowed.append("500")
    page = stage.open_registered()
    ask(page, "Hello")
    answer = texts(page, "assistant")
    stage.world.faults.append(("POST", "/api/chat", {"status": 500, "message": "Out of order."}))
    footer(page, "Regenerate answer").click()
    page.wait_for_selector(".error >> text=Out of order.")
    assert texts(page, "assistant") == answer and page.locator(".unsent").count() == 0
    click(page, ".retry", ".alternatives >> text=2 of 2")
    assert page.locator(".error").count() == 0
    stage.allowed.append("409")
    stage.world.faults.append(("POST", "/api/conversations", {"status": 409, "message": "An answer is in progress."}))
    click(page, "[aria-label='Previous answer']", ".toast >> text=An answer is in progress.")
    assert page.inner_text(".alternatives span") == "2 of 2"


@scripted
def test_rating(stage):
    page = stage.open_registered()
    ask(page, "Hello")
    footer(page, "Bad answer").click()
    page.wait_for_selector(".reasons >> text=What was wrong?")
    answer = conversation(stage)["messages"][1]
    assert answer["rating"] == {"rating": "bad"} and footer(page, "Bad answer").get_attribute("aria-pressed") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.type("It is <b>wrong</b>.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".reasons", state="detached")
    assert answer["rating"] == {"rating": "bad", "reason": "incorrect", "comment": "It is <b>wrong</b>."}, answer["rating"]
    assert page.evaluate("document.activeElement.ariaLabel") == "Bad answer"
    reload(page, "[aria-label='Bad answer'][aria-pressed=true]")
    click(page, "[aria-label='Good answer']", ".reasons >> text=What was good?")
    page.keyboard.press("Escape")
    page.wait_for_selector(".reasons", state="detached")
    assert conversation(stage)["messages"][1]["rating"] == {"rating": "good"}
    click(page, "[aria-label='Good answer']", "[aria-label='Good answer'][aria-pressed=false]")
    assert "rating" not in conversation(stage)["messages"][1]
    stage.allowed.append("500")
    stage.world.faults.append(("PUT", "/api/conversations", {"status": 500, "message": "Not written."}))
    click(page, "[aria-label='Bad answer']", ".toast >> text=Not written.")
    assert page.get_attribute("[aria-label='Bad answer']", "aria-pressed") == "false"


@scripted
def test_correction(stage):
    page = stage.open_registered()
    ask(page, "Hello")
    original = page.inner_text(".assistant .body")
    top = page.locator(".assistant .body").bounding_box()["y"]
    footer(page, "Correct answer").click()
    assert abs(page.locator(".correct textarea").bounding_box()["y"] - top) < 4 and page.is_hidden(".assistant .body")
    page.fill(".correct textarea", "A **better** answer")
    click(page, ".correct .primary", ".corrected >> text=Corrected by you")
    assert page.inner_text(".assistant .body") == "A better answer" and page.locator(".assistant .body strong").count() == 1
    assert conversation(stage)["messages"][1]["correction"] == "A **better** answer"
    page.click("text=Show original")
    assert page.inner_text(".assistant .body") == original
    assert page.evaluate("document.activeElement.textContent") == "Show correction"
    page.keyboard.press("Enter")
    assert page.inner_text(".assistant .body") == "A better answer"
    page.click("#export")
    download = downloaded(page, "role=menuitem >> nth=1")
    text = download.path().read_text()
    assert '"correction": "A **better** answer"' in text and original.split()[0] in text
    reload(page, ".corrected")
    footer(page, "Correct answer").click()
    page.click("text=Remove correction")
    page.wait_for_selector(".corrected", state="detached")
    assert page.inner_text(".assistant .body") == original and "correction" not in conversation(stage)["messages"][1]


@scripted
def test_model_is_right_as_soon_as_it_is_shown(stage):
    stage.world.adapters = [stage.world.model + ":poems"]
    page = stage.open_registered()
    page.wait_for_selector("#model-choice:not([hidden])")
    page.select_option("#model-choice", stage.world.adapters[0])
    ask(page, "Hello")
    stage.world.faults.append(("GET", "/api/health", {"sleep": 1}))
    stage.world.faults.append(("GET", "/api/me", {"sleep": 4}))
    reload(page, ".message.assistant")
    page.wait_for_selector("#model-choice:not([hidden])")
    assert page.input_value("#model-choice") == stage.world.adapters[0]
    stage.world.adapters = []


@scripted
def test_settings_of_a_conversation(stage):
    stage.world.adapters = [stage.world.model + ":poems"]
    page = stage.open_registered()
    page.wait_for_selector("#model-choice:not([hidden])")
    page.click("#open-conversation")
    page.fill("#system-prompt", "Answer in rhymes.")
    page.press("#system-prompt", "Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.is_hidden("#conversation")
    page.select_option("#model-choice", stage.world.adapters[0])
    ask(page, "Hello")
    request = stage.world.requests[-1]
    assert request["system_prompt"] == "Answer in rhymes." and request["model"] == stage.world.adapters[0]
    page.select_option("#model-choice", stage.world.model)
    eventually(lambda: conversation(stage)["model"] == stage.world.model)
    reload(page, ".message.assistant")
    # The list of models is shown when the server's health is known.
    page.wait_for_selector("#model-choice:not([hidden])")
    assert page.input_value("#model-choice") == stage.world.model
    page.click("#open-conversation")
    assert page.input_value("#system-prompt") == "Answer in rhymes."
    page.fill("#system-prompt", "")
    page.click("#conversation .primary")
    eventually(lambda: conversation(stage)["system_prompt"] is None)
    # A new chat has none, and a guest's is sent with each message.
    click(page, "#log-out", "#guest:not([hidden])")
    page.click("#open-conversation")
    assert page.input_value("#system-prompt") == "" and page.is_hidden("#conversation-training-row")
    page.fill("#system-prompt", "Be kind.")
    page.click("#conversation .primary")
    ask(page, "Hello")
    assert stage.world.requests[-1]["history"] == [{"role": "system", "content": "Be kind."}]
    stage.world.adapters = []
    page.reload()
    page.click("#open-conversation")
    assert page.input_value("#system-prompt") == "Be kind."
    page.keyboard.press("Escape")
    page.click("#new-chat")
    page.click("#open-conversation")
    assert page.input_value("#system-prompt") == ""
    press(page, "Escape", shown=f"#model-name:not([hidden]) >> text={stage.world.model}")


@scripted
def test_training(stage):
    page = stage.open()
    page.wait_for_selector(f"#model >> text={stage.world.model}")
    assert page.is_hidden("#training")
    stage.world.training = True
    reload(page, "#training >> text=Your chats may be used to train the model.")
    ask(page, "Hello")
    assert "collect" not in stage.world.requests[-1]
    click(page, "#training-switch", "#training >> text=Your chats are not used for training.")
    ask(page, "Hello again")
    assert stage.world.requests[-1]["collect"] is False
    page.click("#open-settings")
    assert not page.is_checked("#may-collect")
    page.check("#may-collect")
    page.click("#settings .primary")
    ask(page, "Once more")
    assert "collect" not in stage.world.requests[-1]
    stage.register(page)
    page.wait_for_selector("#training >> text=This chat may be used to train the model.")
    click(page, "#training-switch", "#training >> text=This chat is not used for training.")
    ask(page, "A secret")
    assert stage.world.requests[-1]["training"] is False and conversation(stage)["training"] is False
    click(page, "#training-switch", "#training >> text=may be used")
    assert conversation(stage)["training"] is True
    click(page, ".account-link", "#account-training:checked")
    page.uncheck("#account-training")
    eventually(lambda: len(stage.world.left_out) == 1)
    click(page, "#conversations a", "#training >> text=Your account is left out of training.")
    assert page.is_hidden("#training-switch")
    reload(page, "#training >> text=Your account is left out of training.")
    page.focus("#conversations a")
    press(page, "Delete", shown=".toast >> text=not used for training any more")


@scripted
def test_feedback_on_a_phone(stage):
    stage.world.training = True
    stage.world.adapters = ["a-model-with-quite-a-long-name:and-an-adapter"]
    page = stage.open(width=320, height=600, has_touch=True, is_mobile=True)
    stage.register(page)
    ask(page, "Hello")
    footer(page, "Regenerate answer").tap()
    page.wait_for_selector(".alternatives >> text=2 of 2")
    footer(page, "Bad answer").tap()
    page.wait_for_selector(".reasons")
    assert overflow(page) == [0], overflow(page)
    page.tap(".reasons [type=button]")
    footer(page, "Correct answer").tap()
    assert overflow(page) == [0], overflow(page)
    page.tap(".correct [type=button] >> nth=0")
    page.tap("#more")
    page.tap("role=menuitem[name='This conversation']")
    assert overflow(page) == [0], overflow(page)


CODE = {
    "python": 'def f(x):  # "comment"\n    """text\n    """\n    return "a\\"b" if x else None',
    "swift": 'let x: [Int] = [1] /* why */ // "x"\nguard x.isEmpty else { return nil }', "sql": "SELECT 'it''s' FROM t -- all",
    "html": "<p class=\"a\">don't <!-- x --></p>", "json": '{"a": [1, true]}', "css": "@media print { a { color: red } }",
    "javascript": "const a = `b\n${c}`;", "c": '#include <stdio.h>\nint main(void) { return 0; }', "bash": 'if [ "$1" ]; then echo a#b; fi # end',
}


def test_highlighting(stage):
    """Every text comes out unchanged, in linear time, and never as HTML."""
    page = stage.open()
    page.evaluate("import('/web/chat/highlight.js').then((module) => { window.highlight = module; })")
    eventually(lambda: page.evaluate("!!window.highlight"))
    shown = """([code, language]) => {
        const element = document.createElement('code');
        element.append(...highlight.highlighted(code, language));
        return [element.textContent, [...element.children].map((e) => [e.tagName, e.className, e.textContent])]; }"""
    for language, code in CODE.items():
        text, spans = page.evaluate(shown, [code, language])
        assert text == code and spans and all(tag == "SPAN" and re.fullmatch("t-[a-z]+", kind) for tag, kind, _ in spans), (language, spans)
    spans = page.evaluate(shown, [CODE["python"], "py"])[1]
    assert [(kind, text) for _, kind, text in spans] == [
        ("t-word", "def"), ("t-comment", '# "comment"'), ("t-text", '"""text\n    """'), ("t-word", "return"), ("t-text", '"a\\"b"'),
        ("t-word", "if"), ("t-word", "else"), ("t-constant", "None")], spans
    for name in ("", "brainfuck", "constructor", "__proto__"):
        assert page.evaluate(shown, ["if <b> 1 // x", name]) == ["if <b> 1 // x", []]
    evil = '<img src=x onerror=alert(1)><script>alert(1)</script> "</span>'
    slow = page.evaluate("""([names, evil]) => {
        const units = ['"', "'", '`', '/*', '*/', '<', '<!--', '\\\\', '\\n"', '#', '--', '-', '1', 'a', '<a ', "'''", '\\u{1F600}'];
        const problems = [];
        for (const name of names) {
            for (const unit of [...units, evil]) {
                const code = unit.repeat(20000 / unit.length), start = performance.now();
                const element = document.createElement('code');
                element.append(...highlight.highlighted(code, name));
                if (element.textContent !== code || element.querySelector(':not(span)')) problems.push([name, unit, 'changed']);
                if (performance.now() - start > 20000) problems.push([name, unit, performance.now() - start]);
            }
        }
        return problems; }""", [list(CODE), evil])
    assert not slow, slow


@scripted
def test_thoughts_and_tool_calls_are_folded(stage):
    page = stage.open()
    stage.world.delay = 0.05
    ask(page, "/think", wait=False)
    page.click(".fold summary >> text=Thinking")
    page.wait_for_selector(".fold[open] summary >> text=Thoughts")             # the same element
    answered(page)
    assert page.locator(".fold summary").all_inner_texts() == ["Thoughts", "Tool call: weather"]
    assert page.locator(".fold strong").inner_text() == "bread" and page.is_hidden(".fold >> text=Rome")
    assert page.locator(".assistant .body > p").all_inner_texts() == ["Take flour."]
    stage.world.delay = 0
    ask(page, "/reason")
    assert page.inner_text(".message:last-child .body").split("\n")[0] == "Thoughts"
    eventually(lambda: page.inner_text("#announcer").split() == "Answer: Thoughts Take flour.".split())
    assert page.inner_text(".message:last-child .sender") == stage.world.model


@scripted
def test_code_is_colored(stage):
    page = stage.open()
    ask(page, "/markdown")
    assert page.locator(".code code [class^=t-]").count() > 0


def test_feedback_is_stored(stage):
    """With every server: alternatives, ratings, corrections and the system prompt survive a reload."""
    page = stage.open_registered()
    ask(page, "What comes after 3?")
    footer(page, "Regenerate answer").click()
    page.wait_for_selector(".alternatives >> text=2 of 2")
    click(page, "[aria-label='Previous answer']", ".alternatives >> text=1 of 2")
    footer(page, "Bad answer").click()
    page.check(".reasons [value=incorrect]")
    page.click(".reasons .primary")
    page.wait_for_selector(".reasons", state="detached")
    footer(page, "Correct answer").click()
    page.fill(".correct textarea", "After 3 comes four.")
    click(page, ".correct .primary", ".corrected")
    page.click("#open-conversation")
    page.fill("#system-prompt", "Be exact.")
    page.click("#conversation .primary")
    reload(page, ".corrected >> text=Corrected by you")
    assert texts(page, "assistant") == ["After 3 comes four."]
    assert page.inner_text(".alternatives span") == "1 of 2"
    assert footer(page, "Bad answer").get_attribute("aria-pressed") == "true"
    page.click("#open-conversation")
    assert page.input_value("#system-prompt") == "Be exact."
    page.keyboard.press("Escape")
    click(page, "[aria-label='Next answer']", ".alternatives >> text=2 of 2")
    assert page.locator(".corrected").count() == 0
    ask(page, "And after 4?")
    assert page.locator(".message").count() == 4 and page.locator(".alternatives").count() == 1
