"""Checks the files in deploy/ and .github/workflows with the programs that read them, and runs deploy/setup and deploy/update in a folder.

    Tests/Peers/check_deploy.py .build/release/slm

A check whose program is missing is skipped, with the reason. `make deploy-tools` installs those that are Debian packages.
"""
import contextlib
import ctypes.util
import io
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import time

import programs
from served import Server, tiny_checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCRIPTS = [DEPLOY / "setup", DEPLOY / "update", *sorted((ROOT / "Tools").glob("*.sh")), ROOT / "Tests/Peers/dockerfile_steps.sh"]


def run(*command, **options):
    """Runs a command and returns its output, with that of standard error."""
    return programs.run(*command, stderr=subprocess.STDOUT, timeout=300, **options)


def tool(name):
    """The path of a program of the virtual environment or of the system; None if there is none."""
    own = pathlib.Path(sys.executable).parent / name
    return str(own) if own.exists() else shutil.which(name)


def needs(name, source):
    """Whether a program is there. Prints the reason for a skipped check."""
    if tool(name):
        return True
    print(f"skipped: {name} is not installed ({source})")
    return False


def check_scripts(_slm, _folder):
    for script in SCRIPTS:
        run("sh" if script.read_text().startswith("#!/bin/sh") else "bash", "-n", script)
    if needs("shellcheck", "Tests/requirements.txt"):
        run(tool("shellcheck"), *SCRIPTS)
        return f"{len(SCRIPTS)} scripts"


def check_compose(_slm, _folder):
    text = (DEPLOY / "docker-compose.yml").read_text()
    defined = set(re.findall(r"^#?([A-Z_]+)=", (DEPLOY / ".env.example").read_text(), re.M))
    used = re.findall(r"\$\{([A-Z_]+)(:?[-?]?)", text)
    missing = {name for name, operator in used if operator in ("", ":?", "?")} - defined
    assert not missing, f"docker-compose.yml needs variables that .env.example does not have: {missing}"
    assert not re.search(r"^ +\w*(?:PASSWORD|SECRET|KEY): *[^$\s]", text, re.M), "a secret is part of the file"
    if needs("check-jsonschema", "Tests/requirements.txt"):
        run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "docker-compose.yml")
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        environment = os.environ | {name: "x" for name in defined}
        run("docker", "compose", "--file", DEPLOY / "docker-compose.yml", "--profile", "replicas", "config", "--quiet", env=environment)
    else:
        print("skipped: docker compose config (no docker compose)")
    return "compose file"


def check_dockerfile(_slm, _folder):
    if needs("hadolint", "Tests/requirements.txt"):
        run(tool("hadolint"), "--failure-threshold", "info", DEPLOY / "Dockerfile")
        return "Dockerfile"


def check_workflows(_slm, _folder):
    if needs("check-jsonschema", "Tests/requirements.txt"):
        run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *WORKFLOWS)
    if needs("actionlint", "https://github.com/rhysd/actionlint"):
        run(tool("actionlint"), *WORKFLOWS)
    # The shell of a step is in no file that shellcheck would find. Expressions are replaced before the shell reads it.
    if needs("shellcheck", "Tests/requirements.txt"):
        import yaml
        steps = 0
        for path in WORKFLOWS:
            for job in yaml.safe_load(path.read_text())["jobs"].values():
                for step in job.get("steps", []):
                    if "run" in step:
                        assert "${{" not in step["run"], f"{path.name}: an expression in a script allows injection: {step['name']}"
                        run(tool("shellcheck"), "--shell=bash", "--exclude=SC2029", "-", text="set -e\n" + step["run"])
                        steps += 1
        return f"{len(WORKFLOWS)} workflows with {steps} scripts"


def check_caddyfile(_slm, folder):
    if not needs("caddy", "make caddy"):
        return
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    formatted = subprocess.run(["caddy", "fmt", DEPLOY / "Caddyfile"], capture_output=True, text=True, env=environment).stdout
    assert formatted == (DEPLOY / "Caddyfile").read_text(), "run: caddy fmt --overwrite deploy/Caddyfile"
    for more in ({}, {"SLM_DOMAIN": "chat.example.org", "SLM_UPSTREAMS": "slm:8000 slm-2:8000", "SLM_TLS": "tls internal", "SLM_HEALTH_TIMEOUT": "60s"}):
        output = run("caddy", "validate", "--config", DEPLOY / "Caddyfile", "--adapter", "caddyfile", env=environment | more)
        assert "Valid configuration" in output and '"level":"warn"' not in output, output
    return "Caddyfile"


