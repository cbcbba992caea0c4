"""Libraries: documents that an account uploads, shares and chats with. The routes are those of mock_libraries.py."""
import pathlib
import re
import tempfile
import time

import mock_libraries
import mock_server
from stage import ask, click, downloaded, enter, eventually, fill_account, overflow, press, reload, scripted
from test_safety import CONTROLS, check_axe

MANUAL = "# Garden pump\n\n" + "\n\n".join(f"To reset pump number {n}, hold the red button for {n} seconds." for n in range(60))
FILES = list((mock_server.WEB / "libraries").iterdir())
EARLIER, LATER = "role=button[name=Earlier]", "role=button[name=Later]"
HOSTILE = "<img src=x onerror=alert(1)> \u202egnp.exe \u001b[31m"


def a_file(name, text):
    return {"name": name, "mimeType": "application/octet-stream", "buffer": text if isinstance(text, bytes) else text.encode()}


def open_account(stage, space=100_000_000, **window):
    """Opens the page with an account that may upload documents. Returns the page and the name of the account."""
    stage.world.libraries.bytes = space
    page = stage.open(**window)
    name = stage.register(page)
    page.wait_for_selector("#choose-documents:not([hidden])")
    return page, name


def open_library(page, name="Garden"):
    page.click("#choose-documents")
    click(page, f"role=button[name=/(Manage|View) {name}/]", "#library .library")


def create(page, name="Garden"):
    page.click("#choose-documents")
    enter(page, "#library-name", name, "#library .library")


def add(page, *files):
    page.locator("#library input[type=file]").first.set_input_files(list(files))


def rows(page, which=".library-files li"):
    """The texts of the files of a library."""
    return [" ".join(text.split()) for text in page.locator(f"#library {which}").all_inner_texts()]


def uploads(page):
    """The texts of the uploads that are not done."""
    return rows(page, "li:has(.progress)")


def only_library(stage):
    library, = stage.world.libraries.libraries.values()
    return library


def names(library):
    return sorted(file["name"] for file in library["files"].values())


def status(page, text):
    page.wait_for_selector(f"#documents-status >> text={text}")


def focused(page):
    return page.evaluate("document.activeElement?.ariaLabel || document.activeElement?.textContent || document.activeElement?.id")


@scripted
def test_button_of_documents(stage):
    """Accounts have the button where they may upload; guests where there are documents."""
    page, _ = open_account(stage)
    page.click("#choose-documents")
    assert page.is_visible("#no-documents") and page.is_visible("#library-form")
    page.keyboard.press("Escape")
    click(page, "#log-out", "#guest:not([hidden])")
    page.wait_for_selector("#choose-documents", state="hidden")
    stage.world.documents = [{"name": "manuals", "files": 2, "passages": 4}]
    page.reload()
    page.click("#choose-documents")
    assert page.locator("#document-choices label").all_inner_texts() == ["manuals 2 files, 4 passages"]
    assert page.is_hidden("#library-form") and page.is_hidden("#no-documents")


@scripted
def test_library_files(stage):
    """The code of libraries is loaded when one is opened. It has no way to insert HTML, and stays small."""
    page, _ = open_account(stage)
    page.click("#choose-documents")
    loaded = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/web/libraries/'))"
    assert page.evaluate(loaded + ".length") == 0
    page.route("**/libraries/library-view.js", lambda route: route.abort())
    stage.allowed += ["ERR_FAILED", "503"]
    enter(page, "#library-name", "Garden")
    status(page, "This part of the page could not be loaded. Reload the page.")
    page.unroute("**/libraries/library-view.js")
    page.reload()
    open_library(page)
    files = page.evaluate(loaded + ".map((e) => [e.name, e.encodedBodySize])")
    forbidden = (".innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", 'setAttribute("style"')
    for url, _ in files:
        assert not any(word in page.evaluate("(url) => fetch(url).then((r) => r.text())", url) for word in forbidden), url
    total = sum(size for _, size in files)
    assert len(files) == len(FILES) - 1 and 5_000 < total < 20_000, (files, total)
    print(f"    {total:,} bytes in {len(files)} files")


@scripted
def test_library_from_creation_to_answer(stage):
    page, name = open_account(stage)
    page.click("#choose-documents")
    page.click("#create-library")
    assert page.inner_text("#library-name-error").startswith("Enter a name") and page.evaluate("document.activeElement.id") == "library-name"
    page.keyboard.press("Escape")
    create(page)
    library = only_library(stage)
    assert page.inner_text("#documents-title") == "Garden" and focused(page) == "Garden"
    status(page, "Created, and chosen for this conversation.")
    assert page.inner_text("#choose-documents") == "Garden", "a new library is not chosen"
    stage.world.libraries.reading = 3600
    add(page, a_file("pump.md", MANUAL), a_file("photo.png", b"\x89PNG\0"))
    status(page, "2 files added.")
    # Added files stay where their uploads were. They are sorted when the library is opened again.
    assert rows(page) == [f"pump.md {len(MANUAL) / 1000:.2f} kB · reading…", "photo.png 5 bytes · reading…"], rows(page)
    assert page.inner_text(".library-head p").startswith("2 files · 0 passages ·") and page.inner_text(".library-head p").endswith("only for you · reading 2 files…")
    # A list with a file that is being read is loaded again until it has been read.
    page.click("#documents-back")
    assert focused(page) == "Manage Garden"
    page.wait_for_selector("#document-choices label >> text=reading 2 files…")
    for file in library["files"].values():
        file["ready_at"] = 0
    page.wait_for_selector("#document-choices label >> text=2 files, 60 passages")
    click(page, "role=button[name='Manage Garden']", "#library .library")
    assert rows(page) == ["photo.png 5 bytes · skipped: not a text", f"pump.md {len(MANUAL) / 1000:.2f} kB · 60 passages"], rows(page)
    page.keyboard.press("Escape")
    ask(page, "How do I reset the pump?")
    assert stage.world.requests[-1]["documents"] == [library["id"]]
    assert [" ".join(text.split()) for text in page.locator(".source").all_inner_texts()] == [
        "1 pump.md line 3 · Garden pump", "2 pump.md line 5 · Garden pump"]
    reload(page, ".sources")
    page.wait_for_selector("#choose-documents >> text=Garden")
    assert page.inner_text("#choose-documents") == "Garden", "the label is the id of the library"


