// Pre-tokenization: splits text into the words inside which BPE merges tokens.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The patterns with a scanner of their own; see split_body.h for what each one matches.
enum { SLM_PATTERN_GPT2, SLM_PATTERN_GPT4, SLM_PATTERN_LLAMA3, SLM_PATTERN_QWEN2, SLM_PATTERN_SMOLLM };

/// Splits `text`, whose first byte starts a word, by a pattern.
/// Writes    the offsets at which the words end, in ascending order, at most `capacity` of them; returns their number.
///           If `is_last` is false, more text may follow, and only words that it cannot change are written.
/// Memory    any alignment; `length` may be 0 but is below 4 GiB.
/// Threads   no state.
typedef size_t (*slm_split_function)(int pattern, const uint8_t *text, size_t length, bool is_last, uint32_t *word_ends, size_t capacity);

/// The function for an instruction set ("avx512", "avx2", "plain"), or NULL if this CPU does not support it.
slm_split_function slm_split_function_named(const char *instruction_set);
/// The fastest function that this CPU supports.
slm_split_function slm_split_function_best(void);

/// Splits `text`, whose first byte starts a word, before spaces: as a slm_split_function, except that a word is known as soon as the space
/// after it is.
/// every_space  true: each space starts a word. false: each run of spaces does, unless it follows a byte `b` with `joins[b]`.
size_t slm_split_at_spaces(const uint8_t *text, size_t length, bool is_last, bool every_space, const bool joins[256], uint32_t *word_ends,
                           size_t capacity);
