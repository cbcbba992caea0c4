#pragma once
#include <stddef.h>

/// A file of the page, as it stands in Sources/Serve/Web.
typedef struct {
    const char *name;
    const unsigned char *bytes;
    size_t count;
} slm_web_file;

const slm_web_file *slm_web_file_at(size_t place);              // NULL behind the last
