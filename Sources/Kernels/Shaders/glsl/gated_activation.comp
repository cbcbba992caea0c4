#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// y [N, F] = f(x[:, 0 ..< F])·x[:, F ..< 2F]
layout(local_size_x = 256) in;
const uint X = 0, Y = 1;

void main() {
    const uint i = invocation(), F = n[1], count = n[0] * F;
    if (i >= count) return;
    const uint at = i / F * 2 * F + i % F;
    put(Y, i, apply(n[2], get(X, at)) * get(X, at + F));
}
