// Unicode normalization form C, as Hugging Face's library applies it: by the tables of Unicode 9.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Returns   how many bytes at the start of `text` certainly are in normalization form C, whatever precedes them.
///           The rest is empty, or starts with a character that the next ones may combine with or with one that may change.
///           Bytes that are not UTF-8 count as characters that never change.
size_t slm_nfc_stable_prefix(const uint8_t *text, size_t length);
/// The character's canonical combining class as its place among all classes in order, 0 for none; plus 128 if composing it with an earlier
/// character, or decomposing it, may change it. 0 alone: a character that no earlier one combines with.
uint8_t slm_nfc_kind(uint32_t character);
/// Writes    the character's full canonical decomposition, at most 4 characters; returns their number, 0 if it has none.
size_t slm_nfc_decompose(uint32_t character, uint32_t *parts);
/// The character that two characters compose to, or 0.
uint32_t slm_nfc_compose(uint32_t first, uint32_t second);
