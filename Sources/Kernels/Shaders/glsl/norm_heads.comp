#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "heads.glsl"
// RMS norm of each head: y = x/√(⟨x²⟩ + ε), times weights [2, D] for the heads of queries and of keys. The rest of a row is copied.
const uint X = 0, SCALE = 1, Y = 2, RSTD = 3;

void main() {
    const Head head = own_head();
    float squares = 0;
    for (uint i = head.lane; i < head.width; i += 32) squares += get(X, head.at + i) * get(X, head.at + i);
    const float rstd = 1 / sqrt(sum_of_lanes(squares) / float(head.width) + x[0]);
    if (head.is_normed && head.lane == 0) put(RSTD, head.of_rstd, rstd);
    for (uint i = head.lane; i < head.width; i += 32) {
        const float value = get(X, head.at + i);
        put(Y, head.at + i, head.is_normed ? value * rstd * (has(SCALE) ? get(SCALE, head.weights + i) : 1) : value);
    }
}
