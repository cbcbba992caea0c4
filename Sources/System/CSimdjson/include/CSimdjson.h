#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A parser and the buffers of the document that it parsed last.
typedef struct slm_json slm_json;

/// Creates a parser, which the caller must destroy. Returns NULL if memory is exhausted.
slm_json *slm_json_create(void);

/// Frees the parser and its document. Accepts NULL.
void slm_json_destroy(slm_json *parser);

/// Parses `count` bytes. No padding is needed after them. `text` may be NULL if `count` is 0. The text is copied.
/// Returns   0, or an error code; then *tape and *strings are not written.
/// Writes    *tape, *strings: the document in the format of simdjson's doc/tape.md. Valid until the next parse or the end of the parser.
/// Threads   one at a time for each parser.
int slm_json_parse(slm_json *parser, const uint8_t *text, size_t count, const uint64_t **tape, const uint8_t **strings);

/// Returns simdjson's message for an error code. Never NULL; must not be freed.
const char *slm_json_error_text(int error);

#ifdef __cplusplus
}
#endif
