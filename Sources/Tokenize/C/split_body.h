// Splits text into words by the pre-tokenization patterns of GPT-2 and GPT-4, without a regular expression.
// Compiled once per instruction set: split_*.c define SLM_SPLIT, the name of the function.
//
//     GPT-2   '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//     GPT-4   '(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+
//     Llama 3 is GPT-4 without \s+\z, Qwen 2 is Llama 3 with \p{N} instead of \p{N}{1,3}.
//     SmolLM splits the text at digits, each a word, and the rest by GPT-2's: \s+(?!\S) also ends before a digit.
//
// Two implementations give the same words. The scalar one reads one character at a time and supports all of Unicode. The vector one
// reads up to 64 ASCII characters at once: bit masks tell what each one is, and shifts and ANDs of the masks tell where words start.
// A byte that is not part of a valid UTF-8 character counts as one character that is neither letter, number nor space.
#include "split.h"
#include <string.h>

enum { OTHER, LETTER, NUMBER, SPACE };

// Written by make_unicode.py.
#pragma clang diagnostic ignored "-Wc23-extensions"
/// The index of a code point's block, by code point / 128.
static const uint8_t unicode_blocks[] = {
#embed "tables/unicode_blocks.bin"
};
/// By block and code point / 4: the kinds of four code points, that of the lowest one in the lowest two bits.
static const uint8_t unicode_kinds[] = {
#embed "tables/unicode_kinds.bin"
};

// The text being split. If `is_last` is false, more text may follow.
typedef struct { const uint8_t *bytes; size_t length; bool is_last; } split_text;
// length 0: the end of the text; −1: unknown until more text is available.
typedef struct { int kind; int length; } character;

static inline bool is_continuation(const split_text *t, size_t at) { return at < t->length && (t->bytes[at] & 0xC0) == 0x80; }

static inline int kind_of(uint32_t c) { return unicode_kinds[unicode_blocks[c >> 7] * 32 + (c >> 2 & 31)] >> 2 * (c & 3) & 3; }

static character character_at(const split_text *t, size_t at) {
    if (at >= t->length) return (character){-1, t->is_last ? 0 : -1};
    const uint8_t *b = t->bytes + at;
    if (b[0] < 0x80) return (character){kind_of(b[0]), 1};
    const int length = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4) return (character){OTHER, 1};
    for (int i = 1; i < length; i++) {
        if (at + i >= t->length && !t->is_last) return (character){-1, -1};
        if (!is_continuation(t, at + i)) return (character){OTHER, 1};
    }
    const uint32_t c = length == 2 ? (b[0] & 31u) << 6 | (b[1] & 63)
                     : length == 3 ? (b[0] & 15u) << 12 | (b[1] & 63u) << 6 | (b[2] & 63)
                                   : (b[0] & 7u) << 18 | (b[1] & 63u) << 12 | (b[2] & 63u) << 6 | (b[3] & 63);
    // Overlong, a surrogate, or past the last code point: not UTF-8.
    if ((length == 3 && (c < 0x800 || c >> 11 == 0x1B)) || (length == 4 && (c < 0x10000 || c > 0x10FFFF))) return (character){OTHER, 1};
    return (character){kind_of(c), length};
}

// The end of the run of characters of one kind that starts at `at`; `*known` becomes false if more text could extend it.
static size_t run_end(const split_text *t, size_t at, int kind, bool *known) {
    for (;;) {
        const character c = character_at(t, at);
        if (c.length < 0) *known = false;
        if (c.length <= 0 || c.kind != kind) return at;
        at += c.length;
    }
}

// The end of a run of white space, the start of its last character, and the end of its last \r or \n (0: none).
typedef struct { size_t end, last, line; } space_run;
static space_run spaces_at(const split_text *t, size_t at, bool *known) {
    space_run r = {at, at, 0};
    for (;;) {
        const character c = character_at(t, r.end);
        if (c.length < 0) *known = false;
        if (c.length <= 0 || c.kind != SPACE) return r;
        if (t->bytes[r.end] == '\n' || t->bytes[r.end] == '\r') r.line = r.end + 1;
        r.last = r.end;
        r.end += c.length;
    }
}

