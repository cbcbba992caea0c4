// @ts-check
import { byId, el } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { attempt } from "./feedback.js";

/** @typedef {{ name: string, files: number | null, passages: number | null }} Documents documents of the server */

/** Shows which documents answers are from, if the server has some or the conversation had. @param {import("../page.js").Page} page */
export function showDocuments(page) {
  const { documents } = page.conversation, button = byId("choose-documents");
  button.hidden = page.settings.documents.length === 0 && documents.length === 0;
  button.classList.toggle("set", documents.length > 0);
  byId("chosen-documents").textContent =
    documents.length === 0 ? "Documents" : documents.length === 1 ? visible(documents[0]) : `${documents.length} documents`;
}

/** Asks the server for its documents. @param {import("../page.js").Page} page */
export async function loadDocuments(page) {
  const found = await page.api.get("/api/documents").catch(() => null);
  if (found) page.settings.documents = found.documents;
  showDocuments(page);
}

/** The dialog that chooses the documents of the open conversation. @param {import("../page.js").Page} page */
export function openDocumentsDialog(page) {
  const { documents } = page.conversation, served = page.settings.documents;
  const gone = documents.filter((name) => !served.some((one) => one.name === name)).map((name) => ({ name, files: -1, passages: null }));
  /** @type {Map<string, HTMLInputElement>} */
  const boxes = new Map();
  const rows = [...served, ...gone].map(({ name, files, passages }) => {
    const box = el("input", { type: "checkbox" });
    box.checked = documents.includes(name);
    boxes.set(name, box);
    box.addEventListener("change", async () => {
      // The server refuses documents that it does not have any more: any change takes them out.
      const chosen = served.map((one) => one.name).filter((one) => boxes.get(one)?.checked);
      if (!await attempt(() => page.chooseDocuments(chosen))) box.checked = !box.checked;
      else for (const one of gone) boxes.get(one.name)?.closest("label")?.remove();
    });
    return el("label", { class: "check" }, box,
      el("span", {}, el("b", { dir: "auto" }, visible(name)), " ", el("small", {}, extent(files, passages))));
  });
  byId("document-choices").replaceChildren(...rows);
  byId("documents").showModal();
}

/** @param {number | null} files -1 if the server does not have them any more @param {number | null} passages */
function extent(files, passages) {
  if (files === -1) return "not on this server any more";
  if (files === null || passages === null) return "cannot be read at the moment";
  return `${count(files, "file")}, ${count(passages, "passage")}`;
}

/** @param {number} number @param {string} noun */
const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
