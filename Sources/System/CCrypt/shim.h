#pragma once
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

// crypt(3) with a temporary buffer that is wiped afterwards. Swift cannot import struct crypt_data, whose arrays have 32 KiB.
// Returns 0 and writes the NUL-terminated hash, or returns -1 if the setting is invalid.
static inline int slm_crypt(const char *phrase, const char *setting, char hash[CRYPT_OUTPUT_SIZE]) {
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) return -1;
    const char *made = crypt_r(phrase, setting, data);
    int failed = !made || made[0] == '*';
    if (!failed) memcpy(hash, data->output, CRYPT_OUTPUT_SIZE);
    explicit_bzero(data, sizeof *data);
    free(data);
    return failed ? -1 : 0;
}