// The length of 's, 'd, 'm, 't, 'll, 've or 're whose apostrophe is at `at`, or 0.
static size_t contraction(const split_text *t, size_t at, bool any_case, bool *known) {
    const uint8_t fold = any_case ? 0x20 : 0;
    const size_t left = t->length - at;
    const bool enough = left >= 3 || t->is_last;
    if (left < 2) return *known = enough, 0;
    const uint8_t a = t->bytes[at + 1] | fold;
    if (a == 's' || a == 'd' || a == 'm' || a == 't') return 2;
    const bool two = a == 'l' || a == 'v' || a == 'r', long_s = any_case && t->bytes[at + 1] == 0xC5;   // U+017F folds to s
    if (!two && !long_s) return 0;
    if (left < 3) return *known = enough, 0;
    if (long_s) return t->bytes[at + 2] == 0xBF ? 3 : 0;
    return (t->bytes[at + 2] | fold) == (a == 'l' ? 'l' : 'e') ? 3 : 0;
}

// The end of the word that starts at `at`, or 0 if more text could change it. `single_digits`: SmolLM's.
static size_t word_gpt2(const split_text *t, size_t at, bool single_digits) {
    bool known = true;
    if (t->bytes[at] == '\'') {
        const size_t length = contraction(t, at, false, &known);
        if (!known) return 0;
        if (length > 0) return at + length;
    }
    character c = character_at(t, at);
    if (c.length < 0) return 0;
    size_t from = at + c.length;
    if (t->bytes[at] == ' ') {
        const character next = character_at(t, from);
        if (next.length < 0) return 0;
        if (next.length > 0 && next.kind != SPACE && !(single_digits && next.kind == NUMBER)) from += next.length, c = next;
    }
    if (single_digits && c.kind == NUMBER) return from;
    if (c.kind != SPACE) {
        const size_t end = run_end(t, from, c.kind, &known);
        return known ? end : 0;
    }
    // \s+(?!\S)|\s+ : the last space belongs to the next word, unless the text ends here.
    const space_run r = spaces_at(t, at, &known);
    if (!known) return 0;
    if (single_digits && r.end < t->length) {
        c = character_at(t, r.end);
        if (c.length < 0) return 0;
        if (c.kind == NUMBER) return r.end;
    }
    return r.end < t->length && r.last > at ? r.last : r.end;
}

// The same for GPT-4's pattern, with numbers of at most `digits`. `trailing_is_one`: white space at the end of the text is one word, even
// with line ends in it.
static size_t word_gpt4(const split_text *t, size_t at, int digits, bool trailing_is_one) {
    bool known = true;
    if (t->bytes[at] == '\'') {
        const size_t length = contraction(t, at, true, &known);
        if (!known) return 0;
        if (length > 0) return at + length;
    }
    const character first = character_at(t, at);
    if (first.length < 0) return 0;
    const size_t second_at = at + first.length;
    const uint8_t b = t->bytes[at];
    if (first.kind == LETTER) {
        const size_t end = run_end(t, second_at, LETTER, &known);
        return known ? end : 0;
    }
    if (first.kind == NUMBER) {
        size_t end = second_at;
        for (int i = 1; i < digits; i++) {
            const character c = character_at(t, end);
            if (c.length < 0) return 0;
            if (c.length == 0 || c.kind != NUMBER) return end;
            end += c.length;
        }
        return end;
    }
    const character second = character_at(t, second_at);
    if (second.length < 0) return 0;
    if (b != '\r' && b != '\n' && second.kind == LETTER) {
        const size_t end = run_end(t, second_at, LETTER, &known);
        return known ? end : 0;
    }
    if (first.kind == OTHER || (b == ' ' && second.length > 0 && second.kind == OTHER)) {
        size_t end = run_end(t, second_at, OTHER, &known);
        while (end < t->length && (t->bytes[end] == '\r' || t->bytes[end] == '\n')) end++;
        return known && (end < t->length || t->is_last) ? end : 0;
    }
    const space_run r = spaces_at(t, at, &known);
    if (!known) return 0;
    if (trailing_is_one && r.end == t->length) return r.end;
    if (r.line > 0) return r.line;
    return r.end < t->length && r.last > at ? r.last : r.end;
}

