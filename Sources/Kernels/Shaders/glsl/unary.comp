#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
// y = f(x)
layout(local_size_x = 256) in;
const uint X = 0, Y = 1;

void main() {
    const uint i = invocation(), count = n[0];
    if (i < count) put(Y, i, apply(n[1], get(X, i)));
}