def check_units(slm, folder):
    if not needs("systemd-analyze", "systemd"):
        return
    # The programs of the units are not on this machine.
    names = ("slm.service", "slm.socket", "slm-backup.service", "slm-backup.timer")
    for name in names:
        (folder / name).write_text((DEPLOY / "systemd" / name).read_text().replace("/opt/slm/current/bin/slm", "/bin/true"))
    output = run("systemd-analyze", "verify", "--man=no", *(folder / name for name in names))
    assert not output.strip(), output
    score = run("systemd-analyze", "security", "--offline=true", "--threshold=10", folder / "slm.service").strip().splitlines()[-1]
    assert float(re.search(r"slm.service: ([\d.]+)", score)[1]) <= 1.0, score
    # The server works with the system calls that are left. Its password hashes, database and answers need most kinds.
    if ctypes.util.find_library("seccomp"):
        wrapper = [sys.executable, ROOT / "Tests/Peers/restricted.py", DEPLOY / "systemd/slm.service"]
        with Server(slm, tiny_checkpoint(slm, folder), wrapper=wrapper) as server:
            token = server.account("ada")
            events = list(server.stream("/api/chat", {"message": "What comes after 5?"}, token))
            assert events[-1][0] == "done", events[-1]
            assert "Seccomp:\t2" in pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    else:
        print("skipped: the server with the system calls of slm.service (no libseccomp)")
    return re.sub(r"[^\x20-\x7e]", "", score).strip()


def metric_names(text):
    return {name for name in re.findall(r"\b(?:slm|process)_[a-z_]+", text)}


