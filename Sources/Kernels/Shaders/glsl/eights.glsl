// Eight numbers of a buffer at a time, from an index that is a multiple of eight on. Its memory must begin at a multiple of 16 bytes.
layout(buffer_reference, scalar, buffer_reference_align = 16) buffer Vectors { uvec4 v[]; };
#define VECTOR(buffer_, i) Vectors(buffers[buffer_]).v[i]

struct Eight { vec4 low, high; };

uint packed(float low, float high) {
#ifdef HAS_BFLOAT16
    const u16vec2 bits = bfloat16BitsToUintEXT(bf16vec2(vec2(low, high)));
    return uint(bits.x) | uint(bits.y) << 16;
#else
    return uint(to_bf16(low)) | uint(to_bf16(high)) << 16;
#endif
}
// Rounded to bf16.
uvec4 packed(Eight v) {
    return uvec4(packed(v.low.x, v.low.y), packed(v.low.z, v.low.w), packed(v.high.x, v.high.y), packed(v.high.z, v.high.w));
}

Eight get_eight(uint buffer_, uint i) {
    if ((bf16 >> buffer_ & 1) == 0)
        return Eight(uintBitsToFloat(VECTOR(buffer_, i / 4)), uintBitsToFloat(VECTOR(buffer_, i / 4 + 1)));
    const uvec4 v = VECTOR(buffer_, i / 8);
    return Eight(uintBitsToFloat(uvec4(v.x << 16, v.x & 0xffff0000, v.y << 16, v.y & 0xffff0000)),
                 uintBitsToFloat(uvec4(v.z << 16, v.z & 0xffff0000, v.w << 16, v.w & 0xffff0000)));
}

void put_eight(uint buffer_, uint i, Eight value) {
    if ((bf16 >> buffer_ & 1) != 0) VECTOR(buffer_, i / 8) = packed(value);
    else {
        VECTOR(buffer_, i / 4) = floatBitsToUint(value.low);
        VECTOR(buffer_, i / 4 + 1) = floatBitsToUint(value.high);
    }
}

Eight sum_of(Eight a, Eight b) { return Eight(a.low + b.low, a.high + b.high); }
