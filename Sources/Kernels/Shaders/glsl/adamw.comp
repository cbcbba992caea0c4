#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// AdamW (Loshchilov & Hutter 2019). Numbers that do not fit into the arguments are read from a buffer.
layout(local_size_x = 256) in;
const uint W = 0, G = 1, M = 2, V = 3, SETTINGS = 4;

void main() {
    const uint i = invocation(), count = n[0];
    if (i >= count) return;
    const float beta1 = get(SETTINGS, 0), beta2 = get(SETTINGS, 1), epsilon = get(SETTINGS, 2), root = get(SETTINGS, 3);
    const float step_ = x[0], keep = x[1], gradient = get(G, i) * x[2];
    const float first = get(M, i) * beta1 + gradient * (1 - beta1), second = get(V, i) * beta2 + gradient * gradient * (1 - beta2);
    put(M, i, first);
    put(V, i, second);
    put(W, i, get(W, i) * keep - step_ * first / (sqrt(second) * root + epsilon));
}
