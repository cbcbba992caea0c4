#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "functions.glsl"
#include "eights.glsl"
// dx (+)= dy·f'(x). An invocation computes one element, or eight.
layout(local_size_x = 256) in;
layout(constant_id = 0) const bool in_eights = false;
const uint DY = 0, X = 1, DX = 2;

vec4 derivative(int f, vec4 x) { return vec4(derivative(f, x.x), derivative(f, x.y), derivative(f, x.z), derivative(f, x.w)); }

void main() {
    const uint i = invocation() * (in_eights ? 8 : 1), count = n[0];
    if (i >= count) return;
    if (in_eights) {
        const Eight dy = get_eight(DY, i), value = get_eight(X, i);
        const Eight slope = Eight(dy.low * derivative(n[1], value.low), dy.high * derivative(n[1], value.high));
        put_eight(DX, i, n[2] != 0 ? sum_of(get_eight(DX, i), slope) : slope);
        return;
    }
    const float slope = get(DY, i) * derivative(n[1], get(X, i));
    put(DX, i, n[2] != 0 ? get(DX, i) + slope : slope);
}
