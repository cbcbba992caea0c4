"""Checks `slm serve` against Documentation/Reference/openapi.yaml with random requests, valid and invalid, that schemathesis generates from it.
Every response must have a documented status, headers and schema, and none may be an undocumented 5xx.

    Tests/Peers/check_api.py .build/release/slm .build/release/CheckpointWriter [--each EXAMPLES] [--quick]

400 examples for each operation are about 10,000 requests. --quick uses 20, without the boundary values of each range, which take minutes.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
from safetensors.numpy import save_file

from programs import command_line, run, scratch_folder
from served import ADMIN_KEY, UNLIMITED, Server

DESCRIPTION = pathlib.Path(__file__).parents[2] / "Documentation" / "Reference" / "openapi.yaml"
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance", "response_schema_conformance", "negative_data_rejection",
          "unsupported_method"]      # not use_after_free: a deleted conversation may have been restored
# An invalid request may also be too long.
CONFIGURATION = """[checks]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "428", "429"]
"""


def reranker(folder):
    """A BERT with one layer, random weights and a token for each letter."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *("##" + letter for letter in letters)]
    width, hidden, context = 8, 16, 64
    shapes = {"bert.embeddings.word_embeddings": [len(tokens), width], "bert.embeddings.position_embeddings": [context, width],
              "bert.embeddings.token_type_embeddings": [2, width], "bert.pooler.dense": [width, width], "classifier": [1, width]}
    layer = "bert.encoder.layer.0."
    shapes |= {f"{layer}attention.{part}": [width, width] for part in ("self.query", "self.key", "self.value", "output.dense")}
    shapes |= {layer + "intermediate.dense": [hidden, width], layer + "output.dense": [width, hidden]}
    random = np.random.default_rng(1)
    tensors = {name + ".weight": random.normal(0, 0.3, shape) for name, shape in shapes.items()}
    tensors |= {name + ".bias": np.zeros(shape[0]) for name, shape in shapes.items() if "embeddings" not in name}
    for norm in ("bert.embeddings.LayerNorm", layer + "attention.output.LayerNorm", layer + "output.LayerNorm"):
        tensors |= {norm + ".weight": np.ones(width), norm + ".bias": np.zeros(width)}
    folder.mkdir()
    save_file({name: values.astype(np.float32) for name, values in tensors.items()}, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (folder / "config.json").write_text(json.dumps(dict(
        model_type="bert", vocab_size=len(tokens), hidden_size=width, num_hidden_layers=1, num_attention_heads=2, intermediate_size=hidden,
        max_position_embeddings=context)))
    return folder


def main():
    options = command_line(__doc__, "slm", "writer", each=400, quick=False, seed="1")
    with scratch_folder() as folder:
        checkpoint = folder / "parrot.h5"
        (folder / "schemathesis.toml").write_text(CONFIGURATION)
        run(options.writer, "parrot", checkpoint, "64")
        with Server(options.slm, checkpoint, *UNLIMITED, "--reranker", reranker(folder / "reranker")) as server:
            token = server.account("ada")
            phases = "fuzzing,stateful" if options.quick else "examples,coverage,fuzzing,stateful"
            command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", str(DESCRIPTION), "--url", server.url, "--checks", ",".join(CHECKS),
                       "--max-examples", str(20 if options.quick else options.each), "--phases", phases, "--seed", options.seed, "--generation-database", "none",
                       # They would end the session that the other requests need.
                       "--exclude-operation-id", "logOut", "--exclude-operation-id", "endSessions",
                       # It cannot write JSON lines.
                       "--exclude-operation-id", "importTrainingChats",
                       "--suppress-health-check", "all", "--no-color", "--continue-on-failure", "--warnings", "off",
                       "--header", f"Authorization: Bearer {token}", "--header", f"X-Admin-Key: {ADMIN_KEY}"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode != 0:
                sys.exit(done.stdout + done.stderr + server.log_text())
            # The log must have no internal errors.
            assert "slm serve: error:" not in server.log_text() and server.queue() == {"running": 0, "waiting": 0}, server.log_text()
            print("random requests from openapi.yaml:", re.search(r"\d+ generated.*", done.stdout)[0])


if __name__ == "__main__":
    main()
