// @ts-check
import { el } from "../common/dom.js";
import { count } from "../common/quantities.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */

/** Finds files of a library by words of their names, and those that could not be read. */
export class FileFilter {
  /** @param {() => void} changed called when other files match */
  constructor(changed) {
    this.text = el("input", { type: "search", "aria-label": "Find files", placeholder: "Find files", autocomplete: "off", dir: "auto",
      oninput: changed });
    this.skipped = el("input", { type: "checkbox", onchange: changed });
    this.skippedText = el("span", {});
    this.skippedLabel = el("label", { class: "check" }, this.skipped, this.skippedText);
    this.status = el("span", { class: "help", role: "status" });
    const field = el("div", { class: "field" }, this.text);
    this.element = el("div", { class: "file-filter", role: "search" }, field, this.skippedLabel, this.status);
  }

  get isSet() { return this.skipped.checked || this.text.value.trim() !== ""; }

  /** Those that match, of all files of the library. @param {LibraryFile[]} files */
  matching(files) {
    const skipped = files.filter(({ state }) => state === "skipped");
    this.skippedText.textContent = `Only ${count(skipped.length, "skipped file")}`;
    this.skippedLabel.hidden = skipped.length === 0 && !this.skipped.checked;
    const words = this.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (this.skipped.checked ? skipped : files)
      .filter(({ name }) => words.every((/** @type {string} */ word) => name.toLowerCase().includes(word)));
    this.status.textContent = this.isSet ? `${found.length} of ${count(files.length, "file")}` : "";
    return found;
  }
}
