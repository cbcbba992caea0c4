// @ts-check
import { byId, loadPart } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { visible, visibleCode } from "../common/sanitize.js";
import { saveFile } from "./export.js";
import { marked, place } from "./sources.js";

/** @typedef {import("./sources.js").Sources} Sources */
/** @typedef {{ name: string, path: string }} LibraryFile where a file of a library is on the server */

/** @param {string} library @param {string} file */
export const filePath = (library, file) => `/api/libraries/${encodeURIComponent(library)}/files/${encodeURIComponent(file)}`;

/** The dialog with a passage, with the file that it is from, or with what the model was given. */
export class PassagePanel {
  /** @param {import("../common/api.js").API} api */
  constructor(api) {
    this.api = api;
    /** The file of the passage, if it is a library's. @type {LibraryFile | null} */
    this.file = null;
    this.openDocument = () => {};
    byId("passage-document").addEventListener("click", () => this.openDocument());
    byId("passage-download").addEventListener("click", () => this.#run(byId("passage-download"), async ({ name, path }) => {
      byId("passage-status").textContent = "Downloading…";
      saveFile(await this.api.download(path), name);
      byId("passage-status").textContent = "";
    }));
  }

  /** Shows what the model was given. @param {Sources} sources */
  showPrompt({ prompt }) {
    this.#open("What the model was given", "The passages and the question, as one message.", null, visibleCode(prompt));
  }

  /** Shows a passage, with the words of the question. @param {Sources} sources @param {number} index */
  showPassage({ passages, words }, index) {
    const passage = passages[index], { documents, title, heading, library_id, file_id } = passage;
    // Headings begin with the title, if the document has one.
    const name = title === passage.file || heading.startsWith(title) ? "" : title;
    const where = [documents, name, heading, place(passage)].filter(Boolean).join(" · ");
    const file = library_id && file_id ? { name: passage.file, path: filePath(library_id, file_id) } : null;
    this.#open(`[${index + 1}] ${visible(passage.file)}`, visible(where), file, ...marked(visibleCode(passage.text), words));
    this.openDocument = () => this.#showDocument(passage, words);
  }

  /** Shows all passages of a file. @param {string} library @param {string} file @param {string} name */
  async showFile(library, file, name) {
    this.#open(visible(name), "", { name, path: filePath(library, file) });
    this.openDocument = () => this.#showDocument(null, []);
    await this.#showDocument(null, []);
  }

  close() { byId("passage").close(); }

  /** @param {import("./sources.js").Passage | null} cited @param {string[]} words */
  #showDocument(cited, words) {
    const button = byId("passage-document"), { file } = this;
    return this.#run(button, async ({ path }) => {
      const { DocumentView } = await loadPart(() => import("../libraries/document-view.js"));
      const view = new DocumentView(this.api, path + "/passages", cited, words);
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

  /** @param {HTMLButtonElement} button @param {(file: LibraryFile) => Promise<void>} action */
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

  /** @param {string} heading @param {string} where @param {LibraryFile | null} file @param {...(Node | string)} text */
  #open(heading, where, file, ...text) {
    this.file = file;
    byId("passage-title").textContent = heading;
    byId("passage-place").textContent = where;
    byId("passage-place").hidden = where === "";
    byId("passage-text").replaceChildren(...text);
    byId("passage-status").textContent = "";
    byId("passage-foot").hidden = file === null;
    byId("passage-document").hidden = false;
    byId("passage").classList.remove("whole");
    byId("passage").showModal();
    byId("passage-body").scrollTop = 0;
  }
}
