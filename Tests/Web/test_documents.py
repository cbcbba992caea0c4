"""Answers from documents: the choice, the sources, citations, the panel with a passage."""
import json

from stage import answered, ask, click, downloaded, eventually, overflow, reload, scripted
from test_safety import check_axe

NOTES, MANUALS = ({"name": "notes", "files": 2, "passages": 40}, {"name": "manuals", "files": 1, "passages": 1})
NOTE = "No passage fits the question: this answer is not from the documents."


def choose(page, *names):
    page.click("#choose-documents")
    for name in names:
        page.locator("#document-choices label", has_text=name).click()
    page.click("#documents .primary")


def conversation(stage):
    return list(stage.world.conversations.values())[-1]


@scripted
def test_choice_of_documents(stage):
    page = stage.open()
    page.wait_for_load_state("networkidle")
    assert page.is_hidden("#choose-documents"), "a server without documents has a choice of them"
    stage.world.documents = [NOTES, MANUALS]
    page = stage.open_registered()
    page.wait_for_selector("#choose-documents:not([hidden])")
    assert page.inner_text("#choose-documents") == "Documents"
    ask(page, "Hello")
    assert "documents" not in stage.world.requests[-1] and page.locator(".sources").count() == 0
    page.click("#choose-documents")
    rows = page.locator("#document-choices label").all_inner_texts()
    assert rows == ["notes 2 files, 40 passages", "manuals 1 file, 1 passage"], rows
    page.keyboard.press("Escape")
    choose(page, "notes")
    eventually(lambda: conversation(stage)["documents"] == ["notes"])
    assert page.inner_text("#choose-documents") == "notes"
    ask(page, "How do I reset the pump?")
    assert page.locator(".sources").count() == 1
    # A new conversation begins with the same documents; each keeps its own.
    page.click("#new-chat")
    choose(page, "manuals")
    assert page.inner_text("#choose-documents") == "2 documents"
    ask(page, "Hello again")
    assert stage.world.requests[-1]["documents"] == ["notes", "manuals"] == conversation(stage)["documents"]
    page.locator("#conversations a").last.click()
    page.wait_for_selector("#choose-documents >> text=notes")
    # Documents that the server does not have any more can be given up.
    stage.world.documents = [MANUALS]
    reload(page, ".message.assistant")
    ask(page, "More?", shown=".error >> text=Unknown documents notes")
    stage.allowed.append("404")
    page.click("#choose-documents")
    assert page.locator("#document-choices label").all_inner_texts() == ["manuals 1 file, 1 passage", "notes not on this server any more"]
    page.keyboard.press("Escape")
    choose(page, "notes")
    eventually(lambda: list(stage.world.conversations.values())[0]["documents"] == [])
    page.click(".retry")
    answered(page)


@scripted
def test_sources(stage):
    stage.world.documents = [NOTES]
    page = stage.open_registered()
    page.wait_for_selector("#choose-documents:not([hidden])")
    choose(page, "notes")
    ask(page, "/cite reset pump")
    for _ in range(2):
        sources = page.locator(".source").all_inner_texts()
        assert [" ".join(text.split()) for text in sources] == ["1 manual/pump.md line 12 · Garden pump > Reset", "2 valve.pdf page 3"], sources
        # [1] and [2] in the text are sources, [9] and what is in code is not.
        assert page.locator(".citation").all_inner_texts() == ["1", "2", "1"]
        assert page.inner_text(".assistant .body") == "Hold the button [1]. Then the valve [2, 9], twice [1].\n\nNot in a[1]."
        reload(page, ".sources")
    page.click("role=button[name='Source 1: manual/pump.md'] >> nth=0")
    assert page.inner_text("#passage-title") == "[1] manual/pump.md"
    assert page.inner_text("#passage-place") == "notes · Garden pump > Reset · line 12"
    assert page.locator("#passage-text mark").all_inner_texts() == ["reset", "pump", "Resetting"]
    text = page.inner_text("#passage-text")
    assert "<img src=x onerror=alert(1)>" in text and "⟨U+202E⟩" in text and page.locator("#passage-text img").count() == 0, text
    page.keyboard.press("Escape")
    page.click(".source >> nth=1")
    assert page.inner_text("#passage-place") == "notes · page 3"
    page.keyboard.press("Escape")
    page.click(".sources .link-button")
    assert page.inner_text("#passage-title") == "What the model was given"
    assert page.inner_text("#passage-text").endswith("(valve.pdf)\n\n/cite reset pump")
    page.keyboard.press("Escape")
    for number, expected in enumerate(["- [1] manual/pump.md, line 12: Garden pump > Reset\n- [2] valve.pdf, page 3\n", '"heading": "Garden pump > Reset"']):
        page.click("#export")
        download = downloaded(page, f"role=menuitem >> nth={number}")
        assert expected in download.path().read_text()
    click(page, "[aria-label='Regenerate answer']", ".alternatives")
    answered(page)
    assert page.locator(".source").count() == 2, "another answer has no sources"
    ask(page, "zither")
    assert page.locator(".notice").all_inner_texts() == [NOTE] and page.locator(".source").count() == 2
    reload(page, f".notice >> text={NOTE}")


