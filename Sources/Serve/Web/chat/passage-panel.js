// @ts-check
import { byId, loadPart } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { visible, visibleCode } from "../common/sanitize.js";
import { saveFile } from "./export.js";
import { marked, place } from "./sources.js";

/** @typedef {import("./sources.js").Sources} Sources */
/** @typedef {import("./sources.js").Passage} Passage */
/**
 * @typedef {object} SourceFile a file on the server
 * @property {string} name
 * @property {string} path of its passages
 * @property {Record<string, string>} [query] of requests of its passages
 * @property {string} [download] the path of the file itself; the server sends those of libraries only
 */
/**
 * @typedef {object} FilePassages some passages of a file
 * @property {number} total
 * @property {Passage[]} passages
 * @property {"unchanged" | "changed" | "missing"} [file_state] of a file of the server: what has become of it since it was indexed
 */

// How many passages a request asks for, and how many of the first ones are before the cited one.
export const LIMIT = 11;
const BEFORE = 5;

/** The position of the first passage that is asked for. @param {Passage | null} cited */
export const startOf = (cited) => Math.max(0, (cited?.position ?? 0) - BEFORE);

/** @param {string} library @param {string} file */
export const filePath = (library, file) => `/api/libraries/${encodeURIComponent(library)}/files/${encodeURIComponent(file)}`;

/** @param {string} library @param {string} id @param {string} name @returns {SourceFile} */
function libraryFile(library, id, name) {
  const download = filePath(library, id);
  return { name, path: download + "/passages", download };
}

/** The file of a passage; null if its documents are not known. @param {Passage} passage @returns {SourceFile | null} */
function fileOf({ documents, library_id, file_id, file }) {
  if (library_id && file_id) return libraryFile(library_id, file_id, file);
  return documents ? { name: file, path: `/api/documents/${encodeURIComponent(documents)}/passages`, query: { file } } : null;
}

/**
 * What a reader must know of a file: that it has changed since the answer, or since it was indexed; otherwise "".
 * @param {FilePassages} found around the cited passage @param {Passage | null} cited
 */
export function changeOf({ passages, file_state }, cited) {
  const isGone = cited !== null && !passages.some(({ text }) => text === cited.text);
  if (isGone) return "The file has changed since this answer: the passage is not in it any more.";
  if (file_state === "changed") return "The file has changed since it was indexed. This is its text as it was then.";
  return file_state === "missing" ? "The server does not have this file any more. This is its text as it was indexed." : "";
}

/** The dialog with a passage, with the file that it is from, or with what the model was given. */
export class PassagePanel {
  /** @param {import("../common/api.js").API} api */
  constructor(api) {
    this.api = api;
    /** The file of what is shown. @type {SourceFile | null} */
    this.file = null;
    this.openDocument = () => {};
    byId("passage-document").addEventListener("click", () => this.openDocument());
    byId("passage-download").addEventListener("click", () => this.#run(byId("passage-download"), async ({ name, download = "" }) => {
      byId("passage-status").textContent = "Downloading…";
      saveFile(await this.api.download(download), name);
      byId("passage-status").textContent = "";
    }));
  }

  /** Shows what the model was given. @param {Sources} sources */
  showPrompt({ prompt }) {
    this.#open("What the model was given", "The passages and the question, as one message.", null, visibleCode(prompt));
  }

  /** Shows a passage, with the words of the question. @param {Sources} sources @param {number} index */
  showPassage({ passages, words }, index) {
    const passage = passages[index], { documents, title, heading } = passage;
    // Headings begin with the title, if the document has one.
    const name = title === passage.file || heading.startsWith(title) ? "" : title;
    const where = [documents, name, heading, place(passage)].filter(Boolean).join(" · ");
    this.#open(`[${index + 1}] ${visible(passage.file)}`, visible(where), fileOf(passage), ...marked(visibleCode(passage.text), words));
    this.openDocument = () => this.#showDocument(passage, words);
    this.#reportChange(passage);
  }

  /** Shows all passages of a file. @param {string} library @param {string} file @param {string} name */
  async showFile(library, file, name) {
    this.#open(visible(name), "", libraryFile(library, file, name));
    this.openDocument = () => this.#showDocument(null, []);
    await this.#showDocument(null, []);
  }

  close() { byId("passage").close(); }

  /** Says what has become of the file since the answer. @param {Passage} cited */
  async #reportChange(cited) {
    const { file } = this, status = byId("passage-status");
    if (!file) return;
    const query = { ...file.query, from: startOf(cited), limit: LIMIT };
    const said = await this.api.get(file.path, query).then((/** @type {FilePassages} */ found) => changeOf(found, cited), errorText);
    // The panel may show something else by now, or load it.
    if (file === this.file && status.textContent === "" && !byId("passage").classList.contains("whole")) status.textContent = visible(said);
  }

  /** @param {Passage | null} cited @param {string[]} words */
  #showDocument(cited, words) {
    const button = byId("passage-document"), { file } = this;
    return this.#run(button, async ({ path, query }) => {
      const { DocumentView } = await loadPart(() => import("../libraries/document-view.js"));
      const view = new DocumentView(this.api, path, query, cited, words);
      await view.load();
      // The panel may show something else by now.
      if (file !== this.file) return;
      button.hidden = true;
      byId("passage").classList.add("whole");
      byId("passage-text").replaceChildren(view.element);
      byId("passage-body").focus();
      view.reveal();
    });
  }

  /** @param {HTMLButtonElement} button @param {(file: SourceFile) => Promise<void>} action */
  async #run(button, action) {
    const { file } = this, status = byId("passage-status");
    if (!file) return;
    button.disabled = true;
    status.textContent = "";
    try {
      await action(file);
    } catch (error) {
      if (file === this.file) status.textContent = visible(errorText(/** @type {Error} */ (error)));
    } finally {
      button.disabled = false;
      // A disabled button loses the focus.
      if (document.activeElement === document.body) button.focus();
    }
  }

  /** @param {string} heading @param {string} where @param {SourceFile | null} file @param {...(Node | string)} text */
  #open(heading, where, file, ...text) {
    this.file = file;
    byId("passage-title").textContent = heading;
    byId("passage-place").textContent = where;
    byId("passage-place").hidden = where === "";
    byId("passage-text").replaceChildren(...text);
    byId("passage-status").textContent = "";
    byId("passage-foot").hidden = file === null;
    byId("passage-document").hidden = false;
    byId("passage-download").hidden = !file?.download;
    byId("passage").classList.remove("whole");
    byId("passage").showModal();
    byId("passage-body").scrollTop = 0;
  }
}
