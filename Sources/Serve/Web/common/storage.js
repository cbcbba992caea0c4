// @ts-check
/**
 * A value in the browser's storage: settings, the session token, unsent text. If storage is not available (private windows, a full disk),
 * the value lasts until the page is closed.
 *
 *     const theme = stored("theme", "system");
 *     theme.value = "dark";
 *
 * @template T
 * @param {string} name
 * @param {T} initial
 * @param {Storage} [storage]
 */
export function stored(name, initial, storage = localStorage) {
  const key = "slm." + name;
  /** @type {T | undefined} the value if the storage rejected it */
  let fallback;
  return {
    key,
    /** @returns {T} */
    get value() {
      if (fallback !== undefined) return fallback;
      try {
        const text = storage.getItem(key);
        if (text === null) return initial;
        return typeof initial === "string" ? /** @type {T} */ (/** @type {unknown} */ (text)) : JSON.parse(text);
      } catch {
        return initial;
      }
    },
    set value(value) {
      fallback = undefined;
      try {
        if (value === initial || value === "" || value === null) storage.removeItem(key);
        else storage.setItem(key, typeof value === "string" ? value : JSON.stringify(value));
      } catch {
        fallback = value;
      }
    },
  };
}

/** Removes what a user has typed and not sent, and a guest's conversation, so that the next user of this browser does not see it. */
export function clearTexts() {
  for (const storage of [() => localStorage, () => sessionStorage]) {
    try {
      const keys = Object.keys(storage()).filter((key) => /^slm\.(draft\.|unsent\.|guest$|guest-system$)/.test(key));
      for (const key of keys) storage().removeItem(key);
    } catch {
      // Without storage, there is no stored text.
    }
  }
}

/** The unsent text of a conversation. @param {string} key the conversation's id, or "new" */
export const draft = (key) => stored("draft." + key, "");
