// Words that were met before, and their ids: a table of bounded size, in which new words take the places of old ones.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SLM_WORD_BYTES = 16, SLM_WORD_IDS = 3 };

/// A word of 1 to 16 bytes that is 1 to 3 tokens. Length 0: an empty place.
typedef struct {
    uint64_t key[2];           ///< its bytes, then zeros
    int32_t ids[SLM_WORD_IDS];
    uint8_t length, count;
    uint16_t unused;
} slm_word;

/// Looks up the words of a text from `*at` on and writes their ids, until one is not known. `*at` moves behind the last that was found.
/// `ids` has room for SLM_WORD_IDS a word. Returns how many words were found; `*written` is the number of their ids.
size_t slm_words_find(const slm_word *table, size_t places, const uint8_t *text, size_t length, const uint32_t *word_ends, size_t words, size_t *at,
                      int32_t *ids, size_t *written);
/// Remembers a word of at most SLM_WORD_BYTES and SLM_WORD_IDS. `places` is a power of two, 2 at least.
void slm_words_remember(slm_word *table, size_t places, const uint8_t *word, size_t length, const int32_t *ids, size_t count);

/// A word of 1 to 16 bytes and how often it was met. Length 0: an empty place.
typedef struct {
    uint64_t key[2];
    uint64_t count;
    uint64_t length;
} slm_counted;

/// Counts the words of a text from word `first` on, which begins at `*at`, until one is longer than SLM_WORD_BYTES or only `*free` = 0 places are
/// left for new ones. `places` is a power of two. Returns the word where it stopped, which begins at `*at`.
size_t slm_words_count(slm_counted *table, size_t places, size_t *free, const uint8_t *text, size_t length, const uint32_t *word_ends, size_t words,
                       size_t first, size_t *at);
/// Adds to the count of a word that has a place already, or to an empty place: then it returns 1, else 0.
size_t slm_words_add(slm_counted *table, size_t places, slm_counted word);