@scripted
def test_files_are_read_while_the_view_is_open(stage):
    page, _ = open_account(stage)
    create(page)
    stage.world.libraries.reading = 3600
    add(page, a_file("pump.md", MANUAL))
    page.wait_for_selector("#library >> text=reading…")
    asked = []
    page.on("request", lambda request: re.search(r"/api/libraries/\w+$", request.url) and asked.append(time.time()))
    page.focus("[aria-label='Delete pump.md']")
    eventually(lambda: page.title() and len(asked) >= 2)
    assert asked[1] - asked[0] > 1.5, asked
    # An error is not the end.
    stage.allowed.append("503")
    stage.world.faults.append(("GET", "/api/libraries/", {"status": 503}))
    eventually(lambda: not stage.world.faults)
    next(iter(only_library(stage)["files"].values()))["ready_at"] = 0
    status(page, "All files have been read.")
    assert focused(page) == "Delete pump.md", "an update takes the focus"
    count = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == count, "the library is asked for although nothing is being read"
    page.click("text=Name, sharing and more")
    page.click("text=Read all files again")
    status(page, "All files are read again.")
    page.wait_for_selector("#library >> text=reading…")
    assert stage.world.libraries.reindexed == 1
    # Once a part has been read, the time left is estimated from it.
    add(page, a_file("long.txt", MANUAL * 9))
    page.wait_for_selector(".library-head >> text=reading 2 files…")
    next(file for file in only_library(stage)["files"].values() if file["name"] == "pump.md")["ready_at"] = 0
    page.wait_for_selector(".library-head >> text=/reading 1 file, (about 1 minute|less than a minute) left/")
    page.keyboard.press("Escape")
    count = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) == count, "the library is asked for although it is not shown"


@scripted
def test_folder(stage):
    """Files of a folder have its path in their names. Hidden files are left out."""
    page, _ = open_account(stage)
    create(page)
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "notes"
        for name, text in {"pump.md": MANUAL, "deep/er/valve.txt": "Turn it.", ".git/config": "x", ".hidden": "x"}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        with page.expect_file_chooser() as chooser:
            page.click("text=Add folder")
        chooser.value.set_files(folder)
        status(page, "2 files added.")
        assert names(only_library(stage)) == ["notes/deep/er/valve.txt", "notes/pump.md"]
        # A file of the same name is replaced.
        (folder / "deep/er/valve.txt").write_text("Turn it twice.")
        drop(page, folder, folder / "pump.md")
        eventually(lambda: names(only_library(stage)) == ["notes/deep/er/valve.txt", "notes/pump.md", "pump.md"])
        status(page, "2 files added. 1 file unchanged.")
        assert b"Turn it twice." in [file["content"] for file in only_library(stage)["files"].values()]
    page.wait_for_selector("#library >> text=notes/pump.md")
    assert len(rows(page)) == 3 and "over" not in page.get_attribute("#documents", "class")


def delete(page, button, answer="Delete file"):
    """Presses a button that deletes something, and answers the question."""
    page.click(button)
    page.locator("dialog", has_text="cannot be undone").get_by_role("button", name=answer).click()


@scripted
def test_folders_of_a_library(stage):
    """Files in folders are listed below them. With many files, the folders are closed at first."""
    page, name = open_account(stage)
    libraries = stage.world.libraries
    files = {"b.md": "One.", "notes/a.md": "One.", "notes/deep/c.md": "Two.", "notes/b.md": "Three.", "\u202etxt/x": "Four."}
    identifier = libraries.add(name, "Garden", files)
    open_library(page)
    assert rows(page) == ["b.md 4 bytes · 1 passage", "a.md 4 bytes · 1 passage", "b.md 6 bytes · 1 passage", "c.md 4 bytes · 1 passage",
                          "x 5 bytes · 1 passage"], rows(page)
    folders = lambda: [" ".join(text.split()) for text in page.locator(".folders summary").all_inner_texts()]
    assert folders() == ["notes 2 files · 10 bytes", "notes/deep 1 file · 4 bytes", "⟨U+202E⟩txt 1 file · 5 bytes"], folders()
    page.click("summary >> text=notes >> nth=0")
    assert page.is_hidden("[aria-label='Delete notes/a.md']") and page.is_visible("[aria-label='Delete notes/deep/c.md']")
    # A folder is deleted without those in it.
    delete(page, "[aria-label='Delete the folder notes']", "Cancel")
    assert focused(page) == "Delete the folder notes" and len(names(only_library(stage))) == 5
    delete(page, "[aria-label='Delete the folder notes']", "Delete folder")
    status(page, "notes was deleted.")
    assert names(only_library(stage)) == ["b.md", "notes/deep/c.md", "\u202etxt/x"] and len(folders()) == 2
    delete(page, "[aria-label='Delete notes/deep/c.md']")
    status(page, "notes/deep/c.md was deleted.")
    assert len(folders()) == 1, "a folder without files is still shown"
    page.keyboard.press("Escape")
    for n in range(30):
        mock_libraries.store(libraries.libraries[identifier], f"many/{n}.md", b"One.", 0)
    open_library(page)
    assert page.locator(".folders details:not([open])").count() == 2 and page.is_hidden("[aria-label='Delete many/0.md']")
    page.focus("summary:has-text('many')")
    page.keyboard.press("Enter")
    assert page.is_visible("[aria-label='Delete many/29.md']")
    check_axe(page, "folders")


