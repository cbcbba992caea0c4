// @ts-check
import { loadDocuments, POLL } from "../chat/documents.js";
import { filePath } from "../chat/passage-panel.js";
import { APIError } from "../common/api.js";
import { confirmed } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { bytes, count } from "../common/quantities.js";
import { Rows } from "../common/rows.js";
import { visible } from "../common/sanitize.js";
import { FileFilter } from "./file-filter.js";
import { FEW, folderList, folderOf } from "./folder-rows.js";
import { uploadRow } from "./library-rows.js";
import { accessText, settingsForm } from "./library-settings.js";
import { ReadingProgress } from "./reading-progress.js";
import { FileSelection } from "./selection.js";
import { chosenFiles, droppedFiles, withoutHidden } from "./uploads.js";

/**
 * @typedef {object} LibraryFile
 * @property {string} id
 * @property {string} name with the folders that it was in
 * @property {number} bytes
 * @property {string} sha256
 * @property {"waiting" | "ready" | "skipped"} state
 * @property {number} [passages] of a file that was read
 * @property {string} [message] why it was skipped
 */
/**
 * @typedef {object} Library
 * @property {string} id
 * @property {string} name
 * @property {string} owner
 * @property {boolean} is_own
 * @property {"private" | "chosen" | "everyone"} access
 * @property {string[]} [readers]
 * @property {LibraryFile[]} files sorted by name
 */

// What the server deletes in one request.
const AT_ONCE = 1000;

/** A library in the dialog of documents: its files, and for the owner, uploads and settings. */
export class LibraryView {
  #closing = new AbortController();
  #timer = 0;
  /** How often files were added and deleted here. */
  #changes = 0;
  #reading = new ReadingProgress();

