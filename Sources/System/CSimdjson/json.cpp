#include "CSimdjson.h"

#include <new>
#include <simdjson.h>

struct slm_json {
    simdjson::dom::parser parser;
};

extern "C" slm_json *slm_json_create(void) { return new (std::nothrow) slm_json; }

extern "C" void slm_json_destroy(slm_json *parser) { delete parser; }

extern "C" int slm_json_parse(slm_json *parser, const uint8_t *text, size_t count, const uint64_t **tape, const uint8_t **strings) {
    if (count == 0) return simdjson::EMPTY;
    simdjson::dom::element root;
    // `true` copies the text into a padded buffer: simdjson reads up to 64 bytes beyond the end.
    const auto error = parser->parser.parse(text, count, true).get(root);
    if (error) return error;
    *tape = parser->parser.doc.tape.get();
    *strings = parser->parser.doc.string_buf.get();
    return 0;
}

extern "C" const char *slm_json_error_text(int error) { return simdjson::error_message(simdjson::error_code(error)); }
