#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "eights.glsl"
// y (+)= scale·x for contiguous elements. An invocation copies one, or eight.
layout(local_size_x = 256) in;
layout(constant_id = 0) const bool in_eights = false;
const uint X = 0, Y = 1;

void main() {
    const uint i = invocation() * (in_eights ? 8 : 1), count = n[0];
    if (i >= count) return;
    if (in_eights) {
        const Eight value = get_eight(X, i), scaled = Eight(value.low * x[0], value.high * x[0]);
        put_eight(Y, i, n[1] != 0 ? sum_of(get_eight(Y, i), scaled) : scaled);
        return;
    }
    const float value = x[0] * get(X, i);
    put(Y, i, n[1] != 0 ? get(Y, i) + value : value);
}