  /**
   * @param {import("../chat/documents-dialog.js").DocumentsDialog} dialog @param {import("./uploads.js").Uploads} uploads
   * @param {Library} library
   */
  constructor(dialog, uploads, library) {
    this.dialog = dialog;
    this.page = dialog.page;
    this.api = dialog.page.api;
    this.uploads = uploads;
    this.library = library;
    this.path = "/api/libraries/" + encodeURIComponent(library.id);
    /** @type {Map<string, LibraryFile>} */
    this.byID = new Map();
    this.facts = el("p", { class: "help", dir: "auto" });
    this.space = el("div", { class: "space" });
    this.nothing = el("p", { class: "help" }, "No files yet. Text, Markdown, PDF, DOCX, EPUB, HTML, tables and source code can be read.");
    this.selection = new FileSelection(this);
    this.files = folderList(this);
    /** Of a library that has had many files. @type {FileFilter | null} */
    this.filter = null;
    this.filterPlace = el("div", {});
    /** The files that were added while the library is shown. @type {Rows<import("./uploads.js").Upload>} */
    this.added = new Rows(el("ul", { class: "library-files", "aria-label": "Added files" }), ({ key }) => key,
      (upload) => uploadRow(this, upload));
    this.left = el("span", {});
    this.sending = el("span", { class: "help sending" }, this.left,
      el("button", { type: "button", class: "link-button", onclick: () => this.uploads.cancelAll(library.id) }, "Cancel all"));
    this.dropHelp = el("span", { class: "help drop-help" }, "or drop them here");
    const mayUpload = library.is_own && this.page.settings.uploads !== null;
    this.uploads.forgetStored(library.id);
    this.lists = el("div", {}, this.nothing, this.added.host, ...this.files.hosts);
    this.settings = library.is_own ? settingsForm(this) : null;
    this.element = el("div", { class: "library" }, el("div", { class: "library-head" }, this.facts, mayUpload && this.space),
      mayUpload && this.#tools(), this.settings?.element, this.filterPlace, library.is_own && this.selection.element, this.lists);
    this.show();
    this.#poll();
  }

  close() {
    clearTimeout(this.#timer);
    this.#closing.abort();
  }

  /** Shows the library with these changes. @param {Partial<Library>} [changes] */
  show(changes = {}) {
    const library = this.library = { ...this.library, ...changes }, { files } = library;
    const passages = files.reduce((sum, file) => sum + (file.passages ?? 0), 0), size = files.reduce((sum, file) => sum + file.bytes, 0);
    const facts = [!library.is_own && `by ${library.owner}`, count(files.length, "file"), count(passages, "passage"), bytes(size),
      library.is_own && accessText(library), this.#reading.text(files)];
    this.facts.textContent = visible(facts.filter(Boolean).join(" · "));
    this.#showFiles();
    this.#showSpace();
  }

  #showFiles() {
    const { files, id } = this.library, hadFocus = this.lists.contains(document.activeElement);
    this.byID = new Map(files.map((file) => [file.id, file]));
    this.selection.show();
    // Without those that were added and deleted again, and of those that were added twice only the last.
    const uploads = this.uploads.of(id).filter(({ stored }) => !stored || this.byID.has(stored));
    const added = new Map(uploads.map((upload) => [upload.stored || upload.key, upload]));
    const found = new Set(this.#found(files)), isFiltered = this.filter?.isSet ?? false;
    const isFound = (/** @type {import("./uploads.js").Upload} */ { stored }) => !stored || found.has(this.byID.get(stored));
    this.added.show([...added.values()].filter(isFound));
    this.files.show(files.filter((file) => found.has(file) && !added.has(file.id)), isFiltered);
    this.nothing.hidden = files.length + added.size > 0;
    const left = uploads.filter(({ state }) => state === "waiting" || state === "running").length;
    this.sending.hidden = left === 0;
    this.dropHelp.hidden = left > 0;
    this.left.textContent = `${count(left, "file")} left`;
    if (hadFocus && document.activeElement === document.body) this.#focusTools();
  }

  /** Shows which files are selected. */
  showSelection() { this.#showFiles(); }

  /** The files that the filter lets through. @param {LibraryFile[]} files @returns {(LibraryFile | undefined)[]} */
  #found(files) {
    if (!this.filter && files.length > FEW) {
      this.filter = new FileFilter(() => this.#showFiles());
      this.filterPlace.append(this.filter.element);
    }
    return this.filter?.matching(files) ?? files;
  }

  #focusTools() { this.element.querySelector(".library-tools button")?.focus({ preventScroll: true }); }

  get isReading() { return this.library.files.some(({ state }) => state === "waiting"); }

  /** Loads the library again. */
  async reload() {
    const changes = this.#changes, found = await this.api.get(this.path);
    // A file that was added or deleted meanwhile may be missing or still there.
    if (!this.#closing.signal.aborted && changes === this.#changes) this.show(found);
  }

  /** Shows what another tab or device has changed. */
  async changedElsewhere() {
    try {
      await this.reload();
    } catch (error) {
      const isGone = error instanceof APIError && error.status === 404 && !this.#closing.signal.aborted;
      // What another error has hidden is shown by the next change.
      if (isGone) this.dialog.showList(`${this.library.name} was deleted, or is not shared with you any more.`);
      return;
    }
    if (this.#closing.signal.aborted) return;
    this.dialog.setTitle(this.library.name);
    this.settings?.update();
    this.#poll();
  }

  /** Reads all files again. */
  readAgain() {
    return this.dialog.attempt(async () => {
      await this.api.request("POST", this.path + "/reindex", {});
      this.dialog.announce();
      await this.reload();
      this.dialog.say("All files are read again.");
      this.#poll();
    });
  }

  /** Reads a file again that was skipped. @param {LibraryFile} file */
  readFileAgain({ id, name }) {
    return this.dialog.attempt(async () => {
      await this.api.request("POST", filePath(this.library.id, id) + "/reindex", {});
      this.dialog.announce();
      await this.reload();
      this.dialog.say(`${name} is read again.`);
      this.#poll();
    });
  }

  /** Deletes the library, after a question. */
  async delete() {
    const { name, files } = this.library;
    const what = files.length === 0 ? "the library" : `its ${count(files.length, "file")} from the server`;
    const text = `This deletes ${what} and cannot be undone. Answers in earlier chats stay.`;
    if (!await confirmed(`Delete ${visible(name)}?`, [text], "Delete library", true)) return;
    await this.dialog.attempt(async () => {
      this.uploads.cancelAll(this.library.id);
      await this.api.request("DELETE", this.path);
      this.dialog.announce();
      await this.dialog.forget(this.library.id);
      this.dialog.showList(`${name} was deleted.`);
    });
  }

  /** Deletes a file, after a question. @param {string} id */
  async deleteFile(id) {
    const name = this.library.files.find((file) => file.id === id)?.name;
    const text = "This deletes the file from the server and cannot be undone.";
    if (!await confirmed(`Delete ${visible(name ?? "the file")}?`, [text], "Delete file", true)) return;
    if (await this.#remove([id])) this.dialog.say(`${name} was deleted.`);
  }

  /** Deletes files, after a question. Returns whether that was done. @param {string[]} ids */
  async deleteFiles(ids) {
    const what = count(ids.length, "file");
    const text = `This deletes ${what} from the server and cannot be undone.`;
    if (!await confirmed(`Delete ${what}?`, [text], `Delete ${what}`, true) || !await this.#remove(ids)) return false;
    this.dialog.say(`${what} deleted.`);
    return true;
  }

  /** Deletes the files of a folder, after a question. @param {string} path */
  async deleteFolder(path) {
    const files = this.library.files.filter((file) => folderOf(file) === path);
    const text = `This deletes ${count(files.length, "file")} from the server and cannot be undone.`;
    if (!await confirmed(`Delete the folder ${visible(path)}?`, [text], "Delete folder", true)) return;
    if (await this.#remove(files.map(({ id }) => id))) this.dialog.say(`${path} was deleted.`);
  }

  /** Deletes files. Returns whether that worked. @param {string[]} ids */
  async #remove(ids) {
    const isDeleted = await this.dialog.attempt(async () => {
      for (let i = 0; i < ids.length; i += AT_ONCE) {
        await this.api.request("POST", this.path + "/files/delete", { files: ids.slice(i, i + AT_ONCE) });
      }
    });
    if (!isDeleted) return false;
    this.dialog.announce();
    // The next button that deletes a file, for the keyboard.
    const buttons = [...this.lists.querySelectorAll(".delete")], place = buttons.findIndex((button) => button === document.activeElement);
    this.#changes += 1;
    const isGone = new Set(ids);
    this.show({ files: this.library.files.filter(({ id }) => !isGone.has(id)) });
    if (place >= 0) (buttons[place + 1] ?? buttons[place - 1])?.focus();
    await loadDocuments(this.page);
    this.#showSpace();
    return true;
  }

  /** The buttons that add files, and the events of files that are dropped on the page. */
  #tools() {
    const signal = this.#closing.signal, { element } = this.dialog;
    const chooser = (/** @type {string} */ label, /** @type {boolean} */ isFolder) => {
      const input = el("input", { type: "file", multiple: true, webkitdirectory: isFolder, hidden: true, "aria-label": label });
      input.addEventListener("change", () => {
        this.#add(chosenFiles(input.files), isFolder);
        input.value = "";
      });
      return [input, el("button", { type: "button", class: "button", onclick: () => input.click() }, label)];
    };
    document.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      element.classList.add("over");
    }, { signal });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) element.classList.remove("over"); }, { signal });
    document.addEventListener("drop", (event) => {
      element.classList.remove("over");
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      const { dataTransfer } = event;
      this.dialog.attempt(async () => this.#add(await droppedFiles(dataTransfer), true));
    }, { signal });
    signal.addEventListener("abort", () => element.classList.remove("over"));
    this.uploads.addEventListener("change", (event) => {
      const upload = /** @type {CustomEvent} */ (event).detail;
      if (upload) this.added.update(upload);
      else this.#showFiles();
    }, { signal });
    this.uploads.addEventListener("stored", (event) => this.#added(/** @type {CustomEvent} */ (event).detail), { signal });
    this.uploads.addEventListener("done", (event) => this.#uploaded(/** @type {CustomEvent} */ (event).detail), { signal });
    return el("div", { class: "library-tools" }, ...chooser("Add files", false), ...("webkitdirectory" in HTMLInputElement.prototype
      ? chooser("Add folder", true) : []), this.dropHelp, this.sending);
  }

  /** @param {import("./uploads.js").NamedFile[]} found @param {boolean} mayHide whether hidden files are left out */
  #add(found, mayHide) {
    const files = mayHide ? withoutHidden(found) : found, hidden = found.length - files.length;
    this.dialog.say(hidden > 0 ? `${count(hidden, "hidden file")} left out.` : files.length === 0 ? "No files in it." : "");
    this.uploads.add(this.library.id, files, this.page.settings.uploads?.file_bytes ?? Infinity, this.library.files);
  }

  /** Shows a file that the server has stored. @param {{ upload: import("./uploads.js").Upload, file: LibraryFile }} detail */
  #added({ upload, file }) {
    if (upload.library !== this.library.id) return;
    const isReplaced = (/** @type {LibraryFile} */ { id, name }) => id === file.id || name === file.name;
    const { files } = this.library, { uploads } = this.page.settings;
    if (uploads) uploads.used_bytes += file.bytes - files.filter(isReplaced).reduce((sum, one) => sum + one.bytes, 0);
    this.#changes += 1;
    this.show({ files: [...files.filter((one) => !isReplaced(one)), file].sort((one, other) => (one.name < other.name ? -1 : 1)) });
    this.#poll();
  }

  /** @param {Map<string, { added: number, unchanged: number }>} done numbers of files by library */
  #uploaded(done) {
    const files = done.get(this.library.id), failed = this.uploads.failed(this.library.id);
    if (!files) return;
    const { added, unchanged } = files;
    const sentences = [added > 0 && `${count(added, "file")} added.`, unchanged > 0 && `${count(unchanged, "file")} unchanged.`,
      failed > 0 && `${count(failed, "file")} failed.`];
    this.dialog.say(sentences.filter(Boolean).join(" "), failed > 0);
  }

  /** Loads the library every two seconds until all files have been read. */
  #poll() {
    if (this.#timer || !this.isReading || this.#closing.signal.aborted) return;
    this.#timer = setTimeout(async () => {
      this.#timer = 0;
      // The next time shows what an error has hidden.
      await this.reload().catch(() => {});
      if (!this.isReading && !this.#closing.signal.aborted) {
        this.dialog.say("All files have been read.");
        loadDocuments(this.page);
      }
      this.#poll();
    }, POLL);
  }

  #showSpace() {
    const { uploads } = this.page.settings;
    if (!uploads) return;
    const { used_bytes, bytes: limit } = uploads, share = limit > 0 ? Math.min(1, used_bytes / limit) : 1, bar = el("div", {});
    bar.style.width = `${share * 100}%`;
    const meter = el("div", { class: "gauge", role: "meter", "aria-label": "Space used", "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuenow": Math.round(share * 100) }, bar);
    this.space.classList.toggle("full", share > .9);
    this.space.replaceChildren(el("span", {}, `${bytes(used_bytes)} of ${bytes(limit)}`), meter);
  }
}
