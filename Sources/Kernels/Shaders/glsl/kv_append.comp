#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "kv_cache.glsl"
// Stores the keys and values of all rows in the caches of their sequences.
layout(local_size_x = 256) in;
const uint QKV = 0, SEQUENCES = 1;

void main() {
    if (is_beyond()) return;
    const uint rows = n[0], H = n[1], K = n[2], D = n[3], capacity = n[4], layer = n[5], i = invocation(), width = K * D;
    if (i >= rows * 2 * width) return;
    const uint row = i / (2 * width), part = i % (2 * width), is_value = part / width, head = part % width / D, c = part % D;
    const uint64_t at = (uint64_t(layer * K + head) * 2 + is_value) * capacity * D + uint64_t(position_of(SEQUENCES, row)) * D + c;
    put_cached(cache_of(SEQUENCES, row), at, get(QKV, row * (H + 2 * K) * D + H * D + part));
}
