"""Runs suites of the test program, with one change or none, and stops at the first failure."""
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

FAILURE = re.compile(r"^✘ (?:Test|Suite) .*$", re.MULTILINE)
COLOR = re.compile(r"\x1b\[\d*m")
MAX_MEMORY = 4 << 30            # bytes of the test program; a change can make it allocate without end
MAX_FILE = 4 << 30              # bytes of a file


@dataclasses.dataclass
class Outcome:
    failure: str | None         # None if all tests passed; "time limit", "memory", or the first line about a failure
    seconds: float
    output: str


class TestProgram:
    def __init__(self, tree, scratch, pause_file):
        self.tree, self.scratch, self.pause_file = tree, scratch, pause_file
        self.path = tree / ".build/release/slmPackageTests.xctest"
        self.folders = "/dev/shm" if os.access("/dev/shm", os.W_OK) else scratch

    def suites(self):
        """The suites by name: "StoreTests.SessionTests". A test outside of a suite counts as one."""
        output = subprocess.run([self.path, "--testing-library", "swift-testing", "--list-tests"], cwd=self.tree, check=True,
                                capture_output=True, text=True).stdout
        return sorted({line.split("/")[0] for line in output.splitlines() if re.match(r"\w+Tests\.", line)})

    def wait_while_paused(self):
        while self.pause_file and self.pause_file.exists():
            time.sleep(2)

    def run(self, suite, change, limit, reached=None):
        """Runs a suite with a change (0: none) at low priority, in a temporary folder of its own."""
        self.wait_while_paused()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="slm-mutation-", dir=self.folders))
        folder.chmod(0o755)                                             # PostgreSQL runs as a user of its own
        mark = f"MUTATION_RUN={uuid.uuid4()}"
        environment = {**os.environ, "CHOSEN_CHANGE": str(change), "TMPDIR": str(folder), mark[:12]: mark[13:]}
        if reached:
            environment["REACHED_CHANGES"] = str(reached)
        name = "^" + re.escape(suite) + "(/|$)"
        command = ["nice", "-n", "19", "ionice", "-c3", "prlimit", f"--fsize={MAX_FILE}", self.path, "--testing-library", "swift-testing",
                   "--filter", name]
        log = folder / "output"
        start = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=self.tree, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        pathlib.Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
        failure = self.watch(process, log, start + limit)
        seconds = time.monotonic() - start
        self.kill_all(process, mark)
        text = COLOR.sub("", log.read_text(errors="replace"))
        if failure is None and process.returncode != 0:
            failure = next(iter(FAILURE.findall(text)), f"exit status {process.returncode}")
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(failure, seconds, text[-4_000:])

    @staticmethod
    def watch(process, log, deadline):
        """Waits until the program ends, a test fails or a limit is exceeded. Returns the failure, if any."""
        position, rest = 0, ""
        while True:
            try:
                process.wait(0.1)
                return None
            except subprocess.TimeoutExpired:
                pass
            with log.open("rb") as output:
                output.seek(position)
                added = output.read()
            position += len(added)
            rest += COLOR.sub("", added.decode(errors="replace"))
            if found := FAILURE.search(rest):
                return found.group()
            rest = rest[rest.rfind("\n") + 1:]
            if time.monotonic() > deadline:
                return "time limit"
            try:
                pages = int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                pages = 0
            if pages * os.sysconf("SC_PAGE_SIZE") > MAX_MEMORY:
                return "memory"

    @staticmethod
    def kill_all(process, mark):
        """Kills the program, and the processes it has started. PostgreSQL and most others end by themselves when their parent ends."""
        process.poll() is None and process.kill()
        process.wait()
        for patience in (20, 0):
            while left := processes_with(mark):
                if patience == 0:
                    for pid in left:
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                    break
                patience -= 1
                time.sleep(0.2)


def processes_with(mark):
    """The ids of the processes whose environment contains a mark."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found
