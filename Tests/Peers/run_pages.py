"""Runs the commands of Documentation/Start and Documentation/Guides unchanged.

    Tests/Peers/run_pages.py .build/release/slm [--quick] [PAGE …]

Each ```sh block runs in order, one bash for each page, all pages in one scratch folder with `slm` in the PATH and the sample chats in `data/`. The pages read the
variables TIME and STEPS; --quick sets them to 5s and 10, and takes 100 of the validation chats. A comment before a block changes what happens:

    <!-- not run: REASON -->                  the block is skipped; the reason is printed
    <!-- instead, in the test: COMMAND -->    COMMAND runs in its place, for a download that has no network here
    <!-- serves until stopped -->             the block must serve http://127.0.0.1:8000 within 60 s and is then stopped
"""
import argparse, os, pathlib, shutil, signal, subprocess, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["Start/Install", "Start/FirstModel", "Guides/YourChats", "Guides/TinyChat", "Guides/CollectAndFinetune", "Guides/TrainingArea", "Guides/ImportAndExport", "Guides/SmallModels", "Guides/Distillation", "Guides/OpenAIClients", "Guides/Deploy", "Guides/Admin"]

def blocks(page):
    """The ```sh blocks of a page: line number, commands, and the comment in the line before."""
    lines, found, i = page.read_text().splitlines(), [], 0
    while i < len(lines):
        if lines[i].strip() in ("```sh", "```python"):
            end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == "```")
            comment = lines[i - 1] if i and lines[i - 1].startswith("<!--") else ""
            found.append((i + 1, lines[i].strip()[3:], "\n".join(lines[i + 1:end]), comment))
            i = end
        i += 1
    return found

def run(script, folder, environment):
    """Runs a page's script, ends the servers that it left running, and returns its exit status."""
    shell = subprocess.Popen(["bash", "-c", "\n".join(script)], cwd=folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try: return shell.wait(timeout=3600)
    finally:
        try: os.killpg(shell.pid, signal.SIGTERM)
        except ProcessLookupError: pass

def serve(command, folder, environment):
    server = subprocess.Popen(["bash", "-c", "exec " + command.strip()], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(300):
            if server.poll() is not None: raise SystemExit(f"the server ended: {server.stderr.read()}")
            try: return urllib.request.urlopen("http://127.0.0.1:8000/api/ready", timeout=2).status == 200
            except OSError: time.sleep(0.2)
        raise SystemExit("the server did not answer within 60 s")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slm", type=pathlib.Path)
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--quick", action="store_true")
    o = parser.parse_args()
    ran = skipped = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "bin").mkdir()
        (folder / "bin/slm").symlink_to(o.slm.resolve())
        (folder / "data").mkdir()
        for file in ("sample.txt", "sample-val.txt", "sample-questions.jsonl"): shutil.copy(ROOT / "data" / file, folder / "data")
        environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / "cache")}
        if o.quick:
            environment |= {"TIME": "5s", "STEPS": "10"}
            # Evaluations of all of them take longer than anything else that the pages do.
            path = folder / "data/sample-val.txt"
            path.write_text("".join(path.read_text().splitlines(keepends=True)[:100]))
        for page in o.pages:
            script = ["set -euo pipefail"]
            for line, language, text, comment in blocks(ROOT / "Documentation" / f"{page}.md"):
                place = f"{page}.md:{line}"
                if "not run:" in comment:
                    print(f"{place}: not run: {comment.split('not run:')[1].removesuffix('-->').strip()}")
                    skipped += 1
                    continue
                if language != "sh": raise SystemExit(f"{place}: a {language} block needs a reason not to be run")
                ran += 1
                if "serves until stopped" in comment:
                    script.append(f"echo '+ {place} serves' >&2; exit 77")
                    status = run(script, folder, environment)
                    if status != 77: raise SystemExit(f"{page}: exit status {status}")
                    serve(text, folder, environment)
                    script = ["set -euo pipefail"]
                    continue
                if "instead, in the test:" in comment: text = comment.split("instead, in the test:")[1].removesuffix("-->").strip()
                script.append(f"echo '+ {place}' >&2\n{text}")
            start = time.monotonic()
            status = run(script, folder, environment)
            if status: raise SystemExit(f"{page}.md: exit status {status}: see the last block above")
            print(f"{page}.md: all commands succeeded in {time.monotonic() - start:.0f} s", flush=True)
    print(f"{ran} blocks ran, {skipped} were not run")

if __name__ == "__main__": main()
