"""Drives `slm admin` in a real terminal (tmux) against `slm serve`: every screen and key at three sizes, and the commands without a screen.

    Tests/Peers/check_admin.py .build/release/slm
    Tests/Peers/check_admin.py .build/release/slm --captures Documentation/Guides/Admin.md     # replace the captures on the page
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from programs import scratch_folder, wait_for
from reverse_proxy import free_port
from served import ADMIN_KEY, KEY, UNLIMITED, Server, tiny_checkpoint
from terminal import Terminal

SIZES = [(40, 10), (80, 24), (200, 50)]
HARMFUL = "Look: \x1b[31mred\x1b[0m \x1b]0;title\x07 \u202egnp.exe \x9b2J 日本語のテキスト 🎉 e\u0301 👩\u200d👩\u200d👧"
LONG = "A long line. " * 40 + "\n\n    indented\n\ttab\n" + "x" * 300
NAMES = ["ada", "bob", "carla", "日本語の名前", "zoë", "Ünïcödé", "dmitri", "eve", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy", "rupert", "sybil", "trent"]
QUESTIONS = ["Why does it rain?", "What comes after 7?", HARMFUL, LONG]


def fill(server):
    for index, name in enumerate(NAMES):
        token = server.account(name)
        for question in QUESTIONS[: max(0, 4 - index)]:
            # An empty answer would not be stored.
            body = {"message": question, "max_tokens": 12, "ignore_eos": True}
            assert [event for event, _ in server.stream("/api/chat", body, token)][-1] == "done"


def admin(server, method, path, body=None):
    return server.ask(method, "/api/admin/" + path, body, headers=KEY)


def user(server, name):
    return next(user for user in admin(server, "GET", "users?limit=200")[1]["users"] if user["username"] == name)


class Check:
    def __init__(self, slm, checkpoint):
        self.slm = os.path.abspath(slm)
        self.checkpoint = checkpoint

    def open(self, url, columns, rows, *options, key=ADMIN_KEY, term="tmux-256color", **environment):
        return Terminal([self.slm, "admin", *options], columns, rows, {"SLM_ADMIN_KEY": key, "SLM_API_URL": url} | environment, term)

    def run(self, url, *arguments, key=ADMIN_KEY, text=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLM_")} | {"SLM_API_URL": url} | ({"SLM_ADMIN_KEY": key} if key else {})
        done = subprocess.run([self.slm, "admin", *arguments], capture_output=True, text=True, env=environment, input=text or "", timeout=60)
        return done.returncode, done.stdout, done.stderr

    def screens(self, server, columns, rows):
        """Goes through all screens and keys."""
        low = rows < 14
        with self.open(server.url, columns, rows) as terminal:
            terminal.wait("trent")
            for mark in ["trent", "Why does", "Database", "user.", "Tokens/s"]:
                terminal.keys("Tab", shown=mark if mark != "user." else "conversations.list")
            for key, mark in [("BTab", "conversations.list"), ("Left", "Health"), ("Right", "conversations.list"), ("4", "Health"), ("3", "Why"), ("2", "trent")]:
                terminal.keys(key, shown=mark)
            # Sorting: the next order is by name.
            terminal.keys("s", shown="NAME▲")
            terminal.keys("S", shown="NAME▼")
            terminal.keys("S", shown=lambda screen: "NAME▲" in screen and "ada" in screen)
            terminal.keys("End", shown="日本語の名前")
            terminal.keys("Home", "NPage", "PPage", "Down", "Up", shown="ada")
            # Filter, open a user, a conversation, go back.
            terminal.keys("/")
            terminal.type("AD")
            terminal.wait(lambda screen: "ada" in screen and "bob" not in screen)
            terminal.keys("Enter", "Enter", shown="enabled")
            terminal.wait(lambda screen: "TITLE" in screen and "A long line" in screen)
            terminal.keys("s", "Enter", shown="by ada")
            terminal.keys("End")
            terminal.keys("/")
            terminal.type("by ada")
            terminal.keys("Enter", "n", "N", shown="by ada")
            terminal.keys("Escape", shown="enabled")
            terminal.keys("Escape", shown="AD" if not low else "filter")
            terminal.keys("Escape", shown="bob")
            # Text that users wrote is shown, and does nothing.
            terminal.keys("3", "/")
            terminal.type("Look")
            terminal.wait(lambda screen: "Look:" in screen and "Why" not in screen)
            terminal.keys("Enter", "Enter", shown="␛[31mred␛[0m")
            for part in ["␛]0;title␇", "日本語のテキスト", "🎉"]:
                terminal.wait(lambda screen, part=part: part in screen.replace("\n", "")) if columns > 40 else None
            assert "\u202e" not in terminal.screen() and "title" not in terminal.tmux("display-message", "-p", "#{pane_title}")
            terminal.keys("u", shown="enabled")
            terminal.keys("?", shown="Keys")
            terminal.keys("End", shown="quit")
            terminal.keys("Escape", "C-l", "r", "q")
            terminal.wait_for_end(0)

    def changes(self, server):
        with self.open(server.url, 80, 24, term="xterm-256color") as terminal:
            terminal.wait("trent")
            terminal.keys("2", "/")
            terminal.enter("bob", shown=lambda screen: "Users 1 " in screen)
            terminal.keys("d", shown="Disable bob?")
            terminal.keys("Enter")                                                # No is the default
            terminal.wait("Disable bob?", gone=True)
            assert not user(server, "bob")["disabled"]
            terminal.keys("d", "y", shown="bob (disabled)")
            assert user(server, "bob")["disabled"]
            terminal.keys("d", "Right", "Enter")
            terminal.wait("(disabled)", gone=True)
            assert not user(server, "bob")["disabled"]
            screen = terminal.keys("p", "y", shown="Code for bob")
            code = re.search(r"│ ([0-9a-zA-Z-]{12,})\s", screen).group(1)
            status, answer = server.ask("POST", "/api/auth/reset-password", {"username": "bob", "code": code, "new_password": "anotherpassword"})
            assert status in (200, 201), answer
            terminal.keys("Enter", "Enter", shown="API keys")
            terminal.keys("e", "y", shown="signed out everywhere")
            # The mouse: the second tab, a row, and the row again. Clicks on rows that are loading do nothing.
            def click(column, row):
                terminal.type(f"\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m")

            terminal.keys("Escape", "Escape")
            click(16, 2)
            terminal.wait("Users 1–")

            def is_open():
                if "API keys" in terminal.screen():
                    return True
                click(5, 8)

            wait_for(is_open, 60, lambda: f"a click on the selected row does not open it:\n{terminal.screen()}", interval=0.5)
            terminal.keys("C-c")
            terminal.wait_for_end(130)

    def resizing(self, server):
        with self.open(server.url, 80, 24) as terminal:
            terminal.wait("trent")
            for columns, rows in [*SIZES, (41, 11), (79, 17), (30, 5), (80, 24)]:
                terminal.resize(columns, rows)
                mark = "q quit" if columns >= 40 else "needs 40×10"
                terminal.wait(lambda screen, mark=mark: mark in screen.split("\n")[rows - 1 if columns >= 40 else 0])
            terminal.keys("q")
            terminal.wait_for_end(0)

    def signals(self, server):
        for number, status in [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGQUIT, 131), (signal.SIGSEGV, 139), (signal.SIGABRT, 134)]:
            with self.open(server.url, 80, 24) as terminal:
                terminal.wait("trent")
                os.kill(terminal.process(), number)
                terminal.wait_for_end(status)
        with self.open(server.url, 80, 24) as terminal:
            terminal.wait("trent")
            for _ in range(2):
                terminal.keys("C-z", shown="Stopped")
                terminal.enter("fg", shown="trent")
                terminal.keys("4", shown="Health")
                # Ctrl-Z discards keys that the program has not read.
                terminal.keys("1", shown="trent")
            terminal.keys("q", shown=lambda screen: "$" in screen.rstrip().split("\n")[-1])

    def terminals(self, server):
        """Terminals without colors, and those that cannot show a screen."""
        with self.open(server.url, 80, 24, NO_COLOR="1") as terminal:
            terminal.wait("trent")
            assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", terminal.screen(styles=True))
            terminal.keys("q")
            terminal.wait_for_end(0)
        with self.open(server.url, 80, 24, term="vt100") as terminal:
            terminal.wait("trent")
            terminal.keys("Tab", "q")
            terminal.wait_for_end(0)
        with self.open(server.url, 80, 24) as terminal:
            terminal.wait("trent")
            assert re.search(r"\x1b\[[0-9;]*4[0-7]", terminal.screen(styles=True))
            terminal.keys("q")
        for term in ["dumb", "no-such-terminal"]:
            with self.open(server.url, 120, 24, term=term) as terminal:
                terminal.wait("slm admin stats")
                terminal.wait_for_end(1)
        status, _, errors = self.run(server.url)
        assert status == 1 and errors == "slm: slm admin needs a terminal. Without one: slm admin stats, users or conversations.\n", errors

    def pasting(self, server):
        """Pasted text is no row of keys, and keys pressed while a screen loads are not lost."""
        with self.open(server.url, 80, 24) as terminal:
            users = [user["username"] for user in admin(server, "GET", "users?limit=200")[1]["users"]]
            # The table is still loading.
            terminal.keys("2", "s", "Down", "Enter", shown="enabled")
            terminal.keys("Escape", shown="NAME▲")
            terminal.tmux("set-buffer", "Dy\nKy\nq\n")
            terminal.tmux("paste-buffer", "-p")
            terminal.wait("Pasted text is ignored")
            assert "Delete" not in terminal.screen()
            assert [user["username"] for user in admin(server, "GET", "users?limit=200")[1]["users"]] == users
            terminal.keys("/")
            terminal.tmux("set-buffer", "日本語の\n名前")
            terminal.tmux("paste-buffer", "-p")
            terminal.wait(lambda screen: "日本語の名前" in screen and "zoë" not in screen)
            terminal.keys("Escape", "q")
            terminal.wait_for_end(0)
        # The terminal marks no pastes afterwards: bash of this test does not ask for it.
        with self.open(server.url, 80, 24) as terminal:
            terminal.wait("trent")
            terminal.keys("q")
            terminal.wait_for_end(0)
            terminal.tmux("set-buffer", "echo pas''ted")
            terminal.tmux("paste-buffer", "-p")
            terminal.keys("Enter", shown="\npasted")

    def replicas(self):
        """Two servers on one database are both on the screen."""
        with scratch_folder() as folder:
            database = f"sqlite:{folder}/chats.db"
            with Server(self.slm, self.checkpoint, *UNLIMITED, "--server-name", "alpha", database=database) as server, \
                 Server(self.slm, self.checkpoint, *UNLIMITED, "--server-name", "beta", database=database):
                wait_for(lambda: len(admin(server, "GET", "servers")[1]["servers"]) >= 2, 60, "the servers do not see each other")
                status, output, errors = self.run(server.url, "stats")
                assert status == 0 and re.search(r"^alpha .* s ago ", output, re.M) and re.search(r"^beta .* s ago ", output, re.M), (output, errors)
                found = json.loads(self.run(server.url, "stats", "--json")[1])["servers"]
                assert sorted(server["name"] for server in found) == ["alpha", "beta"] and all(server["slots"] > 0 for server in found), found
                for columns, rows in SIZES:
                    with self.open(server.url, columns, rows, "--interval", "1s") as terminal:
                        terminal.keys("4", shown=lambda screen: "Servers on this database" in screen and "alpha" in screen and "beta" in screen)
                        terminal.keys("q")
                        terminal.wait_for_end(0)

    def connection(self):
        """A wrong key, and a server that stops and starts again."""
        with scratch_folder() as folder:
            options = [*UNLIMITED, "--port", free_port()]
            database = f"sqlite:{folder}/chats.db"
            server = Server(self.slm, self.checkpoint, *options, database=database)
            with server:
                server.account("ada")
                with self.open(server.url, 100, 24, key="a wrong admin key") as terminal:
                    terminal.wait("rejects the admin key")
                    terminal.keys("Tab", "?", shown="Keys")
                    terminal.keys("Escape", "q")
                    terminal.wait_for_end(0)
                terminal = self.open(server.url, 100, 24, "--interval", "1s")
                terminal.wait("ada")
            with terminal:
                terminal.wait(lambda screen: "no connection" in screen and "ada" in screen and "Next attempt in" in screen)
                terminal.keys("2", "Down", "?", shown="Keys")
                terminal.keys("Escape")
                with Server(self.slm, self.checkpoint, *options, database=database) as server:
                    server.account("bob")
                    terminal.wait("● ready")
                    terminal.wait("bob")
                    terminal.keys("q")
                    terminal.wait_for_end(0)

    def commands(self, server):
        def lines(*arguments, **options):
            status, output, errors = self.run(server.url, *arguments, **options)
            assert status == 0, (arguments, errors)
            return output.rstrip("\n").split("\n")

        stats = json.loads(self.run(server.url, "stats", "--json")[1])
        assert stats["users"] == len(NAMES) and stats["server"]["status"] == "ready" and stats["server"]["queue"]["slots"] > 0
        assert any(re.match(rf"Users +{len(NAMES)}, ", line) for line in lines("stats"))
        table = lines("users", "--sort", "username")
        assert len(table) == len(NAMES) + 1 and table[0].startswith("NAME") and table[1].startswith("ada ")
        users = json.loads(self.run(server.url, "users", "--limit", "3", "--sort", "messages", "--json")[1])
        assert users["total"] == len(NAMES) and [user["username"] for user in users["users"]][:2] == ["ada", "bob"] and users["users"][0]["messages"] == 8
        assert len(lines("users", "--search", "AD")) == 2
        assert json.loads(self.run(server.url, "conversations", "--json", "--limit", "0")[1])["total"] == 10
        output = "\n".join(lines("conversations", "ada"))
        assert "Why does it rain?" in output and "\x1b" not in output and "\u202e" not in output
        # Create, use the code, disable, enable, reset, sign out, delete.
        code = lines("create-user", "walter", "--email", "walter@example.org")[0]
        status, answer = server.ask("POST", "/api/auth/reset-password", {"username": "walter", "code": code, "new_password": "a long password"})
        assert status in (200, 201), answer
        assert json.loads(self.run(server.url, "create-user", "xenia", "--password-stdin", "--json", text="a long password\n")[1])["username"] == "xenia"
        assert lines("disable", "WALTER") == ["walter is disabled."] and user(server, "walter")["disabled"]
        assert lines("enable", "walter@example.org") == ["walter is enabled."] and not user(server, "walter")["disabled"]
        assert lines("disable", user(server, "walter")["id"]) == ["walter is disabled."]
        assert re.fullmatch(r"[0-9a-zA-Z-]{12,}", lines("reset-password", "walter")[0])
        assert lines("revoke-sessions", "walter") == ["walter is signed out everywhere."]
        assert lines("revoke-keys", "walter") == ["The API keys of walter are revoked."]
        assert lines("delete-user", "walter") == ["walter is deleted."]
        invitation = json.loads(self.run(server.url, "invite", "new@example.org", "--expires-in", "1d", "--json")[1])
        assert invitation["code"] and "new@example.org" in "\n".join(lines("invitations"))
        assert lines("invitations", "--delete", invitation["id"]) == ["The invitation is deleted."]
        audit = json.loads(self.run(server.url, "audit", "--limit", "0", "--json")[1])
        assert {"user.create", "user.disable", "user.delete", "invitation.delete"} <= {line["action"] for line in audit["entries"]}
        # Exit status 1 and one sentence.
        for arguments, key, expected in [
            (["stats"], "wrong key", "rejects the admin key"), (["users", "--json"], "wrong key", "rejects the admin key"),
            (["disable", "walter"], ADMIN_KEY, "no user has the name, email address or id 'walter'"),
            (["create-user", "ada"], ADMIN_KEY, "taken"), (["create-user", "a b"], ADMIN_KEY, "username"),
            (["stats", "--url", "http://127.0.0.1:1"], ADMIN_KEY, "no server at http://127.0.0.1:1"),
            (["stats", "--url", "http://chat.example.org"], ADMIN_KEY, "readable on the way"),
            (["stats"], None, "expected the server's admin key"),
        ]:
            status, output, errors = self.run(server.url, *arguments, key=key)
            assert status == 1 and output == "" and errors.count("\n") == 1 and expected in errors, (arguments, status, output, errors)
        for arguments in [["disable"], ["unknown"], ["users", "--sort", "unknown"]]:
            assert self.run(server.url, *arguments)[0] == 2, arguments


CAPTURES = {
    "overview": [], "users": ["2", "s", "s"], "user": ["2", "s", "s", "Enter"], "conversation": ["2", "s", "s", "Enter", "Down", "Enter"], "conversations": ["3"],
    "server": ["4"], "audit": ["5"], "help": ["?"], "question": ["2", "s", "s", "Down", "d"],
}


def captures(check, server, page):
    """Replaces the block after each `<!-- capture: SCREEN COLUMNSxROWS -->` of a page."""
    def capture(match):
        columns, rows = int(match[2]), int(match[3])
        with check.open(server.url, columns, rows) as terminal:
            terminal.wait("trent")
            terminal.wait(lambda screen: "–" not in screen.split("\n")[2])
            for key in CAPTURES[match[1]]:
                terminal.keys(key)
                time.sleep(0.7)
            lines = [line.rstrip() for line in terminal.screen().split("\n")[:rows]]
            lines[0] = lines[0].replace(server.url.removeprefix("http://"), "127.0.0.1:8000".ljust(len(server.url) - 7))
            return f"{match[0].split(chr(10))[0]}\n```text\n" + "\n".join(lines) + "\n```"
    text = page.read_text()
    page.write_text(re.sub(r"<!-- capture: (\w+) (\d+)x(\d+) -->\n```text\n.*?```", capture, text, flags=re.S))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slm", type=pathlib.Path)
    parser.add_argument("--captures", type=pathlib.Path, metavar="PAGE", help="replace the captures on PAGE")
    parser.add_argument("--only", help="run the checks whose name contains this")
    o = parser.parse_args()
    with scratch_folder() as folder:
        checkpoint = tiny_checkpoint(o.slm, folder)
        check = Check(o.slm, checkpoint)
        with Server(o.slm, checkpoint, *UNLIMITED) as server:
            fill(server)
            if o.captures:
                return captures(check, server, o.captures)
            checks = {"commands": lambda: check.commands(server)} | {
                f"screens {columns}x{rows}": lambda columns=columns, rows=rows: check.screens(server, columns, rows) for columns, rows in SIZES} | {
                "changes": lambda: check.changes(server), "resizing": lambda: check.resizing(server), "signals": lambda: check.signals(server),
                "terminals": lambda: check.terminals(server), "pasting": lambda: check.pasting(server), "replicas": check.replicas, "connection": check.connection}
            for name, run in checks.items():
                if o.only is None or o.only in name:
                    begin = time.monotonic()
                    run()
                    print(f"slm admin: {name}: {time.monotonic() - begin:.1f} s", flush=True)


if __name__ == "__main__":
    main()
