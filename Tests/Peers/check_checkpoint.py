"""Reads a checkpoint of slm with h5py and compares every array's shape, type and bits, then changes it. Checks the header's digest with xxhash.

    Tests/Peers/check_checkpoint.py .build/release/CheckpointWriter
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import xxhash

CONFIGURATION = {"layers": 1, "heads": 2, "width": 8, "context": 6, "vocabulary": 262, "bias": 1, "tied": 0, "norm": b"layer", "activation": b"reluSquared"}


def bits(dataset):
    """Returns the numbers of a dataset as integers with the same bits, or the bytes of a string."""
    if dataset.dtype.kind == "S":
        assert dataset.id.get_type().get_cset() == h5py.h5t.CSET_UTF8
        text = np.zeros((), dataset.dtype)
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, text, dataset.id.get_type())
        text = text.tobytes()                                  # [()] drops trailing zeros
        assert text[-1] == 0 and dataset[()] == text.rstrip(b"\0")
        return list(text[:-1])
    assert dataset.dtype.byteorder in "<|="
    return [int(number) for number in dataset[()].ravel().view(f"u{dataset.dtype.itemsize}")] if dataset.size else []


def check_header(path):
    data = path.read_bytes()
    lines = data[:512].split(b"\n")
    assert lines[0] == b"slm checkpoint, version 1", lines[0]
    assert lines[1] == b"length %020d" % len(data), lines[1]
    assert lines[2] == b"xxh3-128 " + xxhash.xxh3_128_hexdigest(data[512:]).encode(), lines[2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "sample.h5")
        expected = json.loads(subprocess.run([sys.argv[1], "sample", path], check=True, capture_output=True).stdout)
        check_header(path)
        with h5py.File(path, "r") as file:
            for array in expected:
                dataset = file[array["path"]]
                assert list(dataset.shape) == array["shape"], (array["path"], dataset.shape, array["shape"])
                assert bits(dataset) == array["bits"], array["path"]
            for name, value in CONFIGURATION.items():
                assert file["configuration"][name][()] == value, name
            assert np.float32(file["configuration/dropout"][()]) == np.float32(0.1)
            assert len(json.loads(file["tokenizer/json"][()])["model"]["vocab"]) == 260
            assert file["tokenizer/chat_template"][()] == b"markers"
            count = []
            file.visititems(lambda _, item: count.append(1) if isinstance(item, h5py.Dataset) else None)
            others = len(file["configuration"]) + len(file["tokenizer"])
            assert len(count) == len(expected) + others, f"{len(count)} arrays, {len(expected)} + {others} expected"
            names = [array["path"].removeprefix("weights/") for array in expected if array["path"].startswith("weights/")]
            assert list(file["weights"]) == names, "the order of the weights"
        # Other programs can add to the file: HDF5's library follows its checksums, and moves links where there is room.
        with h5py.File(path, "r+") as file:
            file["configuration/context"][()] = 7
            file["weights"].attrs["note"] = "changed"
            for i in range(300):
                file[f"metrics/added {i}"] = i
            del file["metrics/added 3"]
            file.create_group("others/deep")["x"] = [1.5, 2.5]
        with h5py.File(path, "r") as file:
            assert file["configuration/context"][()] == 7 and file["metrics/added 299"][()] == 299 and len(file["metrics"]) == 301
            assert list(file["others/deep/x"][()]) == [1.5, 2.5]
            last = expected[-1]
            assert bits(file[last["path"]]) == last["bits"]
    print(f"checkpoint: h5py {h5py.__version__} reads all {len(count)} arrays exactly, and changes the file")


if __name__ == "__main__":
    main()
