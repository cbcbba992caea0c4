"""Writes NAME.bin, which C embeds."""
import pathlib

BLOCK = 128   # code points


def write(name, data):
    pathlib.Path(__file__).with_name(f"{name}.bin").write_bytes(bytes(data))


def write_blocks(name, values, bits):
    """NAME_blocks: the index of each block of 128 code points. NAME_kinds: the values of each block, `bits` for each code point, the lowest one in the lowest bits;
    equal blocks are stored once."""
    offsets, index = {}, []
    for start in range(0, len(values), BLOCK):
        block, count = values[start:start + BLOCK], 8 // bits
        packed = bytes(sum(value << bits * i for i, value in enumerate(block[j:j + count])) for j in range(0, BLOCK, count))
        index.append(offsets.setdefault(packed, len(offsets)))
    assert len(offsets) <= 256
    write(f"{name}_blocks", index)
    write(f"{name}_kinds", b"".join(offsets))
