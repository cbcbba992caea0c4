// The characters that BERT's tokenizer removes or splits off, as Hugging Face's library classifies them.
#pragma once
#include <stdint.h>

enum { SLM_BERT_OTHER, SLM_BERT_CONTROL, SLM_BERT_PUNCTUATION, SLM_BERT_ACCENT };

/// The class of a code point. An accent is a nonspacing mark; a control character may be one of format or private use, too.
int32_t slm_bert_class(uint32_t character);
