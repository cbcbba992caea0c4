#pragma once
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

// crypt(3) in memory of its own, which is wiped: struct crypt_data has 32 KiB, and Swift sees no array of that size.
// Returns 0 and writes the hash with its NUL, or returns -1 where the setting is none.
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