typedef uint8_t v64 __attribute__((ext_vector_type(64)));
typedef v64 v64_any __attribute__((aligned(1), may_alias));
typedef bool b64 __attribute__((ext_vector_type(64)));

// Bit i is 1 if element i of a comparison is true.
#define BITS(comparison) ({ b64 bits_ = __builtin_convertvector((comparison), b64); uint64_t mask_; memcpy(&mask_, &bits_, 8); mask_; })

// The ASCII characters at the start of a text, at most 64, and what each one is. `end`: the bit after them if the text ends there.
typedef struct { v64 bytes; uint64_t text, end, letter, number, space, other; } ascii_block;

static inline ascii_block ascii_at(const uint8_t *bytes, size_t length, bool is_last) {
    ascii_block a = {.bytes = {0}, .text = ~0ull};
    if (length < 64) {
        memcpy(&a.bytes, bytes, length);
        a.end = 1ull << length, a.text = a.end - 1;
    } else {
        a.bytes = *(const v64_any *)bytes;
    }
    const uint64_t high = BITS(a.bytes >= (v64)0x80);
    if (high != 0) a.text = (high & -high) - 1;
    if (high != 0 || !is_last) a.end = 0;
    a.letter = BITS((a.bytes | 0x20) - 'a' < (v64)26) & a.text, a.number = BITS(a.bytes - '0' < (v64)10) & a.text;
    a.space = (BITS(a.bytes == ' ') | BITS(a.bytes - '\t' < (v64)5)) & a.text;
    a.other = a.text & ~(a.letter | a.number | a.space);
    return a;
}

// The starts that further text cannot change, without that of the first word: whether the last character starts a word depends on the
// next one. The end of the text is marked like the start of a word.
static inline uint64_t known_starts(const ascii_block *a, uint64_t starts) {
    return (starts & (a->end != 0 ? a->text : a->text >> 1) & ~1ull) | a->end;
}

// The first characters of the runs of a kind.
static inline uint64_t runs_of(uint64_t kind) { return kind & ~(kind << 1); }

// The apostrophes that begin a contraction of two and of three characters. The text is in lower case, to ignore case.
typedef struct { uint64_t two, three; } contractions;
static inline contractions contractions_of(const v64 *at, uint64_t apostrophe) {
    const v64 bytes = *at;
    const uint64_t s = BITS(bytes == 's') | BITS(bytes == 'd') | BITS(bytes == 'm') | BITS(bytes == 't');
    const uint64_t l = BITS(bytes == 'l'), e = BITS(bytes == 'e'), v = BITS(bytes == 'v') | BITS(bytes == 'r');
    return (contractions){apostrophe & s >> 1, apostrophe & ((l >> 1 & l >> 2) | (v >> 1 & e >> 2))};
}

// The offsets in a block, which starts a word, at which further words of GPT-2's pattern start. `single_digits`: SmolLM's pattern.
static inline uint64_t starts_gpt2(const ascii_block *a, bool single_digits) {
    const uint64_t blank = BITS(a->bytes == ' '), runs = runs_of(a->letter) | runs_of(a->number) | runs_of(a->other);
    const uint64_t after_blank = single_digits ? blank << 1 & ~a->number : blank << 1;
    // Where a run of one kind starts; a blank before it is its start.
    uint64_t starts = (runs & ~after_blank) | (runs & after_blank) >> 1;
    // White space: its first byte, and its last, which is a word of its own unless it is the blank of the next word or ends the text.
    starts |= runs_of(a->space);
    starts |= a->space & ~(a->space >> 1) & ~(a->end >> 1) & ~(single_digits ? a->number >> 1 : 0);
    if (single_digits) starts |= a->number;
    const uint64_t apostrophe = BITS(a->bytes == '\'') & runs & ~after_blank;
    if (apostrophe & a->letter >> 1) {
        const contractions c = contractions_of(&a->bytes, apostrophe);
        starts = (starts & ~((c.two | c.three) << 1)) | c.two << 2 | c.three << 3;
    }
    return known_starts(a, starts);
}