@scripted
def test_files_are_found(stage):
    """Many files have a filter: by words of their names, and those that were skipped, which can be read again one by one."""
    page, name = open_account(stage)
    libraries, find = stage.world.libraries, "#library [type=search]"
    files = {f"manuals/pump {n}.md": "One." for n in range(20)} | {"manuals/Valve.md": "Two.", "scan.pdf": "", "notes/scan 2.pdf": ""}
    libraries.add(name, "Garden", files)
    libraries.add(name, "Small", {"a.md": "One.", "b.md": ""})
    open_library(page, "Small")
    assert page.locator(find).count() == 0
    page.click("#documents-back")
    click(page, "role=button[name='Manage Garden']", find)
    assert page.locator(".folders details[open]").count() == 0 and page.inner_text(".file-filter [role=status]") == ""
    page.fill(find, "VALVE man")
    assert rows(page) == ["Valve.md 4 bytes · 1 passage"] and page.inner_text(".file-filter [role=status]") == "1 of 23 files"
    # The button of a folder would delete files that are not shown.
    assert page.is_hidden("[aria-label='Delete the folder manuals']")
    page.fill(find, "nowhere")
    assert rows(page) == [] and page.inner_text(".file-filter [role=status]") == "0 of 23 files" and page.is_hidden("text=No files yet")
    page.fill(find, "")
    assert page.is_visible("[aria-label='Delete the folder manuals']")
    page.click("text=Only 2 skipped files")
    skipped = ["scan.pdf 0 bytes · skipped: no text in it", "scan 2.pdf 0 bytes · skipped: no text in it"]
    assert rows(page) == skipped, rows(page)
    check_axe(page, "filter")
    libraries.reading = 3600
    page.click("[aria-label='Read scan.pdf again']")
    status(page, "scan.pdf is read again.")
    assert rows(page) == skipped[1:] and page.is_visible("text=Only 1 skipped file")
    scan = next(file for library in libraries.libraries.values() for file in library["files"].values() if file["name"] == "scan.pdf")
    scan.update(content=b"Text.", ready_at=0)
    status(page, "All files have been read.")
    page.click("text=Only 1 skipped file")
    assert rows(page)[0] == "scan.pdf 5 bytes · 1 passage" and page.is_hidden("[aria-label='Read scan.pdf again']")


@scripted
def test_several_files_are_deleted(stage):
    """Boxes select files, ranges and folders; one request deletes them."""
    page, name = open_account(stage)
    files = {"a.md": "One.", "b.md": "Two.", "c.md": "Three.", "d.md": "Four.", "notes/e.md": "Five.", "notes/f.md": "Six.", "g/h.md": "Seven."}
    stage.world.libraries.add(name, "Garden", files)
    stage.world.libraries.add(name, "One file", {"a.md": "One."})
    open_library(page, "One file")
    assert page.is_hidden("text=Select files"), "one file needs no selection"
    page.click("#documents-back")
    click(page, "role=button[name='Manage Garden']", "#library .library")
    assert page.locator("#library .select:visible").count() == 0
    selected = lambda: page.inner_text(".selection [role=status]")
    page.click("text=Select files")
    assert focused(page) == "Select a.md" and selected() == "0 files selected" and page.is_disabled(".selection .danger")
    assert page.is_hidden("[aria-label='Delete a.md']") and page.is_hidden("[aria-label='Delete the folder notes']")
    page.check("[aria-label='Select b.md']")
    page.click("[aria-label='Select d.md']", modifiers=["Shift"])
    assert selected() == "3 files selected · 15 bytes", selected()
    page.uncheck("[aria-label='Select c.md']")
    folder = "[aria-label='Select the files in notes']"
    page.check("[aria-label='Select notes/e.md']")
    assert page.evaluate("(box) => box.indeterminate && !box.checked", page.query_selector(folder)) and selected() == "3 files selected · 14 bytes"
    page.click(folder)
    assert page.is_checked("[aria-label='Select notes/f.md']") and selected() == "4 files selected · 18 bytes", selected()
    check_axe(page, "selection")
    requests = []
    page.on("request", lambda request: "/files/delete" in request.url and requests.append(request.post_data_json["files"]))
    delete(page, ".selection .danger", "Cancel")
    assert selected().startswith("4 files") and requests == []
    stage.world.faults.append(("POST", "/api/libraries/", {"status": 503}))
    stage.allowed.append("503")
    delete(page, ".selection .danger", "Delete 4 files")
    page.wait_for_selector("#documents-status:not(:empty)")
    assert len(requests) == 1 and len(names(only(stage, "Garden"))) == 7 and selected().startswith("4 files")
    stage.world.faults.clear()
    delete(page, ".selection .danger", "Delete 4 files")
    status(page, "4 files deleted.")
    assert names(only(stage, "Garden")) == ["a.md", "c.md", "g/h.md"] and len(requests) == 2 and len(requests[1]) == 4
    assert page.locator("#library .select:visible").count() == 0 and focused(page) == "Select files"
    # What another tab deletes is not selected any more.
    page.click("text=Select files")
    page.check("[aria-label='Select a.md']")
    page.check("[aria-label='Select c.md']")
    library = only(stage, "Garden")
    library["files"] = {id: file for id, file in library["files"].items() if file["name"] != "a.md"}
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    eventually(lambda: selected() == "1 file selected · 6 bytes")
    page.click(".selection >> text=Cancel")
    assert page.locator("#library .select:visible").count() == 0 and page.is_visible("[aria-label='Delete c.md']")
    # A library of someone else has nothing to select.
    library["owner"], library["access"] = "bob", "everyone"
    page.reload()
    open_library(page)
    assert page.locator("text=Select files").count() == 0 and page.locator("#library .select").count() == 0


