// @ts-check
import { el, iconButton } from "../common/dom.js";
import { bytes, count } from "../common/quantities.js";
import { Rows } from "../common/rows.js";
import { visible } from "../common/sanitize.js";
import { fileRow } from "./library-rows.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */
/** @typedef {{ path: string, files: LibraryFile[], isFiltered?: boolean }} Folder the files that are shown: with a filter, not all */

/** So many files of a library are shown at once. With more, its folders are closed at first, and a filter finds files. */
export const FEW = 20;

/**
 * The folder of a file, "" for one without.
 * @param {LibraryFile} file
 */
export const folderOf = ({ name }) => name.slice(0, Math.max(0, name.lastIndexOf("/")));

/**
 * The files of a library: first those in no folder, then each folder with its own, which can be closed.
 * @param {import("./library-view.js").LibraryView} view
 */
export function folderList(view) {
  let isShort = true;
  const files = fileRows(view, "Files", false);
  /** @type {Rows<Folder>} */
  const folders = new Rows(el("ul", { class: "folders" }), ({ path }) => path, ({ path }) => folderRow(view, path, isShort));
  /** Shows files that are sorted by name. @param {LibraryFile[]} all @param {boolean} isFiltered whether they are not all files */
  const show = (all, isFiltered) => {
    isShort = all.length <= FEW;
    const byFolder = grouped(all);
    files.show(byFolder.get("")?.files ?? []);
    byFolder.delete("");
    const found = [...byFolder.values()].map((folder) => ({ ...folder, isFiltered }));
    folders.show(found.sort((one, other) => (one.path < other.path ? -1 : 1)));
  };
  return { hosts: [files.host, folders.host], show };
}

/** @param {LibraryFile[]} files @returns {Map<string, Folder>} by path */
function grouped(files) {
  /** @type {Map<string, Folder>} */
  const folders = new Map();
  for (const file of files) {
    const path = folderOf(file), folder = folders.get(path) ?? { path, files: [] };
    folder.files.push(file);
    folders.set(path, folder);
  }
  return folders;
}

/** @param {import("./library-view.js").LibraryView} view @param {string} name @param {boolean} isInFolder @returns {Rows<LibraryFile>} */
const fileRows = (view, name, isInFolder) => new Rows(
  el("ul", { class: "library-files", "aria-label": name }), ({ id }) => id, ({ id }) => fileRow(view, id, isInFolder));

/**
 * A folder with its files, and for the owner of the library a button that deletes them.
 * @param {import("./library-view.js").LibraryView} view @param {string} path @param {boolean} isOpen at first
 */
function folderRow(view, path, isOpen) {
  const rows = fileRows(view, `Files in ${visible(path)}`, true), facts = el("small", {});
  const summary = el("summary", {}, el("span", { dir: "auto" }, visible(path)), " ", facts);
  const remove = iconButton(`Delete the folder ${visible(path)}`, "trash", () => view.deleteFolder(path), { class: "icon-button delete" });
  const details = el("details", { open: isOpen }, summary, rows.host);
  /** @type {LibraryFile[]} */
  let shown = [];
  const select = view.library.is_own ? view.selection.folderBox(path, () => shown) : null;
  const element = el("li", { class: "folder" }, select?.box, details, view.library.is_own && remove);
  const update = (/** @type {Folder} */ { files, isFiltered = false }) => {
    shown = files;
    rows.show(files);
    select?.update();
    // The button deletes all files of the folder.
    remove.hidden = isFiltered;
    if (isFiltered) details.open = true;
    const inState = (/** @type {LibraryFile["state"]} */ wanted) => files.filter(({ state }) => state === wanted).length;
    const waiting = inState("waiting"), skipped = inState("skipped");
    const size = files.reduce((sum, file) => sum + file.bytes, 0);
    facts.textContent = [count(files.length, "file"), bytes(size), waiting > 0 && `reading ${waiting}…`,
      skipped > 0 && `${skipped} skipped`].filter(Boolean).join(" · ");
  };
  return { element, update };
}
