// Two hash tables keyed by short words: the cache of an encoder, and the word counts that a vocabulary is trained on.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SLM_WORD_BYTES = 16, SLM_WORD_IDS = 3 };

/// A word of 1 to 16 bytes that encodes to 1 to 3 tokens. Length 0 marks an empty slot.
typedef struct {
    uint64_t key[2];           ///< its bytes, padded with zeros
    int32_t ids[SLM_WORD_IDS];
    uint8_t length, count;
    uint16_t unused;
} slm_cached_word;

/// Looks up the words of a text from offset `*at` on and writes their token IDs, up to the first word that is not cached.
/// Writes    `ids`, with room for SLM_WORD_IDS per word; `*written`, the number of IDs; `*at`, the end of the last word found.
///           Returns the number of words found.
size_t slm_word_cache_find(const slm_cached_word *table, size_t slots, const uint8_t *text, size_t length, const uint32_t *word_ends,
                           size_t words, size_t *at, int32_t *ids, size_t *written);
/// Caches a word of at most SLM_WORD_BYTES and SLM_WORD_IDS; it may evict another. `slots` is a power of two, at least 2.
void slm_word_cache_insert(slm_cached_word *table, size_t slots, const uint8_t *word, size_t length, const int32_t *ids, size_t count);

/// A word of 1 to 16 bytes and how often it occurred. Length 0 marks an empty slot.
typedef struct {
    uint64_t key[2];
    uint64_t count;
    uint64_t length;
} slm_counted_word;

/// Counts the words of a text from word `first` on, which starts at offset `*at`. `slots` is a power of two.
/// Stops     at a word longer than SLM_WORD_BYTES, or at a new word when `*free` is 0: then the table must grow.
///           Returns the word at which it stopped, which starts at `*at`.
size_t slm_word_counter_count(slm_counted_word *table, size_t slots, size_t *free, const uint8_t *text, size_t length,
                              const uint32_t *word_ends, size_t words, size_t first, size_t *at);
/// Adds a count to the same word's slot, or fills an empty slot. Returns the number of slots filled, 0 or 1.
size_t slm_word_counter_add(slm_counted_word *table, size_t slots, slm_counted_word word);
