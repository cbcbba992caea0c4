"""Runs slm and other programs, waits for what they do, makes folders for their files, and reads the command lines of tests."""
import argparse
import contextlib
import pathlib
import subprocess
import tempfile
import time


def run(*arguments, status=0, text=None, **options):
    """Returns the output of a program, which reads `text` and has to end with an exit status. `options` are those of subprocess.run."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(list(map(str, arguments)), input=text, text=True, **pipes | options)
    assert done.returncode == status, f"{' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr or ''}"
    return done.stdout


def wait_for(condition, seconds=60, message="", process=None, interval=0.05):
    """Waits until a condition is true, and returns its value. Fails earlier if the process ends. `message` may be a function."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        in_time = time.monotonic() < deadline and (process is None or process.poll() is None)
        assert in_time, f"waited for up to {seconds} s: {message() if callable(message) else message}"
        time.sleep(interval)
    return value


@contextlib.contextmanager
def scratch_folder():
    with tempfile.TemporaryDirectory() as name:
        yield pathlib.Path(name).resolve()


def command_line(description, *words, **options):
    """The arguments of a test: words, such as the path of slm, and options with their defaults. False is that of a switch."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for word in words:
        parser.add_argument(word)
    for name, default in options.items():
        parser.add_argument(f"--{name}", default=default, **({"action": "store_true"} if default is False else {"type": type(default)}))
    return parser.parse_args()
