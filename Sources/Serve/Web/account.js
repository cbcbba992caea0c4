// @ts-check
import { Refusal } from "./api.js";
import { visible } from "./characters.js";
import { byId } from "./dom.js";

// In bytes of UTF-8. The server refuses longer ones, and here it is said before they are sent.
const LONGEST_PASSWORD = 1024;

/** The pages to sign in and to make an account. One form: an account is made with the same fields and one more. */
export class Account {
  /** @param {import("./api.js").API} api */
  constructor(api) {
    this.api = api;
    this.view = byId("account");
    this.form = byId("account-form");
    this.button = byId("account-submit");
    this.isNew = false;
    this.form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); });
    const reveal = byId("reveal"), password = this.form.elements.password;
    reveal.addEventListener("click", () => {
      password.type = password.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(password.type === "text"));
      password.focus();
    });
  }

  /** @param {"login" | "register"} page @param {string} [reason] why the reader is here */
  open(page, reason = "") {
    this.isNew = page === "register";
    byId("account-title").textContent = this.isNew ? "Create an account" : "Welcome back";
    this.button.textContent = this.isNew ? "Create account" : "Log in";
    byId("email-row").hidden = !this.isNew;
    byId("password-help").hidden = !this.isNew;
    byId("to-register").hidden = this.isNew;
    byId("to-login").hidden = !this.isNew;
    const { password, username } = this.form.elements;
    password.autocomplete = this.isNew ? "new-password" : "current-password";
    this.#say(reason);
    for (const input of this.form.querySelectorAll("input")) this.#complain(input, "");
    username.focus();
  }

  close() {
    this.form.elements.password.value = "";
    this.form.elements.password.type = "password";
    byId("reveal").setAttribute("aria-pressed", "false");
  }

  async #submit() {
    const { username, password, email } = this.form.elements;
    const wrong = [[username, this.#wrongName(username.value.trim())], [password, this.#wrongPassword(password.value)]].filter(([input, sentence]) => this.#complain(input, sentence));
    if (wrong.length) return wrong[0][0].focus();
    const body = { username: username.value.trim(), password: password.value, ...(this.isNew && email.value.trim() ? { email: email.value.trim() } : {}) };
    this.button.disabled = true;
    this.#say("");
    try {
      const grant = await this.api.request("POST", this.isNew ? "/api/auth/register" : "/api/auth/login", body);
      this.close();
      this.api.session.begin(body.username, grant);
    } catch (error) {
      this.#refused(/** @type {Error} */ (error));
    } finally {
      this.button.disabled = false;
    }
  }

  /** @param {string} name */
  #wrongName(name) { return name === "" ? "Enter your user name." : ""; }

  /** @param {string} password */
  #wrongPassword(password) {
    if (password === "") return "Enter your password.";
    if (!this.isNew) return "";
    if (password.length < 8) return "At least 8 characters.";
    const bytes = new TextEncoder().encode(password).length;
    return bytes > LONGEST_PASSWORD ? `At most ${LONGEST_PASSWORD} bytes; this has ${bytes}.` : "";
  }

  /** @param {Error} error */
  #refused(error) {
    const input = error instanceof Refusal && error.field ? this.form.elements.namedItem(error.field) : null;
    if (input instanceof HTMLInputElement) {
      this.#complain(input, error.message);
      input.focus();
      return;
    }
    const wait = error instanceof Refusal && error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    this.#say(error.message + wait);
  }

  /** @param {string} sentence */
  #say(sentence) {
    const place = byId("account-problem");
    place.textContent = sentence;
    place.hidden = sentence === "";
  }

  /** Puts a sentence beneath a field. @param {HTMLInputElement} input @param {string} sentence */
  #complain(input, sentence) {
    const place = byId(input.id + "-problem");
    place.textContent = sentence;
    place.hidden = sentence === "";
    input.setAttribute("aria-invalid", String(sentence !== ""));
    return sentence !== "";
  }
}

/** Who is signed in, at the foot of the sidebar; or the way in. @param {import("./session.js").Session} session */
export function showPerson(session) {
  byId("guest").hidden = !session.isGuest;
  byId("person").hidden = session.isGuest;
  byId("sidebar-search").hidden = session.isGuest;
  byId("person-name").textContent = visible(session.username);
}
