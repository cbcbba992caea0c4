#include "CShaders.h"
#include <stdlib.h>
#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

// What make_shaders.sh writes: a line `NAME BYTES` for each shader, and their code in the same order.
static const char lines[] = {
#embed "index.txt" suffix(, 0)
};
_Alignas(4) static const unsigned char code[] = {
#embed "all.spv"
};

const uint32_t *slm_shader(const char *name, size_t *bytes) {
    const size_t length = strlen(name);
    const unsigned char *start = code;
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        const size_t size = strtoul(strchr(line, ' '), NULL, 10);
        if (!strncmp(line, name, length) && line[length] == ' ')
            return *bytes = size, (const uint32_t *)start;
        start += size;
    }
    return NULL;
}