@scripted
def test_unchanged_files_are_not_sent(stage):
    """Of a folder that is added again, only the files that have changed are sent."""
    page, name = open_account(stage)
    stage.world.libraries.add(name, "Garden", {"a.md": "One.", "b.md": "Two.", "c.md": "Three."})
    open_library(page)
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url.split("name=")[-1]))
    add(page, a_file("a.md", "One."), a_file("b.md", "2wo."), a_file("c.md", "Three, changed."), a_file("d.md", "Four."))
    status(page, "3 files added. 1 file unchanged.")
    assert sent == ["b.md", "c.md", "d.md"] and len(rows(page)) == 4, sent
    assert [file["content"] for file in only(stage, "Garden")["files"].values()][1] == b"2wo."
    add(page, a_file("a.md", "One."), a_file("b.md", "2wo."))
    status(page, "2 files unchanged.")
    assert len(sent) == 3
    # Of two uploads of one name, the last one counts, also if it is what the library had.
    add(page, a_file("a.md", "Another."), a_file("a.md", "One."))
    status(page, "2 files added.")
    assert [file["content"] for file in only(stage, "Garden")["files"].values() if file["name"] == "a.md"] == [b"One."]
    # Without HTTPS, a browser has no hashes: the server compares.
    page.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    add(page, a_file("a.md", "One."))
    status(page, "1 file added.")
    assert sent[3:] == ["a.md", "a.md", "a.md"] and len(rows(page)) == 4


def only(stage, name):
    return next(library for library in stage.world.libraries.libraries.values() if library["name"] == name)


def drop(page, *paths):
    """Drags files and folders from the desktop onto the library, and drops them."""
    devtools, box = page.context.new_cdp_session(page), page.locator("#library").bounding_box()
    place = {"x": box["x"] + 50, "y": box["y"] + 50, "data": {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}}
    for kind in ("dragEnter", "dragOver"):
        devtools.send("Input.dispatchDragEvent", {"type": kind} | place)
    page.wait_for_selector("#documents.over")
    devtools.send("Input.dispatchDragEvent", {"type": "drop"} | place)


@scripted
def test_upload_progress_and_cancel(stage):
    page, _ = open_account(stage)
    create(page)
    stage.world.libraries.pace = 0.02
    with tempfile.TemporaryDirectory() as folder:
        for name, count in {"large.txt": 4_000_000, "small.txt": 1, "third.txt": 1}.items():
            (pathlib.Path(folder) / name).write_bytes(b"word " * count)
        add(page, *sorted(pathlib.Path(folder).iterdir()))
        check_progress(stage, page)
    # Uploads continue without the dialog, and a notice leads back.
    stage.world.libraries.pace = 0.4
    add(page, a_file("later.txt", b"word " * 40_000))
    press(page, "Escape", shown=".toast >> text=1 file added to Garden.")
    click(page, ".toast >> text=Show", "#library >> text=later.txt")
    # They end with the session.
    stage.world.libraries.pace = 2
    add(page, *(a_file(f"{n}.txt", b"word " * 40_000) for n in range(8)))
    assert uploads(page)[-1] == "7.txt waiting" and re.match(r"\d files left\nCancel all", page.inner_text(".sending"))
    page.click("text=Cancel all")
    assert uploads(page) == [] and page.is_hidden(".sending") and page.is_visible(".drop-help")
    add(page, *(a_file(f"{n}.txt", b"word " * 40_000) for n in range(8)))
    page.keyboard.press("Escape")
    click(page, "#log-out", "#guest:not([hidden])")
    page.wait_for_timeout(1500)
    assert len(names(only_library(stage))) <= 3, names(only_library(stage))


def check_progress(stage, page):
    """A large upload is canceled, and the one after it is stored."""
    bar = page.locator("progress").first
    value = lambda: bar.evaluate("(e) => e.value")
    eventually(lambda: 0 < value() < 1)
    first = value()
    eventually(lambda: value() > first)
    assert re.match(r"large.txt \d+ %", uploads(page)[0]) and uploads(page)[1:] == ["small.txt waiting", "third.txt waiting"]
    page.click("[aria-label='Cancel the upload of third.txt']")
    page.click("[aria-label='Cancel the upload of large.txt']")
    status(page, "1 file added.")
    assert names(only_library(stage)) == ["small.txt"] and uploads(page) == []


