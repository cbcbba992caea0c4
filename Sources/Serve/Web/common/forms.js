// @ts-check
import { APIError } from "./api.js";
import { byId } from "./dom.js";
import { visible } from "./sanitize.js";

// In bytes of UTF-8, the server's limit.
const MAX_PASSWORD_BYTES = 1024;

/** Why a new password cannot be used; empty if it can. @param {string} password */
export function passwordError(password) {
  if (password === "") return "Enter a password.";
  // The text below the field says how many it needs.
  if (password.length < 8) return password.length === 1 ? "This is only 1 character." : `These are only ${password.length} characters.`;
  const bytes = new TextEncoder().encode(password).length;
  return bytes > MAX_PASSWORD_BYTES ? `At most ${MAX_PASSWORD_BYTES} bytes; this has ${bytes}.` : "";
}

/** Shows an error below a field; removes it if the message is empty. @param {HTMLInputElement} input @param {string} message */
export function showFieldError(input, message) {
  const element = byId(input.id + "-error");
  element.textContent = message;
  element.hidden = message === "";
  input.setAttribute("aria-invalid", String(message !== ""));
  return message !== "";
}

/** "1 second", "20 seconds". @param {number} seconds */
export const inSeconds = (seconds) => `${seconds} ${seconds === 1 ? "second" : "seconds"}`;

/** The message of an error response, with the time to wait. @param {Error} error */
export function errorText(error) {
  return error instanceof APIError && error.retryAfter && !/ in \d+ second/.test(error.message)
    ? `${error.message} Try again in ${inSeconds(error.retryAfter)}.` : error.message;
}

/** The message of an error without the name of the field, below which it is shown. @param {APIError} error */
function withoutField({ message, field }) {
  const text = message.startsWith(`${field}: `) ? message.slice(`${field}: `.length) : message;
  return visible(text.charAt(0).toUpperCase() + text.slice(1));
}

/**
 * Runs an action while its button is disabled. Shows an error below the field that the server names, else through `showError`.
 *
 *     submit(button, { password: byId("current-password") }, showError, async () => { … });
 *
 * @param {HTMLButtonElement} button @param {Record<string, HTMLInputElement>} fields the inputs by the names of the request's fields
 * @param {(message: string) => void} showError @param {() => Promise<void>} action
 */
export async function submit(button, fields, showError, action) {
  for (const input of Object.values(fields)) showFieldError(input, "");
  showError("");
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    const input = error instanceof APIError && error.field ? fields[error.field] : undefined;
    if (input) {
      showFieldError(input, withoutField(/** @type {APIError} */ (error)));
      input.focus();
    } else showError(errorText(/** @type {Error} */ (error)));
  } finally {
    button.disabled = false;
  }
}
