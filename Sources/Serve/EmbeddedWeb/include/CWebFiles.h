#pragma once
#include <stddef.h>

/// A file of Sources/Serve/Web, and its path there.
typedef struct {
    const char *path;
    /// Ends with a NUL. The files contain none.
    const unsigned char *bytes;
} slm_web_file;

/// Returns NULL for an index past the last file.
const slm_web_file *slm_web_file_at(size_t index);