@scripted
def test_upload_errors(stage):
    """An error of one file does not stop the others."""
    stage.allowed += ["403", "429", "500", "ERR_", "Failed to load"]
    page, _ = open_account(stage, space=1000)
    stage.world.libraries.file_bytes = 2000
    create(page)
    sent = []
    page.on("request", lambda request: request.method == "POST" and "/files" in request.url and sent.append(request.url))
    add(page, a_file("huge.txt", "x" * 2001), a_file("full.txt", "x" * 1001), a_file("fits.txt", "fits"))
    status(page, "1 file added. 2 files failed.")
    assert uploads(page) == ["huge.txt The file has 2 kB; a file may have at most 2 kB.",
                                     "full.txt Your documents may have 1000 bytes in all. Delete some first."], uploads(page)
    assert len(sent) == 2, "a file that is too large was sent"
    assert page.locator("[aria-label='Try again to upload huge.txt']").is_hidden()
    assert page.inner_text(".space") == "4 bytes of 1 kB"
    stage.world.libraries.bytes = 10_000
    page.click("[aria-label='Try again to upload full.txt']")
    status(page, "1 file added. 1 file failed.")
    page.click("[aria-label='Dismiss huge.txt']")
    assert uploads(page) == [] and names(only_library(stage)) == ["fits.txt", "full.txt"]
    assert page.inner_text(".space") == "1.01 kB of 10 kB" and page.get_attribute(".space [role=meter]", "aria-valuenow") == "10"
    # The server limits the changes per minute: the page waits.
    stage.world.faults.append(("POST", "/api/libraries/", {"status": 429, "retry_after": 1, "message": "Too many changes."}))
    add(page, a_file("patient.txt", "x"))
    page.wait_for_selector("#library >> text=continues in 1 second.")
    # That the file was added is shown until all files have been read, which may be at once.
    eventually(lambda: "patient.txt" in names(only_library(stage)) and uploads(page) == [])
    # Without the server.
    begin = stage.stop()
    add(page, a_file("offline.txt", "x"))
    page.wait_for_selector("#library >> text=The server cannot be reached.")
    begin()
    page.click("[aria-label='Try again to upload offline.txt']")
    eventually(lambda: "offline.txt" in names(only_library(stage)) and uploads(page) == [])
    assert names(only_library(stage)) == ["fits.txt", "full.txt", "offline.txt", "patient.txt"]
    stage.world.faults.append(("POST", "/api/libraries/", {"status": 500, "message": "Not deleted."}))
    delete(page, "[aria-label='Delete fits.txt']")
    status(page, "Not deleted.")
    assert "field-error" in page.get_attribute("#documents-status", "class") and len(rows(page)) == 4


@scripted
def test_changes_of_a_library(stage):
    # The page may ask for the library while it is deleted.
    stage.allowed.append("404")
    page, name = open_account(stage)
    stage.world.users["bob"] = {"password": "correct horse", "email": None, "created_at": "2026-01-01T00:00:00Z"}
    create(page)
    add(page, a_file("a.md", "One."), a_file("b.md", "Two."), a_file("c.md", "Three."))
    status(page, "3 files added.")
    download = downloaded(page, "[aria-label='Download b.md']")
    assert download.suggested_filename == "b.md" and download.path().read_text() == "Two."
    page.focus("[aria-label='Delete b.md']")
    press(page, "Enter", shown="h2 >> text=Delete b.md?")
    page.keyboard.press("Escape")
    assert focused(page) == "Delete b.md" and len(names(only_library(stage))) == 3
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    status(page, "b.md was deleted.")
    assert focused(page) == "Delete c.md" and names(only_library(stage)) == ["a.md", "c.md"]
    # Sharing.
    page.click("text=Name, sharing and more")
    assert page.is_hidden("#library-readers")
    page.check("#library [value=chosen]")
    page.click("#library .primary")
    assert page.inner_text("#library-readers-error") == "Enter at least one username."
    stage.allowed.append("422")
    enter(page, "#library-readers", "bob, nowhere", "#library-readers-error >> text=No account has the username 'nowhere'.")
    assert page.evaluate("document.activeElement.id") == "library-readers" and only_library(stage)["access"] == "private"
    assert page.get_attribute("#library-readers", "aria-invalid") == "true"
    page.fill("#library-readers", "bob")
    page.fill("#library-rename", " ")
    page.click("#library .primary")
    assert page.inner_text("#library-rename-error") == "Enter a name."
    page.fill("#library-rename", "Pumps")
    page.click("#library .primary")
    status(page, "Saved.")
    assert page.inner_text("#documents-title") == "Pumps" == page.inner_text("#choose-documents")
    page.wait_for_selector(".library-head p >> text=shared with bob")
    assert page.is_hidden("#library-readers-error")
    assert only_library(stage)["readers"] == ["bob"] and only_library(stage)["name"] == "Pumps"
    page.check("#library [value=everyone]")
    page.click("#library .primary")
    eventually(lambda: only_library(stage)["access"] == "everyone")
    page.wait_for_selector(".library-head p >> text=for everyone")
    # Deletion, after a question.
    ask_and_delete(page, "Cancel")
    assert only_library(stage)["name"] == "Pumps" and focused(page) == "Delete library"
    ask_and_delete(page, "Delete library")
    status(page, "Pumps was deleted.")
    assert stage.world.libraries.libraries == {} and page.locator(".document-row").count() == 0
    page.click("#documents .primary")
    assert page.inner_text("#choose-documents") == "Documents", "a deleted library is still chosen"
    ask(page, "Hello")
    assert "documents" not in stage.world.requests[-1]


def ask_and_delete(page, answer):
    click(page, "#library >> text=Delete library", "h2 >> text=Delete Pumps?")
    page.locator("dialog", has_text="cannot be undone").get_by_role("button", name=answer).click()


