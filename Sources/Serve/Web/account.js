// @ts-check
import { APIError } from "./api.js";
import { byId } from "./dom.js";
import { visible } from "./sanitize.js";

// In bytes of UTF-8, the server's limit.
const MAX_PASSWORD_BYTES = 1024;

/** The login page and the registration page. Both use one form; registration has an additional field. */
export class Account {
  /** @param {import("./api.js").API} api */
  constructor(api) {
    this.api = api;
    this.view = byId("account");
    this.form = byId("account-form");
    this.button = byId("account-submit");
    this.isRegistration = false;
    this.form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); });
    const reveal = byId("reveal"), password = this.form.elements.password;
    reveal.addEventListener("click", () => {
      password.type = password.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(password.type === "text"));
      password.focus();
    });
  }

  /** @param {"login" | "register"} page @param {string} [reason] a message that explains why the page is shown */
  open(page, reason = "") {
    this.isRegistration = page === "register";
    byId("account-title").textContent = this.isRegistration ? "Create an account" : "Welcome back";
    this.button.textContent = this.isRegistration ? "Create account" : "Log in";
    byId("email-row").hidden = !this.isRegistration;
    byId("password-help").hidden = !this.isRegistration;
    byId("to-register").hidden = this.isRegistration;
    byId("to-login").hidden = !this.isRegistration;
    const { password, username } = this.form.elements;
    password.autocomplete = this.isRegistration ? "new-password" : "current-password";
    this.#showError(reason);
    for (const input of this.form.querySelectorAll("input")) this.#showFieldError(input, "");
    username.focus();
  }

  close() {
    this.form.elements.password.value = "";
    this.form.elements.password.type = "password";
    byId("reveal").setAttribute("aria-pressed", "false");
  }

  async #submit() {
    const { username, password, email } = this.form.elements;
    const errors = [
      [username, this.#usernameError(username.value.trim())],
      [password, this.#passwordError(password.value)],
    ];
    const invalid = errors.filter(([input, message]) => this.#showFieldError(input, message));
    if (invalid.length) return invalid[0][0].focus();
    const address = this.isRegistration ? email.value.trim() : "";
    const body = { username: username.value.trim(), password: password.value, ...(address ? { email: address } : {}) };
    this.button.disabled = true;
    this.#showError("");
    try {
      const grant = await this.api.request("POST", this.isRegistration ? "/api/auth/register" : "/api/auth/login", body);
      this.close();
      this.api.session.start(body.username, grant);
    } catch (error) {
      this.#showServerError(/** @type {Error} */ (error));
    } finally {
      this.button.disabled = false;
    }
  }

  /** @param {string} name */
  #usernameError(name) { return name === "" ? "Enter your username." : ""; }

  /** @param {string} password */
  #passwordError(password) {
    if (password === "") return "Enter your password.";
    if (!this.isRegistration) return "";
    if (password.length < 8) return "At least 8 characters.";
    const bytes = new TextEncoder().encode(password).length;
    return bytes > MAX_PASSWORD_BYTES ? `At most ${MAX_PASSWORD_BYTES} bytes; this has ${bytes}.` : "";
  }

  /** @param {Error} error */
  #showServerError(error) {
    const input = error instanceof APIError && error.field ? this.form.elements.namedItem(error.field) : null;
    if (input instanceof HTMLInputElement) {
      this.#showFieldError(input, error.message);
      input.focus();
      return;
    }
    const wait = error instanceof APIError && error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    this.#showError(error.message + wait);
  }

  /** @param {string} message */
  #showError(message) {
    const element = byId("account-error");
    element.textContent = message;
    element.hidden = message === "";
  }

  /** Shows an error below a field; removes it if the message is empty. @param {HTMLInputElement} input @param {string} message */
  #showFieldError(input, message) {
    const element = byId(input.id + "-error");
    element.textContent = message;
    element.hidden = message === "";
    input.setAttribute("aria-invalid", String(message !== ""));
    return message !== "";
  }
}

/** Shows the username at the bottom of the sidebar, or links to log in and register. @param {import("./session.js").Session} session */
export function showUser(session) {
  byId("guest").hidden = !session.isGuest;
  byId("user").hidden = session.isGuest;
  byId("sidebar-search").hidden = session.isGuest;
  byId("user-name").textContent = visible(session.username);
}
