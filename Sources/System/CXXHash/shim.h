#pragma once
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

// The same digest, with the vector instructions that the CPU has. The names of xxh_x86dispatch.h are macros, which Swift cannot import.
static inline XXH_errorcode slm_xxh3_update(XXH3_state_t *state, const void *bytes, size_t count) {
    return XXH3_128bits_update(state, bytes, count);
}