@scripted
def test_libraries_in_two_tabs(stage):
    """A tab shows what another tab and another device have changed, and keeps what is being edited in it."""
    page, _ = open_account(stage)
    second = page.context.new_page()
    stage.watch(second)
    second.goto(stage.url + "/")
    second.click("#choose-documents")
    create(page)
    second.wait_for_selector(".document-row >> text=Garden")
    click(second, "role=button[name='Manage Garden']", "#library .library")
    stage.world.libraries.reading = 3600
    add(page, a_file("pump.md", MANUAL), a_file("valve.md", "Turn it."))
    eventually(lambda: len(rows(second)) == 2)
    assert rows(second)[0].endswith("reading…"), rows(second)
    for file in only_library(stage)["files"].values():
        file["ready_at"] = 0
    second.wait_for_selector("#library >> text=60 passages")
    delete(page, "[aria-label='Delete valve.md']")
    eventually(lambda: len(rows(second)) == 1)
    second.click("text=Name, sharing and more")
    second.fill("#library-rename", "Roof")
    page.click("text=Name, sharing and more")
    page.check("#library [value=everyone]")
    page.click("#library .primary")
    second.wait_for_selector(".library-head p >> text=for everyone")
    assert second.is_checked("#library [value=everyone]"), "saving in this tab would undo what the other has saved"
    assert second.input_value("#library-rename") == "Roof" and second.inner_text("#documents-title") == "Garden"
    # Another device.
    mock_libraries.store(only_library(stage), "gauge.md", b"One.", 0)
    second.evaluate("dispatchEvent(new Event('focus'))")
    second.wait_for_selector("#library >> text=gauge.md")
    stage.allowed.append("404")
    delete(page, "#library >> text=Delete library", "Delete library")
    status(second, "Garden was deleted, or is not shared with you any more.")
    assert second.locator("#library .library").count() == 0 and second.is_visible("#documents-list")


@scripted
def test_deleted_library_of_a_conversation(stage):
    page, name = open_account(stage)
    create(page)
    page.keyboard.press("Escape")
    ask(page, "Hello")
    conversation = list(stage.world.conversations.values())[-1]
    open_library(page)
    page.click("text=Name, sharing and more")
    delete(page, "#library >> text=Delete library", "Delete library")
    status(page, "Garden was deleted.")
    assert conversation["documents"] == []
    # One that another account has deleted.
    conversation["documents"] = ["0123456789abcdefghjkmnpqrs"]
    reload(page, "#choose-documents >> text=A library")
    page.click("#choose-documents")
    assert page.locator("#document-choices label").all_inner_texts() == ["A library deleted, or not shared with you any more"]
    page.fill("#library-name", "Other")
    click(page, "#create-library", "#library .library")
    assert conversation["documents"] == [only_library(stage)["id"]]


@scripted
def test_library_of_another_account(stage):
    page, name = open_account(stage)
    libraries = stage.world.libraries
    private = libraries.add("bob", "Private", {"a.md": "One."})
    shared = libraries.add("bob", "Workshop", {"saw.md": "The saw is sharp.", "empty.txt": ""}, access="chosen", readers=[name])
    public = libraries.add("bob", "Public", {"pump.md": MANUAL}, access="everyone")
    click(page, "#choose-documents", ".document-row >> nth=1")
    assert page.locator(".document-row label").all_inner_texts() == ["Public 1 file, 60 passages · by bob", "Workshop 2 files, 1 passage · by bob"]
    click(page, "role=button[name='View Workshop']", "#library .library")
    assert page.inner_text(".library-head").startswith("by bob · 2 files · 1 passage")
    assert rows(page) == ["empty.txt 0 bytes · skipped: no text in it", "saw.md 17 bytes · 1 passage"]
    assert page.locator("#library :is(input, summary, .delete, .space, .library-tools)").count() == 0, "the library of another account can be changed"
    # Its files can be read.
    click(page, "#library >> text=saw.md", "#passage .document-part >> text=The saw is sharp.")
    download = downloaded(page, "#passage-download")
    assert download.suggested_filename == "saw.md"
    page.keyboard.press("Escape")
    assert focused(page) == "saw.md" and page.is_visible("#documents-title")
    # Once it is not shared any more. The list that the page loads still has it.
    with page.expect_response("**/api/documents*"):
        page.click("#documents-back")
    libraries.libraries[shared]["access"] = "private"
    stage.allowed.append("404")
    page.click("role=button[name='View Workshop']")
    status(page, "No such library.")
    page.keyboard.press("Escape")
    # A guest reads those for everyone.
    click(page, "#log-out", "#guest:not([hidden])")
    page.click("#choose-documents")
    page.click("#document-choices label >> text=Public")
    page.click("#documents .primary")
    ask(page, "How do I reset the pump?")
    assert stage.world.requests[-1]["documents"] == [public]
    reload(page, ".sources")
    page.click(".source >> nth=0")
    click(page, "#passage-document", ".document-part[aria-current]")
    download = downloaded(page, "#passage-download")
    assert download.suggested_filename == "pump.md" and download.path().read_text() == MANUAL
    page.keyboard.press("Escape")
    open_library(page, "Public")
    assert page.inner_text(".library-head").startswith("by bob · 1 file · 60 passages") and private not in page.content()
    assert page.locator("#library :is(input, summary, .delete, .space, .library-tools)").count() == 0, "a guest can change a library"
    page.keyboard.press("Escape")
    # Once it is not shared with guests any more.
    libraries.libraries[public]["access"] = "chosen"
    page.click(".source >> nth=0")
    click(page, "#passage-document", "#passage-status >> text=No such library.")


