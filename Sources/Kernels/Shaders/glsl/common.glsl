// What all shaders share: the arguments, and access to buffers whose elements are f32 or bf16.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference2 : require
#extension GL_EXT_scalar_block_layout : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_control_flow_attributes : require

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Floats { float v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 2) buffer Halves { uint16_t v[]; };
layout(buffer_reference, scalar, buffer_reference_align = 4) buffer Ints { int v[]; };

// As GPU.run (Vulkan/GPU.swift) fills them: addresses of buffers, 0 for one that is missing; integers; a bit for each buffer in bf16;
// numbers.
layout(push_constant, scalar) uniform Arguments {
    uint64_t buffers[9];
    int n[8];
    uint bf16;
    float x[4];
};

// The index of the workgroup: a device limits the workgroups along one axis. n[7] is their number; those beyond it return at once.
uint workgroup() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
bool is_beyond() { return workgroup() >= uint(n[7]); }
// The index of the invocation, for elementwise shaders with workgroups of 256.
uint invocation() { return workgroup() * 256 + gl_LocalInvocationID.x; }

bool has(uint buffer_) { return buffers[buffer_] != 0; }

float get(uint buffer_, uint i) {
    if ((bf16 >> buffer_ & 1) != 0) return uintBitsToFloat(uint(Halves(buffers[buffer_]).v[i]) << 16);
    return Floats(buffers[buffer_]).v[i];
}

// Rounds to the nearest; of two, to the even one.
uint16_t to_bf16(float value) {
    const uint bits = floatBitsToUint(value);
    return uint16_t(isnan(value) ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void put(uint buffer_, uint i, float value) {
    if ((bf16 >> buffer_ & 1) != 0) Halves(buffers[buffer_]).v[i] = to_bf16(value);
    else Floats(buffers[buffer_]).v[i] = value;
}

int get_int(uint buffer_, uint i) { return Ints(buffers[buffer_]).v[i]; }
