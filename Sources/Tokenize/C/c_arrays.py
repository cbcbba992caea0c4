"""Writes arrays as C source."""


def c_array(name, type, values, comment):
    lines, line = [], ""
    for value in values:
        if len(line) + len(value) > 132: lines.append(line); line = ""
        line += value + ","
    return f"/// {comment}\nstatic const {type} {name}[] = {{\n" + "\n".join("    " + l for l in lines + [line]) + "\n};"