@scripted
def test_passage_in_its_document(stage):
    page, name = open_account(stage)
    library = stage.world.libraries.add(name, "Garden", {"notes/pump.md": MANUAL.replace("pump number 30", "boiler")})
    page.reload()
    page.click("#choose-documents")
    page.click("#document-choices label")
    page.click("#documents .primary")
    ask(page, "boiler")
    page.click(".source")
    assert page.inner_text("#passage-title") == "[1] notes/pump.md" and page.inner_text("#passage-place") == "Garden · Garden pump · line 63"
    page.click("#passage-document")
    cited = page.locator(".document-part[aria-current]")
    cited.wait_for()
    texts = lambda: [int(n) for n in re.findall(r"for (\d+) seconds", page.inner_text(".document"))]
    assert texts() == list(range(25, 36)) and "boiler" in cited.inner_text() and "Cited passage" in cited.inner_text()
    assert cited.locator("mark").all_inner_texts() == ["boiler"] and page.is_hidden("#passage-document")
    place, body = cited.bounding_box(), page.locator("#passage-body").bounding_box()
    assert body["y"] <= place["y"] and place["y"] + place["height"] <= body["y"] + body["height"], "the cited passage is not in view"
    assert page.inner_text(".document-view [role=status]") == "Passages 26 to 36 of 60"
    # Earlier passages do not move those that are in view.
    page.evaluate("document.getElementById('passage-body').scrollTop = 0")
    page.focus(EARLIER)
    y = lambda: page.locator(".document-part", has_text="for 25 seconds").bounding_box()["y"]
    before = y()
    page.keyboard.press("Enter")
    eventually(lambda: texts()[0] == 14)
    assert abs(y() - before) < 1.5 and focused(page) == "Earlier"
    for first in (3, 0):
        page.keyboard.press("Enter")
        eventually(lambda: texts()[0] == first)
    eventually(lambda: page.is_hidden(EARLIER))
    assert page.evaluate("document.activeElement.id") == "passage-body"
    for last in (46, 57, 59):
        page.click(LATER)
        eventually(lambda: texts()[-1] == last)
    eventually(lambda: page.is_hidden(LATER))
    assert texts() == list(range(60))
    download = downloaded(page, "#passage-download")
    assert download.suggested_filename == "pump.md" and b"boiler" in download.path().read_bytes()
    page.keyboard.press("Escape")
    # The file has changed since, and then it is gone.
    file = next(iter(stage.world.libraries.libraries[library]["files"].values()))
    file["content"] = MANUAL.encode()
    page.click(".source")
    assert page.is_visible("#passage-document") and page.locator(".document-part").count() == 0
    click(page, "#passage-document", ".document-view .notice >> text=The file has changed since this answer")
    assert page.locator("[aria-current]", has_text="Cited").count() == 0
    page.keyboard.press("Escape")
    stage.allowed.append("404")
    stage.world.libraries.libraries[library]["files"].clear()
    page.click(".source")
    click(page, "#passage-document", "#passage-status >> text=No such file.")
    page.keyboard.press("Escape")
    page.click(".sources .link-button")
    assert page.is_hidden("#passage-foot")


@scripted
def test_hostile_libraries(stage):
    """Names, reasons and passages are untrusted text: other accounts have written them."""
    name = "x" * 300 + HOSTILE
    text = "# " + HOSTILE + "\n\nA pump. " + HOSTILE + " " + "w" * 500
    page, _ = open_account(stage, width=390, height=780)
    id = stage.world.libraries.add("bob" + HOSTILE, name, {name + "/pump.md": text, "empty" + HOSTILE: ""}, access="everyone")
    page.reload()
    click(page, "#choose-documents", ".document-row")

    def check(view):
        shown = page.inner_text("body") + page.locator("#documents, #passage").evaluate_all(
            "(all) => all.flatMap((e) => [...e.querySelectorAll('[title]')].map((e) => e.title + e.ariaLabel)).join('')")
        assert not CONTROLS & set(shown), (view, CONTROLS & set(shown))
        assert "<img src=x onerror=alert(1)>" in shown and page.locator("dialog img").count() == 0, view
        assert overflow(page) == [0], (view, overflow(page))

    check("list")
    page.locator("#document-choices label").click(position={"x": 12, "y": 12})
    click(page, ".document-row .button", "#library .library")
    check("library")
    click(page, "#library .file-name:enabled", ".document-part")
    check("document")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    ask(page, "Where is the pump?")
    page.click(".source")
    check("passage")
    download = downloaded(page, "#passage-download")
    assert not CONTROLS & set(download.suggested_filename)
    page.keyboard.press("Escape")
    # What an account has written itself.
    stage.world.libraries.libraries[id]["access"] = "private"
    create(page, "Own " + HOSTILE)
    stage.allowed.append("500")
    stage.world.faults.append(("POST", "/api/libraries/", {"status": 500, "message": "Not stored: " + HOSTILE}))
    add(page, a_file("bad " + HOSTILE.replace("\u001b", "").replace("<", "").replace(">", ""), "x"))
    page.wait_for_selector("#library >> text=Not stored")
    check("uploads")


