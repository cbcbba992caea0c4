#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// y = cap·tanh(x/cap), or, with a gradient dy and the result y:  dx = dy·(1 − (y/cap)²)
layout(local_size_x = 256) in;
const uint X = 0, Y = 1, DY = 2;

void main() {
    const uint i = invocation(), count = n[0];
    if (i >= count) return;
    const float cap = x[0], value = get(X, i) / cap;
    put(Y, i, has(DY) ? get(DY, i) * (1 - value * value) : cap * exact_tanh(value));
}
