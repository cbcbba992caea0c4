// @ts-check
import { APIError } from "../common/api.js";
import { errorText, inSeconds } from "../common/forms.js";
import { bytes } from "../common/quantities.js";

/** @typedef {import("./library-view.js").LibraryFile} LibraryFile */
/** @typedef {{ name: string, file: File }} NamedFile the name has the folders that it is in */
/**
 * @typedef {object} Upload
 * @property {string} key
 * @property {string} library
 * @property {string} name
 * @property {File} file
 * @property {LibraryFile} [old] the file of this name that the library has
 * @property {"waiting" | "running" | "failed" | "stored"} state
 * @property {number} share that has been sent, 0…1
 * @property {string} note why the upload failed, or why it pauses
 * @property {boolean} canRetry
 * @property {string} stored the id of the file on the server, or ""
 * @property {AbortController} controller
 */

// The server limits the changes per minute, which a folder with many files reaches.
const MAX_PAUSES = 5;

/**
 * The uploads of files to libraries, one after another. They continue while no library is shown.
 *
 * Dispatches "change" when the list has changed, with an upload as `detail` if only that has; "stored" with `{ upload, file }` when the
 * server has stored a file; and "done" when nothing is left to upload: how many files each library has got, and how many it had already.
 */
export class Uploads extends EventTarget {
  /** @type {Upload[]} */
  items = [];
  #isRunning = false;
  #keys = 0;

