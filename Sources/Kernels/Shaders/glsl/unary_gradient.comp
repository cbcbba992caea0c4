#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// dx (+)= dy·f'(x)
layout(local_size_x = 256) in;
const uint DY = 0, X = 1, DX = 2;

void main() {
    const uint i = invocation(), count = n[0];
    if (i >= count) return;
    const float value = get(DY, i) * derivative(n[1], get(X, i));
    put(DX, i, n[2] != 0 ? get(DX, i) + value : value);
}
