"""A program in a real terminal: tmux, with its own server for each terminal.

    with Terminal(["slm", "admin"], 80, 24) as terminal:
        terminal.wait("Overview")
        terminal.keys("Tab", "Down")
        terminal.screen()
"""
import itertools
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

from programs import wait_for

NUMBERS = itertools.count()


class Terminal:
    """Runs a command in a shell."""

    def __init__(self, command, columns, rows, environment={}, term="tmux-256color"):
        assert shutil.which("tmux"), "tmux is not installed: make test-peers installs it"
        self.folder = tempfile.TemporaryDirectory()
        self.socket = f"slm-{os.getpid()}-{next(NUMBERS)}"
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("SLM_", "LC_", "LANG", "NO_COLOR", "TMUX"))}
        # The prompt is a dollar, so that the end of a command can be seen.
        self.tmux("-u", "new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "PS1=$ ", f"TERM={term}", "bash", "--norc", "--noprofile",
                  environment=keep | environment)
        self.tmux("set-option", "-g", "status", "off")
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
        self.wait("$")
        self.modes = self.terminal_modes()
        self.enter(" ".join(map(shlex.quote, command)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tmux("kill-server", check=False)
        self.folder.cleanup()

    def tmux(self, *arguments, environment=None, check=True):
        done = subprocess.run(["tmux", "-L", self.socket, "-f", "/dev/null", *arguments], capture_output=True, text=True, env=environment)
        assert not check or done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout

    def terminal_modes(self):
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()
        return subprocess.run(["stty", "-a", "-F", tty], capture_output=True, text=True).stdout

    def screen(self, styles=False):
        return self.tmux("capture-pane", "-p", *(["-e"] if styles else []))

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def keys(self, *names, shown=None):
        """Sends keys. Waits until the screen shows a text, or a function of the screen is true, and returns the screen."""
        for name in names:
            self.tmux("send-keys", name)
        return shown and self.wait(shown)

    def enter(self, line, shown=None):
        """Types a line and its end, and waits as `keys` does."""
        self.type(line)
        return self.keys("Enter", shown=shown)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait(self, text, seconds=60, gone=False):
        """Waits until the screen shows a text, or a function of the screen is true."""
        is_there = text if callable(text) else lambda screen: (text in screen) != gone

        def matching():
            screen = self.screen()
            return is_there(screen) and screen

        return wait_for(matching, seconds, lambda: f"expected {'no ' if gone else ''}{text!r}, found:\n{self.screen()}")

    def children(self):
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        return pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()

    def process(self):
        """Returns the id of the program that the shell runs."""
        return int(wait_for(self.children, message="the shell runs nothing")[0])

    def wait_for_end(self, status):
        """Waits for the end of the program, and checks its exit status and that the terminal is as it was."""
        wait_for(lambda: not self.children(), message=lambda: f"the program did not end:\n{self.screen()}")
        # Ctrl-C ends a line of several commands, so this is a line of its own.
        self.enter("echo status $?", shown=f"status {status}\n")
        # The shell changes the modes while it reads a line.
        wait_for(lambda: self.terminal_modes() == self.modes, message=lambda: f"the terminal is not restored:\n{self.modes}\n{self.terminal_modes()}")
        shown = self.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split()
        assert shown == ["0", "0", "1"], f"expected the normal screen, no mouse and a cursor, found {shown}"
