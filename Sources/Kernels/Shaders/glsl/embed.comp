#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// y [N, C] = table[ids] (+ positions[n % period])
layout(local_size_x = 256) in;
const uint IDS = 0, TABLE = 1, POSITIONS = 2, Y = 3;

void main() {
    const uint C = n[1], i = invocation(), count = uint(n[0]) * C;
    if (i >= count) return;
    const uint row = i / C, column = i % C;
    float value = get(TABLE, uint(get_int(IDS, row)) * C + column);
    if (has(POSITIONS)) value += get(POSITIONS, row % uint(n[2]) * C + column);
    put(Y, i, value);
}
