"""Documentation/Reference/openapi.yaml against `slm serve`: random requests made from the description by schemathesis, right ones and wrong ones. No answer is a 5xx that is not announced, and each is
as the description says.

    Tests/Peers/check_api.py .build/release/slm .build/release/CheckpointWriter [--each EXAMPLES] [--quick]

10,000 requests are some 400 examples for each operation; --quick has 20, and leaves out the edges of each range, which schemathesis takes minutes to make.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from served import ADMIN_KEY, UNLIMITED, Server

DESCRIPTION = pathlib.Path(__file__).parents[2] / "Documentation" / "Reference" / "openapi.yaml"
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
          "unsupported_method"]      # not use_after_free: what was deleted may have been restored in between
# What is wrong may also be too long.
CONFIGURATION = """[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("slm")
    parser.add_argument("writer")
    parser.add_argument("--each", type=int, default=400)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder, "parrot.h5")
        pathlib.Path(folder, "schemathesis.toml").write_text(CONFIGURATION)
        subprocess.run([options.writer, "parrot", checkpoint, "64"], check=True)
        with Server(options.slm, checkpoint, *UNLIMITED) as server:
            token = server.account("ada")
            phases = "fuzzing,stateful" if options.quick else "examples,coverage,fuzzing,stateful"
            command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", str(DESCRIPTION), "--url", server.url, "--checks", ",".join(CHECKS),
                       "--max-examples", str(20 if options.quick else options.each), "--phases", phases, "--seed", options.seed, "--generation-database", "none",
                       "--suppress-health-check", "all", "--no-color", "--continue-on-failure", "--warnings", "off",
                       "--header", f"Authorization: Bearer {token}", "--header", f"X-Admin-Key: {ADMIN_KEY}"]
            run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if run.returncode != 0:
                sys.exit(run.stdout + run.stderr + server.said())
            # What the log has is what the server thinks its owner should know: no mistakes of its own.
            assert "mistake" not in server.said() and server.queue() == {"running": 0, "waiting": 0}, server.said()
            print("random requests from the description:", re.search(r"\d+ generated.*", run.stdout)[0])


if __name__ == "__main__":
    main()
