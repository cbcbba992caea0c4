// @ts-check
import { saveFile } from "../chat/export.js";
import { filePath } from "../chat/passage-panel.js";
import { el, iconButton } from "../common/dom.js";
import { bytes, count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */
/** @typedef {import("./uploads.js").Upload} Upload */

/**
 * A file of a library, with buttons that show its passages, read it again if it was skipped, download it and delete it.
 * @param {import("./library-view.js").LibraryView} view @param {string} id
 * @param {boolean} [isInFolder] whether the name is shown without its folders
 */
export function fileRow(view, id, isInFolder = false) {
  const { dialog, library } = view;
  /** @type {LibraryFile} */
  let file;
  const open = () => dialog.panel.showFile(library.id, id, file.name);
  const name = el("button", { type: "button", class: "link-button file-name", dir: "auto", "aria-haspopup": "dialog", onclick: open });
  const state = el("small", { dir: "auto" });
  const download = iconButton("", "download", () => dialog.attempt(async () => {
    saveFile(await view.api.download(filePath(library.id, id)), file.name);
  }));
  const remove = iconButton("", "trash", () => view.deleteFile(id), { class: "icon-button delete" });
  const again = iconButton("", "again", async () => {
    await view.readFileAgain(file);
    // A button that is hidden has lost the focus.
    if (again.hidden && [again, document.body].includes(document.activeElement)) remove.focus();
  });
  const select = library.is_own ? view.selection.box(id) : null;
  const element = el("li", {}, select?.box, el("div", {}, name, state), library.is_own && again, download, library.is_own && remove);
  let shown = "";
  const update = (/** @type {LibraryFile} */ found) => {
    select?.update(found);
    if (shown === JSON.stringify(found)) return;
    shown = JSON.stringify(found);
    file = found;
    name.textContent = visible(isInFolder ? file.name.slice(file.name.lastIndexOf("/") + 1) : file.name);
    name.disabled = file.state !== "ready";
    label(download, `Download ${visible(file.name)}`);
    label(remove, `Delete ${visible(file.name)}`);
    label(again, `Read ${visible(file.name)} again`);
    again.hidden = file.state !== "skipped";
    state.textContent = `${bytes(file.bytes)} · ${stateText(file)}`;
    state.className = file.state;
  };
  return { element, update };
}

/** @param {LibraryFile} file */
function stateText({ state, passages, message }) {
  if (state === "waiting") return "reading…";
  return state === "skipped" ? `skipped: ${visible(message ?? "")}` : count(passages ?? 0, "passage");
}

/**
 * A file that is uploaded, waits for its upload or could not be uploaded. Once it is stored, its row becomes that of a file: in its place,
 * so that nothing below it moves.
 * @param {import("./library-view.js").LibraryView} view @param {Upload} upload
 */
export function uploadRow(view, upload) {
  const { uploads } = view, name = visible(upload.name), state = el("small", { dir: "auto" });
  const bar = el("progress", { max: 1, "aria-label": `Upload of ${name}` });
  /** @type {ReturnType<typeof fileRow> | null} */
  let stored = null;
  let shown = "";
  const retry = iconButton(`Try again to upload ${name}`, "again", () => uploads.retry(upload));
  const cancel = iconButton("", "close", () => uploads.cancel(upload));
  const element = el("li", {}, el("div", {}, el("span", { class: "file-name", dir: "auto" }, name),
    el("div", { class: "progress" }, bar, state)), retry, cancel);
  const update = () => {
    const file = view.byID.get(upload.stored);
    if (file && !stored) {
      stored = fileRow(view, file.id);
      element.replaceChildren(...stored.element.childNodes);
    }
    if (file) return stored?.update(file);
    if (shown === `${upload.state} ${upload.share} ${upload.note}`) return;
    shown = `${upload.state} ${upload.share} ${upload.note}`;
    const hasFailed = upload.state === "failed";
    bar.value = upload.share;
    bar.hidden = hasFailed;
    state.textContent = visible(upload.note) || (upload.state === "waiting" ? "waiting" : `${Math.round(upload.share * 100)} %`);
    state.className = hasFailed ? "field-error" : "";
    retry.hidden = !hasFailed || !upload.canRetry;
    label(cancel, hasFailed ? `Dismiss ${name}` : `Cancel the upload of ${name}`);
  };
  return { element, update };
}

/** @param {HTMLElement} button @param {string} text */
function label(button, text) {
  button.title = text;
  button.setAttribute("aria-label", text);
}
