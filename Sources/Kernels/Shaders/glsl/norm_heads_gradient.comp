#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "heads.glsl"
// dx = rstd·(g − x̂·⟨g·x̂⟩) with g = dy·w and x̂ = rstd·x. Without weights, X holds x̂ already. The rest of a row is copied.
const uint DY = 0, X = 1, SCALE = 2, RSTD = 3, DX = 4;

void main() {
    const Head head = own_head();
    const float rstd = head.is_normed ? get(RSTD, head.of_rstd) : 1, unit = has(SCALE) ? rstd : 1;
    float sum = 0;
    for (uint i = head.lane; i < head.width; i += 32)
        sum += get(DY, head.at + i) * (has(SCALE) && head.is_normed ? get(SCALE, head.weights + i) : 1) * get(X, head.at + i) * unit;
    const float along = sum_of_lanes(sum) / float(head.width);
    for (uint i = head.lane; i < head.width; i += 32) {
        const float dy = get(DY, head.at + i), g = has(SCALE) && head.is_normed ? dy * get(SCALE, head.weights + i) : dy;
        put(DX, head.at + i, head.is_normed ? rstd * (g - get(X, head.at + i) * unit * along) : dy);
    }
}
