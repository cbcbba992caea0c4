// Sums and maxima over the invocations of a workgroup of 256.
#define THREADS 256
shared float reduced[THREADS];

float sum_of_group(float value) {
    const uint i = gl_LocalInvocationID.x;
    barrier();
    reduced[i] = value;
    barrier();
    for (uint half_ = THREADS / 2; half_ > 0; half_ /= 2) {
        if (i < half_) reduced[i] += reduced[i + half_];
        barrier();
    }
    return reduced[0];
}

float max_of_group(float value) {
    const uint i = gl_LocalInvocationID.x;
    barrier();
    reduced[i] = value;
    barrier();
    for (uint half_ = THREADS / 2; half_ > 0; half_ /= 2) {
        if (i < half_) reduced[i] = max(reduced[i], reduced[i + half_]);
        barrier();
    }
    return reduced[0];
}
