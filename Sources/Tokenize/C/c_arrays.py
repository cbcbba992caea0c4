"""Writes arrays as C source."""

BLOCK = 128   # code points per block, two bits each


def c_array(name, type, values, comment):
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 132: lines.append(line); line = ""
        line += value + ","
    return f"/// {comment}\nstatic const {type} {name}[] = {{\n" + "\n".join("    " + l for l in lines + [line]) + "\n};"


def kind_arrays(name, kind):
    """The kind of each code point, 0 to 3, in blocks; equal blocks are stored once."""
    offsets, blocks, index = {}, [], []
    for start in range(0, 0x110000, BLOCK):
        kinds = [kind(c) for c in range(start, start + BLOCK)]
        words = tuple(sum(k << 2 * i for i, k in enumerate(kinds[j:j + 16])) for j in range(0, BLOCK, 16))
        if words not in offsets: offsets[words] = len(offsets); blocks += words
        index.append(offsets[words])
    assert len(offsets) <= 256
    return "\n".join([
        c_array(f"{name}_block", "uint8_t", map(str, index), f"The index of a code point's block, by code point / {BLOCK}."),
        c_array(f"{name}_kinds", "uint32_t", (hex(b) for b in blocks), "Sixteen code points per element, the lowest code point in the lowest bits."),
    ])
