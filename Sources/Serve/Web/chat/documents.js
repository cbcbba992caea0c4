// @ts-check
import { byId } from "../common/dom.js";
import { visible } from "../common/sanitize.js";

/**
 * @typedef {object} Documents of the server, or a library, which an account has uploaded
 * @property {string} id what requests name them by
 * @property {string} name
 * @property {number | null} files null while the index cannot be read; -1 if the server does not have them any more
 * @property {number | null} passages
 * @property {number} [waiting] files of a library that are still being read
 * @property {string} [owner] the account of a library
 * @property {boolean} [is_own]
 */
/** @typedef {{ bytes: number, used_bytes: number, file_bytes: number }} Limits how much an account may upload, and how much it has */

/** The ids of libraries. Those of other documents are their names. */
export const LIBRARY = /^[0-9a-z]{26}$/;

/** @param {string} id of documents @param {import("./settings.js").Settings} settings */
export const nameOf = (id, { documents }) => documents.find((one) => one.id === id)?.name ?? (LIBRARY.test(id) ? "A library" : id);

/** How often files that are being read are asked for, in milliseconds. */
export const POLL = 2_000;

/** Asks the server for its documents. @param {import("../page.js").Page} page */
export async function loadDocuments(page) {
  const { settings, session } = page, { token } = session;
  const found = await page.api.get("/api/documents").catch(() => null);
  if (token !== session.token) return;
  if (found) Object.assign(settings, { documents: found.documents, uploads: found.uploads ?? null });
  settings.knowsDocuments = true;
  showDocuments(page);
}

/**
 * Shows which documents answers are from, if there are some to choose or the account may upload some.
 * @param {import("../page.js").Page} page
 */
export function showDocuments(page) {
  const { settings } = page, { documents } = page.conversation, button = byId("choose-documents");
  // The names of libraries are not known before.
  button.hidden = !settings.knowsDocuments || (settings.documents.length === 0 && documents.length === 0 && !settings.uploads);
  button.classList.toggle("set", documents.length > 0);
  const label = documents.length === 1 ? visible(nameOf(documents[0], settings)) : `${documents.length} documents`;
  byId("chosen-documents").textContent = documents.length === 0 ? "Documents" : label;
}