def check_monitoring(slm, folder):
    board = json.loads((DEPLOY / "monitoring/grafana.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    expressions += [annotation["expr"] for annotation in board["annotations"]["list"] if "expr" in annotation]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) and len(expressions) > 20
    areas = [tuple(panel["gridPos"][key] for key in "xywh") for panel in board["panels"]]
    for index, (x, y, w, h) in enumerate(areas):
        assert x + w <= 24, "a panel is wider than the board"
        assert not any(x < a + c and a < x + w and y < b + d and b < y + h for a, b, c, d in areas[:index]), "panels overlap"
    alerts = (DEPLOY / "monitoring/alerts.yml").read_text()
    rules = [line.split("alert: ")[1] for line in alerts.splitlines() if "alert: " in line]
    page = (ROOT / "Documentation/Reference/Operations.md").read_text()
    assert not [rule for rule in rules if rule not in page], "an alert is not on the page Operations"
    # Every metric that they read is one that a server has.
    with Server(slm, tiny_checkpoint(slm, folder)) as server:
        server.ask("POST", "/api/chat/guest", {"message": "Hi"})
        known = metric_names(server.get("/metrics")[1].decode())
    used = metric_names(" ".join(expressions)) | metric_names("\n".join(re.findall(r"expr: (?:\|\n(?:  +.*\n)+|.*)", alerts)))
    assert len(used) > 10 and used <= known, f"unknown metrics: {used - known}"
    if needs("promtool", "make deploy-tools"):
        run("promtool", "check", "rules", "alerts.yml", cwd=DEPLOY / "monitoring")
        run("promtool", "test", "rules", "alerts_test.yml", cwd=DEPLOY / "monitoring")
        run("promtool", "check", "config", "--syntax-only", "prometheus.yml", cwd=DEPLOY / "monitoring")
        groups = {"groups": [{"name": "board", "rules": [{"record": f"panel:{index}", "expr": text.replace("$__rate_interval", "1m")}
                                                       for index, text in enumerate(expressions)]}]}
        (folder / "board.json").write_text(json.dumps(groups))
        run("promtool", "check", "rules", folder / "board.json")
    return f"{len(rules)} alerts, {len(expressions)} queries of the board"


# deploy/setup and deploy/update


def make_release(slm, folder, version, health=True, migrated=None):
    """An archive of a release whose program says another version. Without `health`, its server does not start. It has a migration for the
    database `migrated`."""
    tree = folder / f"slm-{version}-test"
    (tree / "bin").mkdir(parents=True)
    other = "" if health else "serve) exit 1 ;;\n"
    if migrated:
        sql = f"import sqlite3; sqlite3.connect('{migrated}').execute('ALTER TABLE users ADD COLUMN later TEXT')"
        other += """database) case $2 in status) echo '{"version":1,"latest":2,"pending":1}' ;;
            migrate) """ + f'"{sys.executable}" -c "{sql}" && echo "migrated from schema version 1 to 2" ;; esac ;;\n'
    (tree / "bin/slm").write_text(f'#!/bin/sh\ncase $1 in\nversion) echo "slm {version}" ;;\n{other}*) exec "{os.path.abspath(slm)}" "$@" ;;\nesac\n')
    (tree / "bin/slm").chmod(0o755)
    run(ROOT / "Tools/install-deploy.sh", tree / "deploy")
    archive = folder / f"{tree.name}.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tree, tree.name)
    (folder / f"{archive.name}.sha256").write_text(run("sha256sum", archive.name, cwd=folder))
    return archive, tree


def tree_of(root):
    """Paths, modes and contents below a folder."""
    def content(path):
        return os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return {str(path.relative_to(root)): (stat.S_IMODE(path.lstat().st_mode), content(path)) for path in root.rglob("*")}


def check_setup(slm, folder):
    root, model = folder / "root", folder / "model.h5"
    root.mkdir()
    model.write_bytes(b"a model")
    _, tree = make_release(slm, folder, "1.0.0")
    command = [tree / "deploy/setup", "--domain", "chat.example.org", "--model", model, "--root", root]
    output = run(*command, "--dry-run")
    assert "nothing was changed" in output and not list(root.iterdir()), output
    output = run(*command)
    first = tree_of(root)
    modes = {"etc/slm/environment": 0o600, "var/lib/slm": 0o700, "var/backups/slm": 0o700, "var/lib/slm/models/model.h5": 0o640, "etc/slm/slm.yaml": 0o644,
             "etc/systemd/system/slm.socket": 0o644, "etc/systemd/system/slm.service": 0o644, "etc/systemd/system/slm-backup.service": 0o644, "etc/systemd/system/slm-backup.timer": 0o644, "opt/slm/releases/1.0.0/bin/slm": 0o755}
    assert {path: first[path][0] for path in modes} == modes, {path: oct(first[path][0]) for path in modes}
    assert first["opt/slm/current"][1] == "/opt/slm/releases/1.0.0" and first["var/lib/slm/models/model.h5"][1] == b"a model"
    secrets = dict(line.split("=", 1) for line in first["etc/slm/environment"][1].decode().splitlines() if not line.startswith("#"))
    assert len(secrets["SLM_JWT_SECRET"]) >= 64 and len(secrets["ADMIN_API_KEY"]) >= 32 and secrets["ADMIN_API_KEY"] not in output
    assert b"SLM_DOMAIN=chat.example.org" in first["etc/slm/caddy.environment"][1]
    # The configuration file is one that slm reads.
    shown = run(slm, "config", "show", "serve", "--config", root / "etc/slm/slm.yaml")
    assert re.search(r"behind-proxy +true", shown) and re.search(r"allow-host +chat.example.org", shown), shown
    # Again: nothing changes. An edited configuration is kept, and a new model replaces the old one.
    assert "everything was there already" in run(*command) and tree_of(root) == first
    (root / "etc/slm/slm.yaml").write_text("serve:\n  port: 8000\n")
    model.write_bytes(b"a newer model")
    run(*command)
    again = tree_of(root)
    assert again["etc/slm/slm.yaml"][1] == b"serve:\n  port: 8000\n" and again["var/lib/slm/models/model.h5"][1] == b"a newer model"
    assert again["etc/slm/environment"] == first["etc/slm/environment"]
    for wrong in (["--domain", "a b"], ["--model", folder / "nothing"], ["--database", "mysql://x"], ["--nonsense"], ["--root", folder / "nowhere"],
                  ["--domain"], ["--postgresql", "--database", "sqlite:x"]):
        done = subprocess.run([tree / "deploy/setup", "--root", root, *map(str, wrong)], capture_output=True, text=True)
        assert done.returncode in (1, 2) and done.stderr.startswith("setup: "), (wrong, done)
    return f"{len(first)} files of deploy/setup"


class Machine:
    """A folder with the releases of a machine, and a server that restarts as systemd would restart it: with a socket that stays open."""

    def __init__(self, slm, folder, database):
        self.folder, self.root = folder, folder / "machine"
        self.root.mkdir()
        model = tiny_checkpoint(slm, folder)
        _, tree = make_release(slm, folder, "1.0.0")
        run(tree / "deploy/setup", "--model", model, "--root", self.root, "--database", database)
        self.update = tree / "deploy/update"
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        os.set_inheritable(self.listening.fileno(), True)
        stop = f"""if [ -e {folder}/pid ]; then kill -TERM $(cat {folder}/pid) 2> /dev/null
            while kill -0 $(cat {folder}/pid) 2> /dev/null; do sleep 0.02; done; rm {folder}/pid; fi"""
        (folder / "stop").write_text(stop + "\n")
        # The server of the release that `current` leads to.
        (folder / "restart").write_text(f"""{stop}
            cd {self.root}/var/lib/slm; set -a; . {self.root}/etc/slm/environment
            exec 3<&{self.listening.fileno()}
            LISTEN_FDS=1 setsid sh -c 'LISTEN_PID=$$ exec "$0" "$@"' {self.root}$(readlink {self.root}/opt/slm/current)/bin/slm serve {model} --threads 1 \\
                > {folder}/log 2>&1 < /dev/null & echo $! > {folder}/pid\n""")

    def call(self, *arguments, status=0):
        return run(self.update, "--root", self.root, "--url", f"http://127.0.0.1:{self.port}", "--wait", "20s", "--restart", f"bash {self.folder}/restart",
                   "--stop", f"bash {self.folder}/stop", *arguments, status=status, pass_fds=[self.listening.fileno()])

    def current(self):
        return os.path.basename(os.readlink(self.root / "opt/slm/current"))

    def close(self):
        subprocess.run(["bash", self.folder / "stop"], timeout=60)
        self.listening.close()


def check_update(slm, folder):
    import sqlite3
    file = folder / "machine/var/lib/slm/chat.db"
    machine = Machine(slm, folder, f"sqlite:{file}")
    try:
        good, _ = make_release(slm, folder, "2.0.0")
        output = machine.call(good)
        assert machine.current() == "2.0.0" and "slm 2.0.0 runs" in output and "the checksum is right" in output, output
        assert run(machine.update, "--root", machine.root, "--list").split("\n")[:2] == ["1.0.0", "2.0.0 (current)"]
        # One that does not start: back to the old one.
        bad, _ = make_release(slm, folder, "3.0.0", health=False)
        output = machine.call("--wait", "10s", bad, status=1)
        assert machine.current() == "2.0.0" and "going back" in output and "runs again" in output, output
        # One that does not start after a migration: the database comes back, too.
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("INSERT INTO users (id, username, username_key, password_hash, created_at, last_active_at) "
                               "VALUES (?, 'Ada', 'ada', '', 0, 0)", ["0" * 26])
            connection.commit()
        bad, _ = make_release(slm, folder, "4.0.0", health=False, migrated=file)
        output = machine.call("--wait", "10s", bad, status=1)
        assert "saved the database" in output and "migrated from schema version 1" in output and "restored the database" in output, output
        backups = sorted(path.name for path in (machine.root / "var/backups/slm").iterdir())
        assert len(backups) == 2 and backups[0].endswith("-after.tar") != backups[1].endswith("-after.tar"), backups
        assert all(stat.S_IMODE((machine.root / "var/backups/slm" / name).stat().st_mode) == 0o600 for name in backups)
        for name in backups:
            run(slm, "admin", "backup", "--verify", machine.root / "var/backups/slm" / name, "--json")
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT username FROM users").fetchall() == [("Ada",)]
            assert "later" not in [row[1] for row in connection.execute("PRAGMA table_info(users)")]
        assert not list((machine.root / "var/lib/slm").glob("backup-*"))
        # A damaged archive, and one without a program, change nothing.
        damaged = folder / "slm-5.0.0-test.tar.gz"
        damaged.write_bytes(good.read_bytes()[:-1])
        (folder / f"{damaged.name}.sha256").write_text(run("sha256sum", good).split()[0] + f"  {damaged.name}\n")
        assert "checksum differs" in machine.call(damaged, status=1)
        empty = folder / "empty.tar.gz"
        with tarfile.open(empty, "w:gz") as archive:
            archive.addfile(tarfile.TarInfo("slm-6.0.0/nothing"), io.BytesIO())
        assert "expected bin/slm" in machine.call(empty, status=1) and machine.current() == "2.0.0"
        # Back, and forth; old releases are removed.
        assert "switched from" in machine.call("--back") and machine.current() == "1.0.0"
        machine.call("--back")
        for version in ("7.0.0", "8.0.0"):
            machine.call(make_release(slm, folder, version)[0])
        listed = run(machine.update, "--root", machine.root, "--list").split()
        assert "7.0.0" in listed and "8.0.0" in listed and len([name for name in listed if name[0].isdigit()]) == 3, listed
        assert not [path for path in (machine.root / "opt/slm/releases").iterdir() if path.name.startswith(".")]
    finally:
        machine.close()
    return "deploy/update installs, rolls back with and without a migration, and cleans up"


def main():
    slm = os.path.abspath(sys.argv[1])
    chosen = sys.argv[2:]
    checks = [check_scripts, check_compose, check_dockerfile, check_workflows, check_caddyfile, check_units, check_monitoring, check_setup, check_update]
    for check in checks:
        if chosen and check.__name__.removeprefix("check_") not in chosen:
            continue
        with programs.scratch_folder() as folder:
            begin = time.monotonic()
            result = check(slm, folder)
            if result:
                print(f"{check.__name__.removeprefix('check_')}: {result} ({time.monotonic() - begin:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
