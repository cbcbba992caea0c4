// Sums and maxima over the invocations of a workgroup of THREADS. All invocations wait for each other, and so see what the others wrote
// to shared memory before.
#extension GL_KHR_shader_subgroup_arithmetic : require
shared float reduced[THREADS];

#define OVER_GROUP(NAME, OF_SUBGROUP, OF_TWO)                                       \
    float NAME(float value) {                                                       \
        value = OF_SUBGROUP(value);                                                 \
        barrier();                                                                  \
        if (subgroupElect()) reduced[gl_SubgroupID] = value;                        \
        barrier();                                                                  \
        value = reduced[0];                                                         \
        for (uint i = 1; i < gl_NumSubgroups; i++) value = OF_TWO(value, reduced[i]); \
        return value;                                                               \
    }
float sum_of_two(float a, float b) { return a + b; }
OVER_GROUP(sum_of_group, subgroupAdd, sum_of_two)
OVER_GROUP(max_of_group, subgroupMax, max)
