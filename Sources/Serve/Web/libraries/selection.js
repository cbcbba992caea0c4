// @ts-check
import { el } from "../common/dom.js";
import { bytes, count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */

/** Selects files of a library, to delete them together. A box selects a file, or all files of a folder; with Shift, a range. */
export class FileSelection {
  isOn = false;
  /** @type {Set<string>} */
  #ids = new Set();
  /** The file whose box was pressed last: where a range begins. */
  #anchor = "";

  /** @param {import("./library-view.js").LibraryView} view */
  constructor(view) {
    this.view = view;
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick, kind = "") =>
      el("button", { type: "button", class: "button " + kind, onclick }, text);
    this.begin = button("Select files", () => this.#turn(true));
    this.status = el("span", { class: "help", role: "status" });
    this.remove = button("Delete", () => this.#delete(), "danger");
    this.end = button("Cancel", () => this.#turn(false));
    this.bar = el("div", { class: "selection-bar", role: "group", "aria-label": "Selected files" }, this.status, this.remove, this.end);
    this.element = el("div", { class: "selection" }, this.begin, this.bar);
  }

  /** @param {boolean} isOn */
  #turn(isOn) {
    this.isOn = isOn;
    this.#ids.clear();
    this.#anchor = "";
    this.view.showSelection();
    (isOn ? this.view.lists.querySelector(".select") : this.begin)?.focus();
  }

  async #delete() {
    if (await this.view.deleteFiles([...this.#ids])) this.#turn(false);
  }

  /** Shows what is selected of the files that are left. */
  show() {
    const { view } = this, files = [...this.#ids].flatMap((id) => view.byID.get(id) ?? []);
    this.#ids = new Set(files.map(({ id }) => id));
    if (view.library.files.length === 0) this.isOn = false;
    this.element.hidden = view.library.files.length < 2 && !this.isOn;
    this.begin.hidden = this.isOn;
    this.bar.hidden = !this.isOn;
    view.lists.classList.toggle("selecting", this.isOn);
    this.remove.disabled = files.length === 0;
    const size = files.reduce((sum, file) => sum + file.bytes, 0);
    this.status.textContent = `${count(files.length, "file")} selected` + (files.length > 0 ? ` · ${bytes(size)}` : "");
  }

  /** The box of a file. @param {string} id */
  box(id) {
    const box = el("input", { type: "checkbox", class: "select", "data-file": id, onclick: (/** @type {MouseEvent} */ event) => {
      this.#set(event.shiftKey ? this.#range(id) : [id], box.checked);
      this.#anchor = id;
    } });
    const update = (/** @type {LibraryFile} */ { name }) => {
      box.checked = this.#ids.has(id);
      box.setAttribute("aria-label", `Select ${visible(name)}`);
    };
    return { box, update };
  }

  /** The box of a folder. @param {string} path @param {() => LibraryFile[]} files those that are shown */
  folderBox(path, files) {
    const box = el("input", { type: "checkbox", class: "select", "aria-label": `Select the files in ${visible(path)}`,
      onclick: () => this.#set(files().map(({ id }) => id), box.checked) });
    const update = () => {
      const selected = files().filter(({ id }) => this.#ids.has(id)).length;
      box.checked = selected > 0 && selected === files().length;
      box.indeterminate = selected > 0 && !box.checked;
    };
    return { box, update };
  }

  /** @param {string[]} ids @param {boolean} isOn */
  #set(ids, isOn) {
    for (const id of ids) {
      if (isOn) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.view.showSelection();
  }

  /** The files that are shown between the anchor and this one, with both. @param {string} id */
  #range(id) {
    const ids = [...this.view.lists.querySelectorAll("[data-file]")].map((box) => /** @type {HTMLElement} */ (box).dataset.file ?? "");
    const ends = [ids.indexOf(this.#anchor), ids.indexOf(id)].sort((one, other) => one - other);
    return ends[0] < 0 ? [id] : ids.slice(ends[0], ends[1] + 1);
  }
}
