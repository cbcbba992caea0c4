#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A parser, with the memory of the document that it parsed last.
typedef struct slm_json slm_json;

/// A new parser; NULL if there is no memory. The caller destroys it.
slm_json *slm_json_create(void);

/// Frees the parser and all that it has lent. NULL is fine.
void slm_json_destroy(slm_json *parser);

/// Parses `count` bytes, of which none needs to follow the last; `text` may be NULL if there are none. Texts are copied, and not kept.
/// Returns   0, or the number of an error, and then nothing is lent.
/// Writes    *tape, *strings: the document in the format of simdjson's doc/tape.md. Lent until the next parse, or the end of the parser.
/// Threads   one at a time for each parser.
int slm_json_parse(slm_json *parser, const uint8_t *text, size_t count, const uint64_t **tape, const uint8_t **strings);

/// What the number of an error means, in simdjson's words. Never NULL, never freed.
const char *slm_json_error_text(int error);

#ifdef __cplusplus
}
#endif