  /** @param {import("../common/api.js").API} api */
  constructor(api) {
    super();
    this.api = api;
    addEventListener("beforeunload", (event) => { if (this.#isRunning) event.preventDefault(); });
  }

  /** The uploads to a library. @param {string} library */
  of(library) { return this.items.filter((upload) => upload.library === library); }

  /** How many uploads to a library have failed. @param {string} library */
  failed(library) { return this.of(library).filter(({ state }) => state === "failed").length; }

  /** Removes those of a library that are done. @param {string} library */
  forgetStored(library) { this.items = this.items.filter((upload) => upload.library !== library || upload.state !== "stored"); }

  /**
   * @param {string} library @param {NamedFile[]} files @param {number} limit of a file in bytes
   * @param {LibraryFile[]} known the files that the library has
   */
  add(library, files, limit, known) {
    const byName = new Map(known.map((one) => [one.name, one]));
    for (const { name, file } of files) {
      const isTooLarge = file.size > limit;
      this.items.push({
        key: String(this.#keys += 1), library, name, file, old: byName.get(name), share: 0, canRetry: !isTooLarge, stored: "",
        controller: new AbortController(), state: isTooLarge ? "failed" : "waiting",
        note: isTooLarge ? `The file has ${bytes(file.size)}; a file may have at most ${bytes(limit)}.` : "",
      });
    }
    this.#changed();
    this.#run();
  }

  /** Cancels an upload, or removes one that failed. @param {Upload} upload */
  cancel(upload) {
    upload.controller.abort();
    this.items = this.items.filter((one) => one !== upload);
    this.#changed();
  }

  /** Cancels all uploads to a library; without one, to all libraries. @param {string} [library] */
  cancelAll(library) {
    const isCancelled = (/** @type {Upload} */ upload) =>
      upload.state !== "stored" && (library === undefined || upload.library === library);
    for (const upload of this.items.filter(isCancelled)) upload.controller.abort();
    this.items = this.items.filter((upload) => !isCancelled(upload));
    this.#changed();
  }

  /** @param {Upload} upload that failed */
  retry(upload) {
    Object.assign(upload, { state: "waiting", share: 0, note: "" });
    this.#changed();
    this.#run();
  }

  async #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    /** @type {Map<string, { added: number, unchanged: number }>} */
    const done = new Map();
    for (let upload = this.#next(); upload; upload = this.#next()) {
      const { library } = upload, result = await this.#upload(upload), counts = done.get(library) ?? { added: 0, unchanged: 0 };
      if (result) counts[result] += 1;
      done.set(library, counts);
      this.#changed();
    }
    this.#isRunning = false;
    this.#changed();
    this.dispatchEvent(new CustomEvent("done", { detail: done }));
  }

  #next() { return this.items.find(({ state }) => state === "waiting"); }

  /** @param {Upload} upload @returns {Promise<"added" | "unchanged" | null>} null if the server has not stored the file */
  async #upload(upload) {
    upload.state = "running";
    this.#changed();
    try {
      await upload.file.slice(0, 1).arrayBuffer().catch(() => { throw new Error("The browser cannot read this file any more."); });
      if (upload.old && await isSame(upload.file, upload.old)) {
        Object.assign(upload, { state: "stored", stored: upload.old.id });
        return "unchanged";
      }
      const file = await this.#send(upload);
      Object.assign(upload, { state: "stored", stored: file.id });
      // A later upload of the same name is compared with this one.
      for (const one of this.of(upload.library)) if (one.name === upload.name) one.old = file;
      this.dispatchEvent(new CustomEvent("stored", { detail: { upload, file } }));
      return "added";
    } catch (error) {
      if (!upload.controller.signal.aborted) {
        upload.state = "failed";
        upload.note = errorText(/** @type {Error} */ (error));
      }
      return null;
    }
  }

  /** @param {Upload} upload @returns {Promise<any>} the file as the server describes it */
  async #send(upload) {
    const { library, name, file, controller: { signal } } = upload;
    const path = `/api/libraries/${encodeURIComponent(library)}/files?${new URLSearchParams({ name })}`;
    const progress = (/** @type {number} */ share) => {
      upload.share = share;
      this.#changed(upload);
    };
    for (let pauses = 0; ; pauses += 1) {
      try {
        return await this.api.upload(path, file, progress, signal);
      } catch (error) {
        if (!(error instanceof APIError) || error.status !== 429 || !error.retryAfter || pauses === MAX_PAUSES) throw error;
        upload.note = `The server limits the files per minute: continues in ${inSeconds(error.retryAfter)}.`;
        progress(0);
        await pause(error.retryAfter, signal);
        upload.note = "";
      }
    }
  }

  /** @param {Upload} [upload] if nothing else has changed */
  #changed(upload) { this.dispatchEvent(new CustomEvent("change", { detail: upload })); }
}

/** Whether a file is the one on the server. Without HTTPS, the browser has no hashes. @param {File} file @param {LibraryFile} old */
async function isSame(file, old) {
  if (file.size !== old.bytes || !crypto.subtle) return false;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") === old.sha256;
}

/** Waits, unless the signal aborts it. @param {number} seconds @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    reject(signal.reason);
  });
});

/** The files that were chosen: of a folder with the path in it. @param {Iterable<File>} files @returns {NamedFile[]} */
export const chosenFiles = (files) => [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

/** The files that were dropped, and those in dropped folders. @param {DataTransfer} transfer @returns {Promise<NamedFile[]>} */
export async function droppedFiles(transfer) {
  // The list is empty after the event, so that the entries are taken out first.
  const items = [...transfer.items].filter(({ kind }) => kind === "file");
  const dropped = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = await Promise.all(dropped.map(({ entry, file }) => (entry ? filesOf(entry) : file ? chosenFiles([file]) : [])));
  return found.flat();
}

/** The files of an entry: itself, or all in the folder. @param {any} entry @returns {Promise<NamedFile[]>} */
async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = entry.createReader(), files = [];
  for (;;) {
    // A browser may return a part of the entries. The last part is empty.
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return files;
    for (const one of entries) files.push(...await filesOf(one));
  }
}

/** Without hidden files and folders, such as .git. @param {NamedFile[]} files */
export const withoutHidden = (files) => files.filter(({ name }) => !name.split("/").some((part) => part.startsWith(".")));
