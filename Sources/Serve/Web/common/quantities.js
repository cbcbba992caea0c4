// @ts-check
// Numbers, counts and sizes as text.

/** @param {number} value */
export const number = (value) => value.toLocaleString("en");

/** "1,200", and "1,200+" for a lower bound. @param {number} value @param {boolean} isExact */
export const atLeast = (value, isExact) => number(value) + (isExact ? "" : "+");

/** "1 chat", "1,200 chats", "1,200+ chats". @param {number} count @param {string} one @param {string} [many] @param {boolean} [isExact] */
export const count = (count, one, many = one + "s", isExact = true) => `${atLeast(count, isExact)} ${count === 1 ? one : many}`;

/** A size with three digits: "12.3 MB". @param {number | null | undefined} size */
export function bytes(size) {
  if (size === null || size === undefined) return "unknown";
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = size, unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${unit === 0 ? value : value.toLocaleString("en", { maximumSignificantDigits: 3 })} ${units[unit]}`;
}
