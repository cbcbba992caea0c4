// @ts-check
import { APIError } from "../common/api.js";
import { byId } from "../common/dom.js";
import { errorText, passwordError, showFieldError } from "../common/forms.js";
import { visible } from "../common/sanitize.js";

/** @typedef {"login" | "register" | "reset"} Kind */

/** The texts of the three pages, and the rows of the form that each shows. */
const PAGES = {
  login: { title: "Welcome back", button: "Log in", name: "Username or email", password: "Password", rows: [], path: "/api/auth/login" },
  register: {
    title: "Create an account", button: "Create account", name: "Username", password: "Password",
    rows: ["email-row", "invitation-row", "password-help"], path: "/api/auth/register",
  },
  reset: {
    title: "Set a new password", button: "Set password", name: "Username or email", password: "New password",
    rows: ["code-row", "password-help"], path: "/api/auth/reset-password",
  },
};
const ROWS = ["email-row", "invitation-row", "code-row", "password-help"];

/** The login page, the registration page, and the page that sets a new password with a code of the administrator. All use one form. */
export class Account {
  /** @param {import("../common/api.js").API} api @param {import("../common/connection.js").Connection} connection */
  constructor(api, connection) {
    this.api = api;
    this.connection = connection;
    this.view = byId("account");
    this.form = byId("account-form");
    this.button = byId("account-submit");
    /** @type {Kind} */
    this.kind = "login";
    this.form.addEventListener("submit", (/** @type {Event} */ event) => { event.preventDefault(); this.#submit(); });
    const reveal = byId("reveal"), password = this.form.elements.password;
    reveal.addEventListener("click", () => {
      password.type = password.type === "password" ? "text" : "password";
      reveal.setAttribute("aria-pressed", String(password.type === "text"));
      password.focus();
    });
  }

  /**
   * @param {Kind} kind @param {string} [reason] a message that explains why the page is shown
   * @param {string} [code] of an invitation's link
   */
  open(kind, reason = "", code = "") {
    this.kind = kind;
    const page = PAGES[kind], { password, username, invitation } = this.form.elements;
    byId("account-title").textContent = page.title;
    this.button.textContent = page.button;
    byId("username-label").textContent = page.name;
    byId("password-label").textContent = page.password;
    for (const row of ROWS) byId(row).hidden = !page.rows.includes(row);
    if (code) invitation.value = code;
    this.showInvitation();
    byId("to-register").hidden = kind !== "login";
    byId("to-reset").hidden = kind !== "login";
    byId("to-login").hidden = kind === "login";
    password.autocomplete = kind === "login" ? "current-password" : "new-password";
    username.maxLength = kind === "register" ? 64 : 254;
    this.#showError(reason);
    for (const input of this.form.querySelectorAll("input")) showFieldError(input, "");
    username.focus();
  }

  /** Asks for an invitation where registration needs one, or where the link has one. */
  showInvitation() {
    const isNeeded = this.connection.health.registration === "invitation" || this.form.elements.invitation.value !== "";
    byId("invitation-row").hidden = this.kind !== "register" || !isNeeded;
  }

  close() {
    for (const name of ["password", "code", "invitation"]) this.form.elements[name].value = "";
    this.form.elements.password.type = "password";
    byId("reveal").setAttribute("aria-pressed", "false");
  }

  async #submit() {
    const { username, password, code } = this.form.elements;
    const errors = [
      [username, username.value.trim() === "" ? "Enter your username." : ""],
      [code, this.kind === "reset" && code.value.trim() === "" ? "Enter the code." : ""],
      [password, this.#passwordError(password.value)],
    ];
    const invalid = errors.filter(([input, message]) => showFieldError(input, message));
    if (invalid.length) return invalid[0][0].focus();
    this.button.disabled = true;
    this.#showError("");
    try {
      const grant = await this.api.request("POST", PAGES[this.kind].path, this.#body());
      this.close();
      this.api.session.start(username.value.trim(), grant);
    } catch (error) {
      this.#showServerError(/** @type {Error} */ (error));
    } finally {
      this.button.disabled = false;
    }
  }

  /** The request body, without empty fields. @returns {Record<string, string>} */
  #body() {
    const { username, email, password, code, invitation } = this.form.elements;
    const name = username.value.trim();
    const fields = this.kind === "register"
      ? { username: name, email: email.value.trim(), invitation: invitation.value.trim(), password: password.value }
      : { [name.includes("@") ? "email" : "username"]: name,
        ...(this.kind === "reset" ? { code: code.value.trim(), new_password: password.value } : { password: password.value }) };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
  }

  /** @param {string} password */
  #passwordError(password) {
    if (this.kind === "login") return password === "" ? "Enter your password." : "";
    return password === "" ? "Enter your password." : passwordError(password);
  }

  /** @param {Error} error */
  #showServerError(error) {
    const { email, username, password, invitation, code } = this.form.elements;
    const isRegistration = this.kind === "register";
    if (error instanceof APIError && error.code === "closed") {
      this.connection.health.registration = "invitation";
      this.showInvitation();
    }
    const inputs = { username, password, code, invitation, email: isRegistration ? email : username, new_password: password };
    const input = error instanceof APIError && error.field ? /** @type {any} */ (inputs)[error.field] : null;
    if (input instanceof HTMLInputElement) {
      showFieldError(input, error.message);
      input.focus();
      return;
    }
    this.#showError(errorText(error));
  }

  /** @param {string} message */
  #showError(message) {
    const element = byId("account-error");
    element.textContent = message;
    element.hidden = message === "";
  }
}

/**
 * Shows the username at the bottom of the sidebar, or links to log in and register.
 * @param {import("../common/session.js").Session} session
 */
export function showUser(session) {
  byId("guest").hidden = !session.isGuest;
  byId("user").hidden = session.isGuest;
  byId("sidebar-search").hidden = session.isGuest;
  byId("user-name").textContent = visible(session.username);
}
