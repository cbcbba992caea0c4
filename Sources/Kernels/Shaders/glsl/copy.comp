#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// y (+)= scale·x for contiguous elements.
layout(local_size_x = 256) in;
const uint X = 0, Y = 1;

void main() {
    const uint i = invocation(), count = n[0];
    if (i >= count) return;
    const float value = x[0] * get(X, i);
    put(Y, i, n[1] != 0 ? get(Y, i) + value : value);
}
