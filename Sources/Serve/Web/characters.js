// @ts-check
// Characters that do something instead of showing something.

// Everything below the space but tab and newline, delete, and C1: what terminals obey.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// Embeddings and overrides turn the direction of what follows them; isolates (2066–2069) are as a rule meant well, except in code.
const OVERRIDES = /[\u202a-\u202e]/g;
const TURNS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/g;
const INVISIBLE = /[\u200b\u2060-\u2064\ufeff]|[\u{e0000}-\u{e007f}]/gu;

/** @param {string} character */
const codePoint = (character) => `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
/** @param {string} character */
const picture = (character) => {
  const code = character.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "␡" : codePoint(character);
};

/** Text as it is shown: what would act is made visible. @param {string} text */
export const visible = (text) => text.replace(CONTROLS, picture).replace(OVERRIDES, codePoint);

/** The same for code, where also a turn that is meant well can hide what stands there. @param {string} text */
export const visibleCode = (text) => visible(text).replace(TURNS, codePoint).replace(INVISIBLE, codePoint);

/** Text as it is copied: what a terminal would obey is left out. @param {string} text */
export const harmless = (text) => text.replace(/\r\n?/g, "\n").replace(CONTROLS, "").replace(OVERRIDES, "");

/**
 * An address that a click may lead to: http or https, without a name and password in it (`https://bank.example@evil.example`). null for all others.
 * @param {string} text
 */
export function safeAddress(text) {
  if (!/^https?:\/\//i.test(text) || text.length > 2000) return null;
  try {
    const address = new URL(text);
    return /^https?:$/.test(address.protocol) && address.username === "" && address.password === "" && address.hostname !== "" ? address : null;
  } catch {
    return null;
  }
}

/** Without those of `characters` that it ends with; a pattern such as `/x+$/` would take the square of the time. @param {string} text @param {string} characters */
export function trimmedEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}
