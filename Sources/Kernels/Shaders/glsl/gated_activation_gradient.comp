#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// The derivative of gated_activation.comp.
layout(local_size_x = 256) in;
const uint DY = 0, X = 1, DX = 2;

void main() {
    const uint i = invocation(), F = n[1], count = n[0] * F;
    if (i >= count) return;
    const uint at = i / F * 2 * F + i % F;
    const float slope = get(DY, i), gate = get(X, at), value = get(X, at + F);
    put(DX, at, slope * value * derivative(n[2], gate));
    put(DX, at + F, slope * apply(n[2], gate));
}
