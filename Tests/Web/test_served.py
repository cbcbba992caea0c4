"""Runs the tests of the web page with `slm serve` and a tiny model trained to count.

    Tests/Web/test_served.py .build/release/slm
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "Peers"))
from served import ADMIN_KEY, UNLIMITED, Server  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    slm, folder = sys.argv[1], pathlib.Path(folder)
    chats = "".join(f"[INST] What comes after {i % 9}? [/INST] After {i % 9} comes {i % 9 + 1}.\n" for i in range(400))
    (folder / "chats.txt").write_text(chats)
    (folder / "val.txt").write_text(chats[:2_000])
    demo = subprocess.run([slm, "demo", "--no-serve", "--max-steps", "60", "--data", folder / "chats.txt", "--val", folder / "val.txt",
                           "--out", folder / "run"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert demo.returncode == 0, demo.stderr
    with Server(slm, folder / "run/best.h5", *UNLIMITED) as server:
        tests = subprocess.run([sys.executable, HERE / "test_web.py", *sys.argv[2:]], env={**os.environ, "BASE_URL": server.url})
    with Server(slm, folder / "run/best.h5", "--use-chats", *UNLIMITED) as server:
        environment = {**os.environ, "BASE_URL": server.url, "ADMIN_API_KEY": ADMIN_KEY}
        area = subprocess.run([sys.executable, HERE / "test_web.py", "test_area_of_a_server"], env=environment)
sys.exit(tests.returncode or area.returncode)
