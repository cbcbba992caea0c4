"""Drives `slm training review` in a real terminal (tmux) against `slm serve`: every key, an editor, tags, a chat with control characters, and a small terminal.

    Tests/Peers/check_review.py .build/release/slm
"""
import json
import os
import subprocess

from programs import command_line, scratch_folder
from served import ADMIN_KEY, UNLIMITED, Server, tiny_checkpoint
from terminal import Terminal
from training_area import call

HARMFUL = "Look: \x1b[31mred\x1b[2J \x1b]0;title\x07 \u202egnp.exe \x9b2J end"
CHATS = [("First?", "One."), ("Second?", "Two."), (HARMFUL, "Three."), ("Fourth?", "Fuor."), ("Fifth?", "Five."), ("Sixth?", "Six."), ("Seventh?", "Seven.")]


def chat(server, title):
    """A chat by its first question, as the server has it."""
    chats = call(server, "GET", "chats?limit=200")[1]["items"]
    found = next(chat for chat in chats if title in chat["title"])
    return call(server, "GET", f"chats/{found['id']}")[1]


def fill(server):
    for question, answer in CHATS:
        line = json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
        assert call(server, "POST", "chats/import", (line + "\n").encode())[1]["added"] == 1


def check_keys(slm, server, folder):
    editor = folder / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/Fuor/Four/ \"$1\"\n")
    editor.chmod(0o755)
    environment = {"SLM_ADMIN_KEY": ADMIN_KEY, "SLM_API_URL": server.url, "EDITOR": str(editor), "VISUAL": ""}
    with Terminal([slm, "training", "review"], 60, 20, environment) as terminal:
        terminal.wait("First?  (7 left)")
        terminal.keys("?", shown="press i, e, s, c, t or q.")
        terminal.keys("Up")
        terminal.keys("i", shown="Second?  (6 left)")
        assert chat(server, "First")["state"] == "included"
        screen = terminal.keys("e", shown="(5 left)")
        assert chat(server, "Second")["state"] == "excluded"
        # The text is there without its escape sequences: the screen was not cleared, and nothing has a color of its own.
        assert "Look: [31mred[2J" in screen and "First?" in screen and "end" in screen, screen
        assert terminal.tmux("display-message", "-p", "#{pane_title}").strip() != "title"
        terminal.keys("s", shown="Fourth?  (4 left)")
        terminal.keys("c", shown="corrected by an owner: Four.")
        assert chat(server, "Fourth")["messages"][1]["owner_correction"] == "Four."
        terminal.keys("t", shown="Tags, separated by commas:")
        terminal.enter("numbers, two  words", shown="tags: numbers, two words")
        assert chat(server, "Fourth")["tags"] == ["numbers", "two words"]
        terminal.keys("i", shown="Fifth?  (3 left)")
        assert chat(server, "Fourth")["state"] == "included"
        # An editor that is not there is reported, and the review goes on.
        editor.unlink()
        terminal.keys("c", shown="the editor failed; set EDITOR to one that is installed.")
        terminal.resize(30, 8)
        terminal.keys("q", shown=lambda _: not terminal.children())
        assert chat(server, "Fifth")["state"] == "new"
        terminal.resize(60, 20)
        terminal.wait(lambda _: terminal.terminal_modes() == terminal.modes)
    print("the keys of slm training review, an editor, tags and control characters")


def check_end(slm, server):
    """Ctrl-C leaves the review, and the last chat ends it."""
    environment = {"SLM_ADMIN_KEY": ADMIN_KEY, "SLM_API_URL": server.url}
    with Terminal([slm, "training", "review", "--search", "th?"], 30, 8, environment) as terminal:
        terminal.wait("(3 left)")
        terminal.keys("C-c", shown=lambda _: not terminal.children())
        terminal.wait(lambda _: terminal.terminal_modes() == terminal.modes)
        assert [chat(server, title)["state"] for title in ("Fifth", "Sixth", "Seventh")] == ["new"] * 3
        terminal.enter(f"{slm} training review --search th?")
        for left in (3, 2, 1):
            terminal.wait(f"({left} left)")
            terminal.keys("i")
        terminal.wait("all chats are reviewed")
        terminal.keys("Up", "Enter", shown="there are no new chats to revi")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLM_")} | environment
    done = subprocess.run([slm, "training", "review"], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "expected a terminal" in done.stderr, (done.returncode, done.stderr)
    print("the end of slm training review: the last chat, Ctrl-C, no terminal")


def main():
    slm = os.path.abspath(command_line(__doc__, "slm").slm)
    with scratch_folder() as folder, Server(slm, tiny_checkpoint(slm, folder), *UNLIMITED, "--use-chats") as server:
        fill(server)
        check_keys(slm, server, folder)
        check_end(slm, server)


main()
