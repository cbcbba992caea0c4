#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Rotates elements i and i + D/2 of each head by the angle of the row's position, and copies the rest of the row. y may be x.
layout(local_size_x = 256) in;
const uint X = 0, ANGLES = 1, Y = 2;

void main() {
    const uint C = n[1], heads = n[2], D = n[3], T = n[4], i = invocation(), half_ = D / 2;
    const uint pairs = heads * half_, rest = C - heads * D, width = pairs + rest, count = uint(n[0]) * width;
    if (i >= count) return;
    const uint row = i / width, part = i % width;
    if (part >= pairs) {
        const uint at = row * C + heads * D + part - pairs;
        put(Y, at, get(X, at));
        return;
    }
    const uint at = row * C + part / half_ * D + part % half_, angle = row % T * D + part % half_;
    const float c = get(ANGLES, angle), s = get(ANGLES, angle + half_) * x[0], a = get(X, at), b = get(X, at + half_);
    put(Y, at, a * c - b * s);
    put(Y, at + half_, b * c + a * s);
}
