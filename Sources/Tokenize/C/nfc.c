#include "nfc.h"
#include <stdlib.h>
#include <string.h>

// Written by make_nfc.py from the characters that Unicode 9 assigns.
#pragma clang diagnostic ignored "-Wc23-extensions"
/// The index of a code point's block, by code point / 128; from U+30000 on, all characters are stable.
static const uint8_t nfc_blocks[] = {
#embed "tables/nfc_blocks.bin"
};
/// By block and code point: 0 for a stable starter; else its combining class's place in order, plus 128 if it may change.
static const uint8_t nfc_kinds[] = {
#embed "tables/nfc_kinds.bin"
};
// Tables of code points of three bytes each, the highest first, so that memcmp orders them.
/// Characters with a full decomposition, ascending, each followed by the up to four characters of it; 0 after the last one.
static const uint8_t nfc_decompositions[] = {
#embed "tables/nfc_decompositions.bin"
};
/// Pairs of characters that compose, ascending, each followed by what they compose to.
static const uint8_t nfc_pairs[] = {
#embed "tables/nfc_pairs.bin"
};
enum { POINT = 3, DECOMPOSITION = 5 * POINT, PAIR = 3 * POINT };

enum {                                    // Hangul syllables compose by arithmetic: Unicode standard, section 3.12
    SYLLABLES = 0xAC00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11A7, LEAD_COUNT = 19, VOWEL_COUNT = 21, TAIL_COUNT = 28,
    SYLLABLE_COUNT = LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT,
};

uint8_t slm_nfc_kind(uint32_t c) { return c < sizeof nfc_blocks * 128 ? nfc_kinds[nfc_blocks[c >> 7] * 128 + (c & 127)] : 0; }

static uint32_t read_point(const uint8_t *p) { return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]; }
static void write_point(uint8_t *p, uint32_t c) { p[0] = (uint8_t)(c >> 16), p[1] = (uint8_t)(c >> 8), p[2] = (uint8_t)c; }
static int compare_points(const void *a, const void *b) { return memcmp(a, b, POINT); }
static int compare_pairs(const void *a, const void *b) { return memcmp(a, b, 2 * POINT); }

size_t slm_nfc_decompose(uint32_t c, uint32_t *parts) {
    if (c - SYLLABLES < SYLLABLE_COUNT) {
        const uint32_t i = c - SYLLABLES, tail = i % TAIL_COUNT;
        parts[0] = LEADS + i / (VOWEL_COUNT * TAIL_COUNT);
        parts[1] = VOWELS + i / TAIL_COUNT % VOWEL_COUNT;
        if (tail > 0) parts[2] = TAILS + tail;
        return tail > 0 ? 3 : 2;
    }
    uint8_t key[POINT];
    write_point(key, c);
    const uint8_t *found = bsearch(key, nfc_decompositions, sizeof nfc_decompositions / DECOMPOSITION, DECOMPOSITION, compare_points);
    if (!found) return 0;
    size_t count = 0;
    while (count < 4 && (parts[count] = read_point(found + (count + 1) * POINT)) != 0) count++;
    return count;
}

uint32_t slm_nfc_compose(uint32_t a, uint32_t b) {
    if (a - LEADS < LEAD_COUNT && b - VOWELS < VOWEL_COUNT) return SYLLABLES + ((a - LEADS) * VOWEL_COUNT + b - VOWELS) * TAIL_COUNT;
    if (a - SYLLABLES < SYLLABLE_COUNT && (a - SYLLABLES) % TAIL_COUNT == 0 && b - TAILS - 1 < TAIL_COUNT - 1) return a + b - TAILS;
    uint8_t key[2 * POINT];
    write_point(key, a), write_point(key + POINT, b);
    const uint8_t *found = bsearch(key, nfc_pairs, sizeof nfc_pairs / PAIR, PAIR, compare_pairs);
    return found ? read_point(found + 2 * POINT) : 0;
}

size_t slm_nfc_stable_prefix(const uint8_t *text, size_t length) {
    size_t at = 0, starter = 0;           // `starter`: the last character without a combining class
    uint8_t last = 0;
    while (at < length) {
        if (text[at] < 0x80) {
            uint64_t eight;
            while (at + 8 < length && (memcpy(&eight, text + at, 8), (eight & 0x8080808080808080) == 0)) at += 8;
            while (at < length && text[at] < 0x80) at++;
            starter = at - 1;
            last = 0;
            continue;
        }
        const uint8_t *b = text + at;
        size_t size = b[0] < 0xC2 || b[0] > 0xF4 ? 1 : b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
        for (size_t i = 1; i < size; i++) {
            if (at + i >= length || (b[i] & 0xC0) != 0x80) size = 1;                       // not UTF-8
        }
        uint32_t c = 0;
        if (b[0] >= 0xCC && size > 1) {                   // below U+0300 nothing changes
            c = size == 2 ? (b[0] & 31u) << 6 | (b[1] & 63)
              : size == 3 ? (b[0] & 15u) << 12 | (b[1] & 63u) << 6 | (b[2] & 63)
                          : (b[0] & 7u) << 18 | (b[1] & 63u) << 12 | (b[2] & 63u) << 6 | (b[3] & 63);
        }
        const uint8_t kind = slm_nfc_kind(c), order = kind & 127;
        if (kind >= 128 || (order > 0 && order < last)) return starter;
        if (kind == 0) starter = at;
        last = order;
        at += size;
    }
    return length;
}
