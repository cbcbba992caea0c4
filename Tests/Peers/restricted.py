"""Runs a command with the system calls that a systemd unit allows (SystemCallFilter=, MemoryDenyWriteExecute=), where systemd does not run.

    python3 restricted.py deploy/systemd/slm.service COMMAND…

Needs libseccomp and systemd-analyze, which knows the groups of system calls.
"""
import ctypes
import os
import pathlib
import re
import subprocess
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65
ALLOW, FAIL_WITH_EPERM = 0x7FFF0000, 0x00050001


def calls(group):
    """The system calls of a group such as @system-service."""
    found = set()
    listing = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout
    for word in (line.strip() for line in listing.splitlines()[1:]):
        if word and not word.startswith("#"):
            found |= calls(word) if word.startswith("@") else {word}
    return found


def restrict(unit):
    allowed = set()
    for value in re.findall(r"^SystemCallFilter=(.*)", unit, re.M):
        listed = set().union(*(calls(word) for word in value.lstrip("~").split()))
        allowed = allowed - listed if value.startswith("~") else allowed | listed
    libc, library = ctypes.CDLL("libc.so.6"), ctypes.CDLL("libseccomp.so.2")
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if "MemoryDenyWriteExecute=yes" in unit and libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        print("restricted.py: this kernel does not forbid memory that is writable and executable", file=sys.stderr)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(FAIL_WITH_EPERM))
    for name in allowed:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0) == 0, name
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    restrict(pathlib.Path(sys.argv[1]).read_text())
    os.execvp(sys.argv[2], sys.argv[2:])
