#include "nfc.h"
#include <string.h>
#include "nfc_tables.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {                                    // Hangul syllables compose by arithmetic: Unicode standard, section 3.12
    SYLLABLES = 0xAC00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11A7, LEAD_COUNT = 19, VOWEL_COUNT = 21, TAIL_COUNT = 28,
    SYLLABLE_COUNT = LEAD_COUNT * VOWEL_COUNT * TAIL_COUNT,
};

uint8_t slm_nfc_kind(uint32_t c) { return c < COUNT(nfc_block) * 128 ? nfc_kinds[nfc_block[c >> 7] * 128 + (c & 127)] : 0; }

size_t slm_nfc_decompose(uint32_t c, uint32_t *parts) {
    if (c - SYLLABLES < SYLLABLE_COUNT) {
        const uint32_t i = c - SYLLABLES, tail = i % TAIL_COUNT;
        parts[0] = LEADS + i / (VOWEL_COUNT * TAIL_COUNT);
        parts[1] = VOWELS + i / TAIL_COUNT % VOWEL_COUNT;
        if (tail > 0) parts[2] = TAILS + tail;
        return tail > 0 ? 3 : 2;
    }
    size_t low = 0, high = COUNT(nfc_composites);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (nfc_composites[middle] < c) low = middle + 1;
        else high = middle;
    }
    if (low == COUNT(nfc_composites) || nfc_composites[low] != c) return 0;
    const size_t start = low == 0 ? 0 : nfc_ends[low - 1], count = nfc_ends[low] - start;
    memcpy(parts, nfc_decompositions + start, count * sizeof *parts);
    return count;
}

uint32_t slm_nfc_compose(uint32_t a, uint32_t b) {
    if (a - LEADS < LEAD_COUNT && b - VOWELS < VOWEL_COUNT) return SYLLABLES + ((a - LEADS) * VOWEL_COUNT + b - VOWELS) * TAIL_COUNT;
    if (a - SYLLABLES < SYLLABLE_COUNT && (a - SYLLABLES) % TAIL_COUNT == 0 && b - TAILS - 1 < TAIL_COUNT - 1) return a + b - TAILS;
    const uint64_t pair = (uint64_t)a << 32 | b;
    size_t low = 0, high = COUNT(nfc_pairs);
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (nfc_pairs[middle] < pair) low = middle + 1;
        else high = middle;
    }
    return low < COUNT(nfc_pairs) && nfc_pairs[low] == pair ? nfc_composed[low] : 0;
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