@scripted
def test_libraries_on_a_phone(stage):
    page, _ = open_account(stage, width=390, height=844, has_touch=True, is_mobile=True)
    create(page, "A library with quite a long name")
    add(page, a_file("a very long name of a file that is not shortened/pump.md", MANUAL), a_file("photo.png", b"\0"))
    status(page, "2 files added.")
    page.wait_for_selector("#library >> text=60 passages")
    assert overflow(page) == [0], overflow(page)
    page.tap("text=Name, sharing and more")
    page.check("#library [value=chosen]")
    assert overflow(page) == [0], overflow(page)
    small = page.evaluate("""[...document.querySelectorAll('#documents :is(button, summary, input[type=text], label)')].filter((e) => e.checkVisibility())
        .map((e) => [e.ariaLabel ?? e.textContent, e.getBoundingClientRect().height]).filter(([name, height]) => height < 44 && name !== 'Usernames' && name !== 'Name')""")
    assert not small, small
    page.tap("#documents-back")
    assert overflow(page) == [0], overflow(page)
    page.tap("#documents .primary")
    assert page.locator("#choose-documents").bounding_box()["width"] < 120 and overflow(page) == [0]
    ask(page, "How do I reset the pump?")
    page.tap(".source >> nth=0")
    page.tap("#passage-document")
    page.wait_for_selector(".document-part")
    assert overflow(page) == [0], overflow(page)
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow(page) == [0], overflow(page)
    open_library(page, "A library")
    assert overflow(page) == [0], overflow(page)


@scripted
def test_libraries_by_keyboard(stage):
    page, _ = open_account(stage)
    # Before the first one is opened: the browser shall not open a window of its own.
    page.on("filechooser", lambda chooser: None)
    keys = lambda *all: [page.keyboard.press(key) for key in all]
    page.focus("#choose-documents")
    keys("Enter")
    eventually(lambda: page.is_visible("#documents"))
    page.focus("#library-name")
    page.keyboard.type("Garden")
    keys("Enter")
    eventually(lambda: focused(page) == "Garden")
    keys("Shift+Tab")
    assert focused(page) == "All documents"
    keys("Enter")
    eventually(lambda: focused(page) == "Manage Garden")
    keys("Shift+Tab", "Space")
    eventually(lambda: page.inner_text("#choose-documents") == "Documents")
    keys("Space")
    eventually(lambda: page.inner_text("#choose-documents") == "Garden")
    keys("Tab", "Enter")
    eventually(lambda: focused(page) == "Garden")
    page.focus("text=Add files")
    with page.expect_file_chooser() as chooser:
        keys("Enter")
    chooser.value.set_files([a_file("pump.md", MANUAL)])
    page.wait_for_selector("#library >> text=60 passages")
    page.focus("#library .file-name")
    keys("Enter")
    page.wait_for_selector(".document-part")
    eventually(lambda: page.evaluate("document.activeElement.id") == "passage-body")
    keys("Escape")
    assert focused(page) == "pump.md"
    keys("Escape")
    assert page.is_hidden("#documents") and page.evaluate("document.activeElement.id") == "choose-documents"


@scripted
def test_libraries_are_accessible(stage):
    for scheme, width in (("light", 1280), ("dark", 360)):
        page, name = open_account(stage, width=width, color_scheme=scheme, reduced_motion="reduce")
        stage.world.libraries.add("bob", "Workshop", {"saw.md": "Sharp."}, access="everyone")
        stage.world.libraries.file_bytes = 10_000
        create(page)
        add(page, a_file("pump.md", MANUAL), a_file("photo.png", b"\0"), a_file("large.txt", "x" * 10_001))
        page.wait_for_selector("#library >> text=60 passages")
        page.wait_for_selector("#library >> text=skipped")
        page.click("text=Name, sharing and more")
        page.check("#library [value=chosen]")
        page.click("#library .primary")
        check_axe(page, "library")
        click(page, "#library >> text=Delete library", "h2 >> text=Delete Garden?")
        check_axe(page, "question")
        page.keyboard.press("Escape")
        page.click("#documents-back")
        page.click("#create-library")
        check_axe(page, "list")
        click(page, "role=button[name='View Workshop'] >> nth=0", "#library >> text=saw.md")
        check_axe(page, "library of another account")
        page.keyboard.press("Escape")
        ask(page, "How do I reset the pump?")
        page.click(".source >> nth=1")
        check_axe(page, "passage")
        click(page, "#passage-document", ".document-part")
        check_axe(page, "document")


@scripted
def test_session_ends_in_a_library(stage):
    """The login page is not below a dialog."""
    stage.allowed.append("401")
    page, name = open_account(stage)
    create(page)
    stage.world.tokens.clear()
    add(page, a_file("pump.md", MANUAL))
    page.wait_for_selector("#account-error >> text=session has expired")
    assert page.is_hidden("#documents") and page.is_hidden("#choose-documents")
    fill_account(page, name)
    page.wait_for_selector("#choose-documents:not([hidden])")
    assert names(only_library(stage)) == []


@scripted
def test_no_shift_of_the_page(stage):
    """Neither the list nor uploads nor files that have been read move what was in its place."""
    page, _ = open_account(stage)
    create(page)
    stage.world.libraries.reading = 1
    page.evaluate("""window.shifts = []; new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput)
        shifts.push([e.value, ...e.sources.map((s) => s.node?.id || s.node?.className || s.node?.nodeName)]); }).observe({ type: 'layout-shift', buffered: false })""")
    title = page.locator("#documents-title").bounding_box()
    add(page, *(a_file(f"{n}.md", MANUAL) for n in range(12)))
    status(page, "All files have been read.")
    assert page.locator("#documents-title").bounding_box() == title
    shifts = page.evaluate("shifts")
    assert sum(shift[0] for shift in shifts) < 0.1, shifts
