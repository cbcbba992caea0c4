#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// y (+)= x/(1 − p), or 0 with probability p: the random numbers of the CPU's kernel (SplitMix64 as a counter-based generator).
layout(local_size_x = 256) in;
const uint X = 0, Y = 1;

uint64_t whole(int low, int high) { return uint64_t(uint(low)) | uint64_t(uint(high)) << 32; }

uint64_t random_bits(uint64_t seed, uint64_t i) {
    uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15ul;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
    return z ^ (z >> 31);
}

void main() {
    const uint i = invocation(), count = n[0];
    if (i >= count) return;
    const uint64_t seed = whole(n[2], n[3]), start = whole(n[4], n[5]);
    const bool dropped = uint(random_bits(seed, start + i) >> 32) < uint(n[6]);
    const float value = dropped ? 0 : get(X, i) * x[0];
    put(Y, i, n[1] != 0 ? get(Y, i) + value : value);
}
