#pragma once
#include <zlib.h>

// deflateInit2 and inflateInit2 are macros, which Swift cannot import. 31: a window of 32 KiB, and a gzip header. -15: no header.
static inline int slm_gzip_init(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
}
static inline int slm_gunzip_init(z_stream *stream) { return inflateInit2(stream, 31); }
static inline int slm_inflate_init(z_stream *stream) { return inflateInit2(stream, -15); }
