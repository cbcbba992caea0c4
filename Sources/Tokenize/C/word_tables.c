#include "word_tables.h"
#include <stdbool.h>
#include <string.h>

typedef struct { uint64_t low, high; } word_key;

// The bytes of a word, padded with zeros. Reads 16 bytes where the text has that many.
static inline word_key key_of(const uint8_t *word, size_t length, size_t readable) {
    static const uint8_t ones_then_zeros[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    word_key key = {0, 0}, mask;
    if (readable < sizeof key) {
        memcpy(&key, word, length);
        return key;
    }
    memcpy(&key, word, sizeof key);
    memcpy(&mask, ones_then_zeros + 16 - length, sizeof mask);
    return (word_key){key.low & mask.low, key.high & mask.high};
}

static inline uint64_t hash_of(word_key key, size_t length) {
    const unsigned __int128 product = (unsigned __int128)(key.low ^ 0x9E3779B97F4A7C15) * (key.high ^ 0xD1B54A32D192ED03 ^ length);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// The first of the two adjacent slots that a word may occupy; together they are one cache line.
static inline size_t bucket_of(word_key key, size_t length, size_t slots) { return hash_of(key, length) & (slots - 2); }

static inline bool matches(const slm_cached_word *w, word_key key, size_t length) {
    return w->key[0] == key.low && w->key[1] == key.high && w->length == length;
}

size_t slm_word_cache_find(const slm_cached_word *table, size_t slots, const uint8_t *text, size_t length, const uint32_t *word_ends,
                           size_t words, size_t *at, int32_t *ids, size_t *written) {
    enum { AHEAD = 16 };                                  // this many slots are prefetched at a time
    const int32_t *const first = ids;
    size_t found = 0, start = *at;
    while (found < words) {
        word_key keys[AHEAD];
        const slm_cached_word *buckets[AHEAD];
        uint32_t lengths[AHEAD];
        size_t group = words - found < AHEAD ? words - found : AHEAD;
        size_t from = start;
        for (size_t i = 0; i < group; i++) {
            const size_t end = word_ends[found + i], size = end - from;
            lengths[i] = (uint32_t)size;
            if (size > SLM_WORD_BYTES) { group = i; break; }
            keys[i] = key_of(text + from, size, length - from);
            buckets[i] = table + bucket_of(keys[i], size, slots);
            __builtin_prefetch(buckets[i]);
            from = end;
        }
        size_t i = 0;
        for (; i < group; i++) {
            // No branch between the two slots: it would be unpredictable.
            const slm_cached_word *w = buckets[i] + !matches(buckets[i], keys[i], lengths[i]);
            if (!matches(w, keys[i], lengths[i])) break;
            memcpy(ids, w->ids, sizeof w->ids);           // all three, of which `count` are valid
            ids += w->count;
            start += lengths[i];
        }
        found += i;
        if (i < group || group == 0 || (group < AHEAD && found < words)) break;
    }
    *at = start;
    *written = (size_t)(ids - first);
    return found;
}

void slm_word_cache_insert(slm_cached_word *table, size_t slots, const uint8_t *word, size_t length, const int32_t *ids, size_t count) {
    const word_key key = key_of(word, length, 0);
    slm_cached_word *bucket = table + bucket_of(key, length, slots);
    slm_cached_word *w = bucket + (bucket[0].length != 0);           // the first word of a bucket, likely a frequent one, is never evicted
    *w = (slm_cached_word){.key = {key.low, key.high}, .length = (uint8_t)length, .count = (uint8_t)count};
    memcpy(w->ids, ids, count * sizeof *ids);
}

// The slot of a word, or the empty slot where it belongs. Linear probing.
static inline slm_counted_word *counted_slot(slm_counted_word *table, size_t slots, size_t slot, word_key key, size_t length) {
    for (;; slot++) {
        slm_counted_word *w = table + (slot & (slots - 1));
        if (w->length == 0 || (w->key[0] == key.low && w->key[1] == key.high && w->length == length)) return w;
    }
}

size_t slm_word_counter_count(slm_counted_word *table, size_t slots, size_t *free, const uint8_t *text, size_t length,
                              const uint32_t *word_ends, size_t words, size_t first, size_t *at) {
    enum { AHEAD = 16 };
    size_t word = first;
    while (word < words) {
        word_key keys[AHEAD];
        size_t hashes[AHEAD], group = words - word < AHEAD ? words - word : AHEAD, from = *at, i = 0;
        for (; i < group; i++) {
            const size_t size = word_ends[word + i] - from;
            if (size > SLM_WORD_BYTES) break;
            keys[i] = key_of(text + from, size, length - from);
            hashes[i] = hash_of(keys[i], size);
            __builtin_prefetch(table + (hashes[i] & (slots - 1)));
            from = word_ends[word + i];
        }
        const bool stops = i < group;
        group = i;
        for (i = 0; i < group; i++) {
            const size_t size = word_ends[word] - *at;
            slm_counted_word *w = counted_slot(table, slots, hashes[i], keys[i], size);
            if (w->length == 0) {
                if (*free == 0) return word;
                --*free;
                *w = (slm_counted_word){.key = {keys[i].low, keys[i].high}, .length = size};
            }
            w->count++;
            *at = word_ends[word++];
        }
        if (stops) break;
    }
    return word;
}

size_t slm_word_counter_add(slm_counted_word *table, size_t slots, slm_counted_word word) {
    const word_key key = {word.key[0], word.key[1]};
    slm_counted_word *w = counted_slot(table, slots, hash_of(key, word.length), key, word.length);
    const size_t new = w->length == 0;
    word.count += w->count;
    *w = word;
    return new;
}
