#pragma once
#include <zlib.h>

// deflateInit2 is a macro, which Swift cannot import. 31: a window of 32 KiB, and a gzip header.
static inline int slm_gzip_init(z_stream *stream) {
    return deflateInit2(stream, Z_BEST_COMPRESSION, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
}