@scripted
def test_file_of_a_source(stage):
    """A source opens its file, as it was indexed, and says what has become of the file since."""
    stage.world.documents = [NOTES]
    page = stage.open()
    page.wait_for_selector("#choose-documents:not([hidden])")
    choose(page, "notes")
    ask(page, "/cite reset pump")

    def shown(source, state, said):
        stage.world.file_state = state
        page.click(f".source >> nth={source}")
        eventually(lambda: page.inner_text("#passage-status") == said)
        assert page.is_hidden("#passage-download"), "the server does not send files of its own"
        click(page, "#passage-document", ".document-part[aria-current]")
        assert page.locator(".document-view .notice:visible").all_inner_texts() == ([said] if said else [])
        texts = page.locator(".document-text").all_inner_texts()
        page.keyboard.press("Escape")
        return texts

    texts = shown(1, "unchanged", "")
    assert texts[:-1] == [f"Paragraph {n}." for n in range(2, 7)] and texts[-1].startswith("Turn the valve."), texts
    shown(1, "changed", "The file has changed since it was indexed. This is its text as it was then.")
    shown(0, "missing", "The server does not have this file any more. This is its text as it was indexed.")
    # Documents that the server does not have any more.
    stage.allowed.append("404")
    stage.world.documents = []
    click(page, ".source >> nth=0", "#passage-status >> text=Unknown documents notes.")
    assert "hold the red button" in page.inner_text("#passage-text")


@scripted
def test_documents_are_accessible(stage):
    stage.world.documents = [NOTES]
    for scheme, width in (("light", 1180), ("dark", 360)):
        page = stage.open(width=width, color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_selector("#choose-documents:not([hidden])")
        page.click("#choose-documents")
        check_axe(page, "documents")
        page.locator("#document-choices label").click()
        page.click("#documents .primary")
        ask(page, "/cite reset")
        check_axe(page, "sources")
        page.click(".citation >> nth=0")
        check_axe(page, "passage")


@scripted
def test_documents_of_a_guest(stage):
    stage.world.documents = [NOTES]
    page = stage.open(width=390, height=780)
    page.wait_for_selector("#choose-documents:not([hidden])")
    assert page.locator("#choose-documents").bounding_box()["height"] >= 44 and overflow(page) == [0]
    choose(page, "notes")
    ask(page, "/cite reset")
    assert stage.world.requests[-1]["documents"] == ["notes"] and overflow(page) == [0]
    assert page.locator(".source").first.bounding_box()["height"] >= 44
    reload(page, ".sources")
    assert page.locator(".citation").count() == 3
    page.click(".source >> nth=0")
    assert overflow(page) == [0] and page.is_visible("#passage-text")
    page.keyboard.press("Escape")
    assert json.loads(page.evaluate("localStorage['slm.documents']")) == ["notes"]
    stage.world.documents = []
    reload(page, ".sources")
    page.wait_for_load_state("networkidle")
    assert page.is_hidden("#choose-documents")
    ask(page, "Hello")
    assert "documents" not in stage.world.requests[-1]
