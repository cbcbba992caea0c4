#include "bert.h"
#include "bert_classes.h"

int32_t slm_bert_class(uint32_t c) {
    return c < 0x110000 ? bert_kinds[bert_block[c >> 7] * 8 + ((c >> 4) & 7)] >> 2 * (c & 15) & 3 : SLM_BERT_OTHER;
}
