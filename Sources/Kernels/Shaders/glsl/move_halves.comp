#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Copies words of 2 bytes; sets them to 0 if there is no source.
layout(local_size_x = 256) in;
const uint X = 0, Y = 1;

void main() {
    const uint i = invocation(), count = n[0];
    if (i < count) Halves(buffers[Y]).v[i] = has(X) ? Halves(buffers[X]).v[i] : uint16_t(0);
}
