// @ts-check
// Control characters, bidirectional controls and invisible characters in untrusted text.

// C0 except tab and newline, delete, and C1. Terminals interpret them.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// Embeddings and overrides change the direction of the following text. Isolates (2066–2069) have legitimate uses, except in code.
const OVERRIDES = /[\u202a-\u202e]/g;
const BIDI_CONTROLS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g;
const INVISIBLE = /[\u200b\u2060-\u2064\ufeff]|[\u{e0000}-\u{e007f}]/gu;

/** @param {string} character */
const codePoint = (character) => `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
/** @param {string} character */
const controlPicture = (character) => {
  const code = character.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : codePoint(character);
};

/** Replaces control characters and overrides by visible symbols, for display. @param {string} text */
export const visible = (text) => text.replace(CONTROLS, controlPicture).replace(OVERRIDES, codePoint);

/** Like `visible`, and replaces all bidirectional controls and invisible characters, which can disguise code. @param {string} text */
export const visibleCode = (text) => visible(text).replace(BIDI_CONTROLS, codePoint).replace(INVISIBLE, codePoint);

/** Removes control characters and overrides, for copying. @param {string} text */
export const withoutControls = (text) => text.replace(/\r\n?/g, "\n").replace(CONTROLS, "").replace(OVERRIDES, "");

/**
 * Parses a URL that is safe to link to: http or https, without user name and password (`https://bank.example@evil.example`).
 * @param {string} text
 * @returns {URL | null}
 */
export function safeURL(text) {
  if (!/^https?:\/\//i.test(text) || text.length > 2000) return null;
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && url.hostname !== "" ? url : null;
  } catch {
    return null;
  }
}

/**
 * Removes any of `characters` from the end, in linear time; a pattern such as `/x+$/` takes quadratic time.
 * @param {string} text @param {string} characters
 */
export function trimmedEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}
