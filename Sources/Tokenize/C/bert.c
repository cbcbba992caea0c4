#include "bert.h"

// Written by make_bert.py; as unicode_blocks and unicode_kinds in split_body.h.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const uint8_t bert_blocks[] = {
#embed "tables/bert_blocks.bin"
};
static const uint8_t bert_kinds[] = {
#embed "tables/bert_kinds.bin"
};

int32_t slm_bert_class(uint32_t c) {
    return c < 0x110000 ? bert_kinds[bert_blocks[c >> 7] * 32 + (c >> 2 & 31)] >> 2 * (c & 3) & 3 : SLM_BERT_OTHER;
}
