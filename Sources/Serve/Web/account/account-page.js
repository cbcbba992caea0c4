// @ts-check
import { copyButton } from "../common/copy.js";
import { announce, byId, el } from "../common/dom.js";
import { save } from "../chat/export.js";
import { errorText, passwordError, showFieldError, submit } from "../common/forms.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";

/**
 * @typedef {{ id: string, created_at: string, last_used_at: string, address: string, user_agent: string, current: boolean }} LoginSession
 */
/** @typedef {{ id: string, name: string, created_at: string, last_used_at: string | null }} Key */

/** The page of the own account: password, sessions, API keys, export, deletion. */
export class AccountPage {
  /**
   * @param {import("../common/api.js").API} api
   * @param {{ leave: () => void }} actions `leave`: log out on this side and remove the user's data
   */
  constructor(api, actions) {
    this.api = api;
    this.actions = actions;
    this.#onSubmit("password-form", "change-password", { password: byId("current-password"), new_password: byId("new-password") },
      () => this.#changePassword());
    this.#onSubmit("key-form", "create-key", { name: byId("key-name") }, () => this.#createKey());
    this.#onSubmit("delete-form", "delete-account", { password: byId("delete-password") }, () => this.#deleteAccount());
    byId("log-out-everywhere").addEventListener("click", () => this.#run(async () => {
      await this.api.request("DELETE", "/api/me/sessions");
      this.actions.leave();
    }));
    byId("export-account").addEventListener("click", () => this.#run(async () => {
      save(JSON.stringify(await this.api.get("/api/me/export"), null, 2) + "\n", "slm-export.json", "application/json");
    }));
  }

  /** Shows the page with the current lists. */
  async open() {
    for (const id of ["password-form", "key-form", "delete-form"]) byId(id).reset();
    for (const input of byId("account-page").querySelectorAll("input[aria-describedby]")) showFieldError(input, "");
    byId("created-key").replaceChildren();
    byId("account-page-title").focus();
    await this.#run(async () => {
      const me = await this.api.get("/api/me");
      const parts = [me.username, me.email, `since ${day(me.created_at)}`].filter(Boolean);
      byId("account-training").checked = me.training !== false;
      byId("account-summary").textContent = visible(parts.join(" · "));
      await Promise.all([this.#loadSessions(), this.#loadKeys()]);
    });
  }

  /** @param {string} form @param {string} button @param {Record<string, any>} fields @param {() => Promise<void>} action */
  #onSubmit(form, button, fields, action) {
    byId(form).addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      submit(byId(button), fields, (message) => message && toast(message), action);
    });
  }

  /** Runs an action and shows its error. @param {() => Promise<void>} action */
  async #run(action) {
    try {
      await action();
    } catch (error) {
      // Without a session, the login page says why.
      if (!this.api.session.isGuest) toast(errorText(/** @type {Error} */ (error)));
    }
  }

  async #changePassword() {
    const current = byId("current-password"), input = byId("new-password"), message = passwordError(input.value);
    if (showFieldError(current, current.value === "" ? "Enter your current password." : "")) return current.focus();
    if (showFieldError(input, message)) return input.focus();
    const grant = await this.api.request("POST", "/api/me/password", { password: current.value, new_password: input.value });
    this.api.session.renew(grant);
    byId("password-form").reset();
    toast("Your password was changed. All other sessions have ended.");
    await this.#loadSessions();
  }

  async #loadSessions() {
    const { sessions } = await this.api.get("/api/me/sessions");
    byId("sessions").replaceChildren(...sessions.map((/** @type {LoginSession} */ session) => this.#sessionRow(session)));
  }

  /** @param {LoginSession} session */
  #sessionRow(session) {
    const name = browser(session.user_agent), place = session.current ? "this browser" : `last used ${day(session.last_used_at)}`;
    const end = () => this.#run(async () => {
      await this.api.request("DELETE", "/api/me/sessions/" + encodeURIComponent(session.id));
      announce("The session has ended.");
      await this.#loadSessions();
      byId("log-out-everywhere").focus();
    });
    const button = el("button", { type: "button", class: "button", "aria-label": `End the session of ${name}`, onclick: end }, "End");
    return row(name, `${place} · ${visible(session.address)} · since ${day(session.created_at)}`, !session.current && button);
  }

  async #loadKeys() {
    const { keys } = await this.api.get("/api/keys");
    const rows = keys.map((/** @type {Key} */ key) => this.#keyRow(key));
    byId("keys").replaceChildren(...(rows.length ? rows : [el("li", { class: "help" }, "No API keys.")]));
  }

  /** @param {Key} key */
  #keyRow(key) {
    const name = visible(key.name), used = key.last_used_at ? `last used ${day(key.last_used_at)}` : "never used";
    const revoke = () => this.#run(async () => {
      await this.api.request("DELETE", "/api/keys/" + encodeURIComponent(key.id));
      announce("The key was revoked.");
      await this.#loadKeys();
      byId("key-name").focus();
    });
    const button = el("button", { type: "button", class: "button", "aria-label": `Revoke the key ${name}`, onclick: revoke }, "Revoke");
    return row(name, `created ${day(key.created_at)} · ${used}`, button);
  }

  async #createKey() {
    const input = byId("key-name"), name = input.value.trim();
    if (showFieldError(input, name === "" ? "Enter a name, such as the program that will use the key." : "")) return input.focus();
    const { key } = await this.api.request("POST", "/api/keys", { name });
    input.value = "";
    byId("created-key").replaceChildren(
      el("p", {}, "Copy the key now. It is not shown again."),
      el("div", { class: "secret" }, el("code", {}, key), copyButton("Copy key", () => key)));
    await this.#loadKeys();
  }

  async #deleteAccount() {
    const input = byId("delete-password");
    if (showFieldError(input, input.value === "" ? "Enter your password." : "")) return input.focus();
    await this.api.request("POST", "/api/me/delete", { password: input.value });
    input.value = "";
    this.actions.leave();
    toast("Your account was deleted.");
  }
}

/** @param {string} title @param {string} details @param {HTMLElement | false} button */
const row = (title, details, button) =>
  el("li", { class: "account-row" }, el("div", {}, el("strong", { dir: "auto" }, title), el("p", { class: "help" }, details)), button);

/** @param {string} time */
const day = (time) => new Date(time).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });

/** The browser and the system in a User-Agent header, such as "Firefox on Linux". @param {string} agent */
export function browser(agent) {
  const names = { "Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari" };
  const systems = { Android: "Android", "iPhone|iPad": "iOS", Windows: "Windows", "Mac OS X": "macOS", CrOS: "ChromeOS", Linux: "Linux" };
  const name = Object.entries(names).find(([mark]) => agent.includes(mark))?.[1];
  const system = Object.entries(systems).find(([mark]) => new RegExp(mark).test(agent))?.[1];
  if (name) return system ? `${name} on ${system}` : name;
  return visible(agent.slice(0, 60)) || "Unknown program";
}
