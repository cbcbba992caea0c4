// @ts-check
import { byId, el, loadPart } from "../common/dom.js";
import { errorText, showFieldError, submit } from "../common/forms.js";
import { count } from "../common/quantities.js";
import { Rows } from "../common/rows.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";
import { LIBRARY, loadDocuments, nameOf, POLL } from "./documents.js";

/** @typedef {import("./documents.js").Documents} Documents */

/** For so many milliseconds, changes in other tabs are collected: a folder with many files is many changes. */
const COLLECTED = 300;

/** The dialog that chooses the documents of the open conversation, and shows one of the libraries among them. */
export class DocumentsDialog {
  /** @param {import("../page.js").Page} page @param {import("./passage-panel.js").PassagePanel} panel */
  constructor(page, panel) {
    this.page = page;
    this.panel = panel;
    this.element = byId("documents");
    /** The uploads to libraries, once one was opened. @type {import("../libraries/uploads.js").Uploads | null} */
    this.uploads = null;
    /** The library that is shown instead of the list. @type {import("../libraries/library-view.js").LibraryView | null} */
    this.library = null;
    /** @type {Map<string, HTMLInputElement>} */
    this.boxes = new Map();
    /** How many changes of the choice the server has not confirmed yet. */
    this.changes = 0;
    this.timer = 0;
    /** Runs while changes in other tabs are collected. */
    this.collecting = 0;
    /** @type {Rows<Documents>} */
    this.rows = new Rows(byId("document-choices"), ({ id }) => id, ({ id }) => this.#row(id));
    this.element.addEventListener("close", () => this.#leave());
    byId("documents-back").addEventListener("click", () => this.showList());
    byId("library-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      submit(byId("create-library"), { name: byId("library-name") }, (message) => this.say(message, true), () => this.#create());
    });
  }

  open() {
    this.showList();
    this.element.showModal();
  }

  /** Closes the dialogs and cancels the uploads: the account has changed. */
  reset() {
    this.uploads?.cancelAll();
    this.element.close();
    this.panel.close();
    Object.assign(this.page.settings, { documents: [], uploads: null, knowsDocuments: false });
  }

  /** Shows the list. @param {string} [said] what is reported below it */
  showList(said = "") {
    const from = this.library?.library.id ?? "";
    this.#leave();
    this.#showRows();
    this.#show("Documents", null);
    byId("library-form").hidden = !this.page.settings.uploads;
    this.say(said);
    (this.rows.element(from)?.querySelector("button") ?? byId("documents-title")).focus();
    this.#refresh();
  }

  /** Shows a library. @param {string} id @param {string} [said] */
  openLibrary(id, said = "") {
    return this.attempt(async () => {
      const load = () => Promise.all([import("../libraries/library-view.js"), import("../libraries/uploads.js")]);
      const [[{ LibraryView }, { Uploads }], found] =
        await Promise.all([loadPart(load), this.page.api.get("/api/libraries/" + encodeURIComponent(id))]);
      if (!this.element.open) return;
      this.#leave();
      this.uploads ??= this.#observed(new Uploads(this.page.api));
      this.library = new LibraryView(this, this.uploads, found);
      this.#show(found.name, this.library.element);
      this.say(said);
      byId("documents-title").focus();
    });
  }

  /** Runs an action and shows its error. @param {() => Promise<void>} action @returns {Promise<boolean>} whether it has succeeded */
  async attempt(action) {
    try {
      await action();
      return true;
    } catch (error) {
      this.say(errorText(/** @type {Error} */ (error)), true);
      return false;
    }
  }

  /** Shows a sentence at the end of the dialog. @param {string} text @param {boolean} [isError] */
  say(text, isError = false) {
    const status = byId("documents-status");
    status.textContent = visible(text);
    status.classList.toggle("field-error", isError);
  }

  /**
   * Chooses documents for the conversation, without those that the server does not have any more.
   * @param {(ids: string[]) => string[]} change
   */
  choose(change) {
    const { conversation, settings } = this.page;
    const ids = conversation.documents.filter((id) => settings.documents.some((one) => one.id === id));
    return this.page.chooseDocuments(change(ids));
  }

  /** Shows the name of the library. @param {string} name */
  setTitle(name) { byId("documents-title").textContent = visible(name); }

  /** Takes a library that was deleted out of the choice. @param {string} id */
  async forget(id) {
    await loadDocuments(this.page);
    if (this.page.conversation.documents.includes(id)) await this.choose((ids) => ids);
  }

  /** Tells the other tabs that a library or its files have changed. */
  announce() { this.page.tabs.announceLibraries(); }

  /** Shows what another tab or device has changed. */
  changedElsewhere() {
    this.collecting ||= setTimeout(async () => {
      this.collecting = 0;
      await this.library?.changedElsewhere();
      await this.#refresh();
      this.library?.show();
    }, COLLECTED);
  }

  #leave() {
    clearTimeout(this.timer);
    this.library?.close();
    this.library = null;
  }

