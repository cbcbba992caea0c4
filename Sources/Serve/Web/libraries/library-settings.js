// @ts-check
import { loadDocuments } from "../chat/documents.js";
import { el } from "../common/dom.js";
import { showFieldError, submit } from "../common/forms.js";

/** @typedef {import("./library-view.js").Library} Library */

/** @type {[Library["access"], string][]} */
const ACCESS = [["private", "Only you"], ["chosen", "You and the accounts that you choose"], ["everyone", "Everyone who can chat here"]];

/** Who can read a library, as a fact. @param {Library} library */
export const accessText = ({ access, readers = [] }) =>
  ({ private: "only for you", chosen: `shared with ${readers.join(", ") || "no account yet"}`, everyone: "for everyone" })[access];

/**
 * The name of a library, who can read it, and what else its owner can do with it. `update()` shows what was changed elsewhere.
 * @param {import("./library-view.js").LibraryView} view
 */
export function settingsForm(view) {
  const { library, dialog } = view;
  const text = (/** @type {string} */ id, /** @type {string} */ value, /** @type {Record<string, any>} */ attributes) =>
    el("input", { id, value, dir: "auto", autocomplete: "off", "aria-describedby": `${id}-error`, ...attributes });
  let shown = valuesOf(library);
  const name = text("library-rename", shown.name, { maxlength: 100, required: true });
  const readers = text("library-readers", shown.readers,
    { autocapitalize: "none", spellcheck: "false", "aria-describedby": "library-readers-help library-readers-error" });
  const readersField = el("div", { class: "field" }, el("label", { for: readers.id }, "Usernames"), readers,
    el("p", { class: "help", id: "library-readers-help" }, "Separated by commas."), error(readers));
  const radios = ACCESS.map(([value, label]) => el("label", { class: "check" },
    el("input", { type: "radio", name: "library-access", value, checked: value === library.access, onchange: () => showReaders() }),
    el("span", {}, label)));
  const access = () => /** @type {Library["access"]} */ (form.elements["library-access"].value);
  const showReaders = () => { readersField.hidden = access() !== "chosen"; };
  const save = el("button", { class: "button primary" }, "Save");
  const again = el("button", { type: "button", class: "button", onclick: () => view.readAgain() }, "Read all files again");
  const remove = el("button", { type: "button", class: "button danger", "aria-haspopup": "dialog", onclick: () => view.delete() },
    "Delete library");
  const form = el("form", { novalidate: true },
    el("div", { class: "field" }, el("label", { for: name.id }, "Name"), name, error(name)),
    el("fieldset", {}, el("legend", {}, "Who can read it"), ...radios), readersField,
    el("div", { class: "library-buttons" }, save, again, remove));
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    await submit(save, { name, readers }, (message) => dialog.say(message, true), async () => {
      const names = readers.value.split(/[\s,;]+/).filter(Boolean), changes = { name: name.value.trim(), access: access() };
      if (showFieldError(name, changes.name === "" ? "Enter a name." : "")) return name.focus();
      const isMissing = changes.access === "chosen" && names.length === 0;
      if (showFieldError(readers, isMissing ? "Enter at least one username." : "")) return readers.focus();
      const found = await view.api.request("PATCH", view.path, { ...changes, ...(changes.access === "chosen" ? { readers: names } : {}) });
      view.show(found);
      dialog.announce();
      shown = valuesOf(found);
      readers.value = (found.readers ?? []).join(", ");
      dialog.setTitle(found.name);
      await loadDocuments(view.page);
      dialog.say("Saved.");
    });
    // A disabled button loses the focus.
    if (document.activeElement === document.body) save.focus();
  });
  showReaders();
  // What is being edited here stays. What is not must not undo, with the next Save, what was changed elsewhere.
  const update = () => {
    const found = valuesOf(view.library);
    if (name.value === shown.name) name.value = found.name;
    if (readers.value === shown.readers) readers.value = found.readers;
    if (access() === shown.access) form.elements["library-access"].value = found.access;
    shown = found;
    showReaders();
  };
  return { element: el("details", { class: "fold library-settings" }, el("summary", {}, "Name, sharing and more"), form), update };
}

/** What the form shows of a library. @param {Library} library */
const valuesOf = ({ name, access, readers = [] }) => ({ name, access, readers: readers.join(", ") });

/** The place of the errors of an input. @param {HTMLInputElement} input */
const error = (input) => el("p", { id: input.id + "-error", class: "field-error", role: "alert", hidden: true });
