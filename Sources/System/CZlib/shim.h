#pragma once
#include <zlib.h>

// deflateInit2 is a macro, which Swift cannot see. 31: windows of 32 KiB, and gzip's header around them.
static inline int slm_gzip_init(z_stream *stream) { return deflateInit2(stream, Z_BEST_COMPRESSION, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY); }