  /** @param {string} title @param {HTMLElement | null} library */
  #show(title, library) {
    this.setTitle(title);
    byId("documents-back").hidden = library === null;
    byId("documents-list").hidden = library !== null;
    byId("library").replaceChildren(...(library ? [library] : []));
    byId("documents-body").scrollTop = 0;
    this.element.classList.toggle("whole", library !== null);
  }

  #showRows() {
    const { conversation, settings } = this.page, served = settings.documents;
    const gone = conversation.documents.filter((id) => !served.some((one) => one.id === id))
      .map((id) => ({ id, name: nameOf(id, settings), files: -1, passages: null }));
    this.rows.show([...served, ...gone]);
    byId("no-documents").hidden = served.length + gone.length > 0;
  }

  /** Loads the list again, until all files have been read. */
  async #refresh() {
    await loadDocuments(this.page);
    if (!this.element.open || this.library) return;
    this.#showRows();
    clearTimeout(this.timer);
    if (this.page.settings.documents.some(({ waiting }) => waiting)) this.timer = setTimeout(() => this.#refresh(), POLL);
  }

  /** @param {string} id */
  #row(id) {
    const box = el("input", { type: "checkbox" }), name = el("b", { dir: "auto" }), details = el("small", { dir: "auto" });
    const open = el("button", { type: "button", class: "button", onclick: () => this.openLibrary(id) });
    const element = el("div", { class: "document-row" }, el("label", { class: "check" }, box, el("span", {}, name, " ", details)), open);
    box.addEventListener("change", () => this.#toggle(box));
    const update = (/** @type {Documents} */ item) => {
      this.boxes.set(id, box);
      if (this.changes === 0) box.checked = this.page.conversation.documents.includes(id);
      name.textContent = visible(item.name);
      details.textContent = visible(extent(item));
      open.hidden = item.owner === undefined;
      open.textContent = item.is_own ? "Manage" : "View";
      open.setAttribute("aria-label", `${open.textContent} ${name.textContent}`);
    };
    return { element, update };
  }

  /** @param {HTMLInputElement} box that was pressed */
  async #toggle(box) {
    const chosen = this.page.settings.documents.map(({ id }) => id).filter((id) => this.boxes.get(id)?.checked);
    this.changes += 1;
    if (!await this.attempt(() => this.page.chooseDocuments(chosen))) box.checked = !box.checked;
    this.changes -= 1;
    this.#showRows();
  }

  async #create() {
    const input = byId("library-name"), name = input.value.trim();
    if (showFieldError(input, name === "" ? "Enter a name, such as the subject of the documents." : "")) return input.focus();
    const { id } = await this.page.api.request("POST", "/api/libraries", { name });
    input.value = "";
    this.announce();
    await loadDocuments(this.page);
    const isChosen = await this.attempt(() => this.choose((ids) => [...ids, id]));
    await this.openLibrary(id, isChosen ? "Created, and chosen for this conversation." : "Created, but not chosen for this conversation.");
  }

  /** @param {import("../libraries/uploads.js").Uploads} uploads */
  #observed(uploads) {
    uploads.addEventListener("stored", () => this.announce());
    uploads.addEventListener("done", (event) => this.#reportUploads(uploads, /** @type {CustomEvent} */ (event).detail));
    return uploads;
  }

  /**
   * Reports what was uploaded, unless the library is shown.
   * @param {import("../libraries/uploads.js").Uploads} uploads
   * @param {Map<string, { added: number, unchanged: number }>} done numbers of files by library
   */
  async #reportUploads(uploads, done) {
    await loadDocuments(this.page);
    this.library?.show();
    for (const [id, { added }] of done) {
      const failed = uploads.failed(id), name = visible(nameOf(id, this.page.settings));
      if (this.library?.library.id === id || (added === 0 && failed === 0)) continue;
      const sentences = [added > 0 && `${count(added, "file")} added to ${name}.`,
        failed > 0 && `${count(failed, "file")} could not be added to ${name}.`];
      const show = () => {
        this.open();
        this.openLibrary(id);
      };
      toast(sentences.filter(Boolean).join(" "), { label: "Show", action: show });
    }
  }
}

/** @param {Documents} documents */
function extent({ id, files, passages, owner, is_own, waiting }) {
  if (files === -1) return LIBRARY.test(id) ? "deleted, or not shared with you any more" : "not on this server any more";
  const size = files === null || passages === null ? "cannot be read at the moment"
    : owner !== undefined && files === 0 ? "no files" : `${count(files, "file")}, ${count(passages, "passage")}`;
  const facts = [size, owner !== undefined && !is_own && `by ${owner}`, waiting && `reading ${count(waiting, "file")}…`];
  return facts.filter(Boolean).join(" · ");
}
