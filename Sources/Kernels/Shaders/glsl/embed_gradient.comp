#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// rows[ids[n]] += dy[n]: the workgroup of the first occurrence of an id adds up all of its rows, in order.
layout(local_size_x = 256) in;
const uint IDS = 0, DY = 1, ROWS = 2;
shared uint found;
shared uint matches[256];

void main() {
    if (is_beyond()) return;
    const uint N = n[0], C = n[1], own = workgroup(), i0 = gl_LocalInvocationID.x;
    const int id = get_int(IDS, own);
    if (i0 == 0) found = 0;
    barrier();
    for (uint start = 0; start < own; start += 256) {
        if (start + i0 < own && get_int(IDS, start + i0) == id) found = 1;
        barrier();
        if (found != 0) return;
        barrier();
    }
    for (uint start = own; start < N; start += 256) {
        matches[i0] = start + i0 < N && get_int(IDS, start + i0) == id ? 1 : 0;
        if (i0 == 0) found = 0;
        barrier();
        if (matches[i0] != 0) found = 1;
        barrier();
        if (found != 0) {
            for (uint c = i0; c < C; c += 256) {
                float sum = get(ROWS, uint(id) * C + c);
                for (uint i = 0; i < 256; i++) if (matches[i] != 0) sum += get(DY, (start + i) * C + c);
                put(ROWS, uint(id) * C + c, sum);
            }
        }
        barrier();
    }
}
