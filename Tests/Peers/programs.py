"""Runs slm and other programs."""
import subprocess


def run(*arguments, text=None):
    """Returns the output of a program, which reads `text`."""
    done = subprocess.run(list(map(str, arguments)), input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}: {done.stderr}"
    return done.stdout
