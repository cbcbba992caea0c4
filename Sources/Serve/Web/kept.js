// @ts-check
/**
 * What the browser keeps: settings, the token, what was typed and not sent. A browser that keeps nothing (private windows, a full disk) loses it with the
 * page, and nothing else goes wrong.
 *
 *     const theme = kept("theme", "system");
 *     theme.value = "dark";
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 * @param {Storage} [storage]
 */
export function kept(name, initial, storage = localStorage) {
  const key = "slm." + name;
  /** @type {T | undefined} what the storage refused to take */
  let unkept;
  return {
    key,
    /** @returns {T} */
    get value() {
      if (unkept !== undefined) return unkept;
      try {
        const text = storage.getItem(key);
        if (text === null) return initial;
        return typeof initial === "string" ? /** @type {T} */ (/** @type {unknown} */ (text)) : JSON.parse(text);
      } catch {
        return initial;
      }
    },
    set value(value) {
      unkept = undefined;
      try {
        if (value === initial || value === "" || value === null) storage.removeItem(key);
        else storage.setItem(key, typeof value === "string" ? value : JSON.stringify(value));
      } catch {
        unkept = value;
      }
    },
  };
}

/** What was typed in a conversation and not sent; "new" for one that is not there yet. @param {string} conversation */
export const draft = (conversation) => kept("draft." + conversation, "");
