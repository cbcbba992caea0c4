// Splits texts with every instruction set that this CPU supports, and looks their words up in both word tables, on buffers without
// slack: with -fsanitize=address,undefined an access past the end stops the program. Tests/TokenizeTests checks the results.
//
//     make test-sanitizers
#include "CPreTokenize.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Random bytes: of every third text ASCII only, else also multi-byte and invalid UTF-8.
static void fill(uint8_t *text, size_t length) {
    static const uint8_t bytes[] =
        "a Z9 ''sll've re\t\n\r .\xC3\xA9\xE6\x97\xA5\xF0\x9F\x8E\x89\x80\xFF\xC0\xED\xA0\xE3\x80\x80\xC5\xBF";
    static uint32_t state = 1;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525 + 1013904223;
        text[i] = length % 3 == 0 ? "ab 's 12\n"[state >> 24 & 7] : bytes[(state >> 16) % (sizeof bytes - 1)];
    }
}

static void look_up(const uint8_t *text, size_t length, const uint32_t *word_ends, size_t count) {
    enum { CACHE_SLOTS = 4, COUNTER_SLOTS = 256, MAX_NEW = 100 };          // so few cache slots that most words evict another
    slm_cached_word *cache = calloc(CACHE_SLOTS, sizeof *cache);
    int32_t *ids = malloc((count * SLM_WORD_IDS + 1) * sizeof *ids);
    size_t at = 0, written = 0, found = 0;
    while (found < count) {
        found += slm_word_cache_find(cache, CACHE_SLOTS, text, length, word_ends + found, count - found, &at, ids, &written);
        if (found == count) break;
        const size_t size = word_ends[found] - at;
        const int32_t id[1] = {(int32_t)size};
        if (size <= SLM_WORD_BYTES) slm_word_cache_insert(cache, CACHE_SLOTS, text + at, size, id, 1);
        at = word_ends[found++];
    }
    free(ids);
    free(cache);

    slm_counted_word *counter = calloc(COUNTER_SLOTS, sizeof *counter);
    size_t free_slots = MAX_NEW;
    at = 0;
    for (size_t word = 0; word < count;) {
        word = slm_word_counter_count(counter, COUNTER_SLOTS, &free_slots, text, length, word_ends, count, word, &at);
        if (free_slots == 0) {
            free_slots = MAX_NEW;
            memset(counter, 0, COUNTER_SLOTS * sizeof *counter);
        } else if (word < count) {
            at = word_ends[word++];
        }
    }
    free(counter);
}

static void split(slm_split_function function, const uint8_t *text, size_t length, int pattern, bool is_last, size_t capacity) {
    uint32_t *word_ends = malloc(capacity * sizeof *word_ends);
    const size_t count = function(pattern, text, length, is_last, word_ends, capacity);
    for (size_t i = 0; i < count; i++)
        if (word_ends[i] > length || (i > 0 && word_ends[i] <= word_ends[i - 1])) abort();
    look_up(text, length, word_ends, count);
    free(word_ends);
}

int main(void) {
    static const char *const instruction_sets[] = {"avx512", "avx2", "plain"};
    int ran = 0;
    for (int i = 0; i < 3; i++) {
        const slm_split_function function = slm_split_function_named(instruction_sets[i]);
        if (!function) continue;
        ran++;
        for (size_t length = 0; length < 300; length++) {
            uint8_t *text = malloc(length);
            fill(text, length);
            for (int pattern = SLM_PATTERN_GPT2; pattern <= SLM_PATTERN_LLAMA3; pattern++)
                for (int is_last = 0; is_last < 2; is_last++)
                    for (size_t capacity = 1; capacity < 100; capacity = capacity * 4 + 1)
                        split(function, text, length, pattern, is_last, capacity);
            free(text);
        }
    }
    printf("%d instruction sets, no errors\n", ran);
    return 0;
}