// The same for GPT-4's pattern; for the parameters see word_gpt4.
static inline uint64_t starts_gpt4(const ascii_block *a, int digits, bool trailing_is_one) {
    const uint64_t blank = BITS(a->bytes == ' '), line = (BITS(a->bytes == '\n') | BITS(a->bytes == '\r')) & a->text;
    const uint64_t flat = a->space & ~line;                   // white space on a line
    // Line ends directly after other characters belong to their word. The addition carries through them.
    const uint64_t space = a->space & ~(line & ~(line + (line & a->other << 1)));
    const uint64_t others = runs_of(a->other) & ~(blank << 1), single = others & ~(a->other >> 1);
    // A single other character before letters starts their word, as does white space on their line.
    uint64_t starts = others | (runs_of(a->letter) & ~((flat | single) << 1));
    if (digits == 1) starts |= a->number;
    else for (uint64_t n = runs_of(a->number); n != 0; n = n << 3 & a->number & a->number << 1 & a->number << 2) starts |= n;
    // White space: its first character, and its last, unless that is a line end or ends the text.
    starts |= runs_of(space) | (flat & ~(a->space >> 1) & ~(a->end >> 1));
    // A run after a line end, unless it ends at another one. Where it reaches the end of the block, further text decides.
    for (uint64_t left = flat & line << 1; left != 0; left &= left - 1) {
        const uint64_t first = left & -left, after = (flat + first) & ~flat;
        if (after & ((a->text & ~line) | (trailing_is_one ? 0 : a->end))) starts |= first;
    }
    const uint64_t apostrophe = BITS(a->bytes == '\'') & single;
    if (apostrophe & a->letter >> 1) {
        const v64 lower = a->bytes | 0x20;
        const contractions c = contractions_of(&lower, apostrophe);
        starts |= c.two << 2 | c.three << 3;
    }
    return known_starts(a, starts);
}

// See split.h.
size_t SLM_SPLIT(int pattern, const uint8_t *bytes, size_t length, bool is_last, uint32_t *word_ends, size_t capacity) {
    const split_text text = {bytes, length, is_last};
    const bool is_gpt2 = pattern == SLM_PATTERN_GPT2 || pattern == SLM_PATTERN_SMOLLM, single_digits = pattern == SLM_PATTERN_SMOLLM;
    const int digits = pattern == SLM_PATTERN_QWEN2 ? 1 : 3;
    const bool trailing_is_one = pattern == SLM_PATTERN_GPT4;
    size_t at = 0, count = 0;
    while (at < length && count < capacity) {
        if (count > 0 && count + 64 > capacity) break;        // the vector path needs room for 64 ends: the next call has it
        if (capacity >= 64) {
            const ascii_block block = ascii_at(bytes + at, length - at, is_last);
            uint64_t starts = is_gpt2 ? starts_gpt2(&block, single_digits) : starts_gpt4(&block, digits, trailing_is_one);
            if (starts != 0) {
                for (; starts != 0; starts &= starts - 1) word_ends[count++] = (uint32_t)(at + __builtin_ctzll(starts));
                at = word_ends[count - 1];
                continue;
            }
        }
        const size_t end = is_gpt2 ? word_gpt2(&text, at, single_digits) : word_gpt4(&text, at, digits, trailing_is_one);
        if (end == 0) break;
        word_ends[count++] = (uint32_t)end;
        at = end;
    }
    return count;
}
