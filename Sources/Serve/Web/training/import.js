// @ts-check
import { save } from "../chat/export.js";
import { openDialog } from "../common/dialog.js";
import { announce, el } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { bytes, count } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { toast } from "../common/toast.js";
import { requestFilter } from "./filter.js";
import { button, field, note, select } from "./parts.js";

/** @type {[string, string][]} */
const FORMATS = [
  ["detected", "Detect from the file"], ["messages", "Messages (JSON lines, as of OpenAI)"],
    ["collected", "Collected by slm serve (JSON lines)"],
  ["tinychat", "TinyChat ([INST] … [/INST])"], ["preferences", "Preferences (JSON lines, as of TRL)"],
];
/** The server takes files of 64 MB. Larger ones are sent in parts, which end at line ends. */
const PART = 60_000_000;

/** Asks for a file of chats and imports it. @param {any} section @param {File} [dropped] */
export function openImport(section, dropped) {
  const { area } = section;
  let file = dropped ?? null;
  const input = el("input", { type: "file", id: "import-file", class: "visually-hidden" });
  const name = el("p", { class: "import-name", role: "status" });
  const format = select(FORMATS, "detected");
  const result = el("div", { class: "import-result", role: "status" });
  const start = button("Import", () => run(), { class: "primary" });
  const show = () => {
    name.textContent = file ? `${visible(file.name)}, ${bytes(file.size)}` : "No file is chosen.";
    start.disabled = !file;
    result.replaceChildren();
  };
  input.addEventListener("change", () => {
    file = input.files[0] ?? null;
    show();
  });
  const zone = el("div", { class: "drop-zone" }, input, el("label", { for: "import-file", class: "button" }, "Choose a file"),
    el("span", {}, "or drop it here"), name);
  zone.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    file = event.dataTransfer?.files[0] ?? file;
    show();
  });
  const run = async () => {
    if (!file) return;
    start.disabled = true;
    result.replaceChildren(el("p", {}, "Importing…"));
    try {
      const found = await send(area.api, file, format.value, (share) => {
        result.replaceChildren(el("p", {}, `Importing… ${Math.round(share * 100)} %`));
      });
      showResult(result, found, () => undo(section, found.import, result));
      file = null;
      input.value = "";
      section.load();
    } catch (error) {
      result.replaceChildren(note(errorText(/** @type {Error} */ (error)), "bad"));
      start.disabled = false;
    }
  };
  const dialog = openDialog("Import chats", [
    el("p", { class: "help" }, "Imported chats start as new: they are used to train only after you include them."), zone,
      field("Format", format), result,
  ], { foot: [button("Close", () => dialog.close()), start] });
  show();
  (file ? start : input).focus();
}

/**
 * Sends a file, in parts if it is large.
 * @param {any} api @param {File} file @param {string} format @param {(share: number) => void} progress @param {number} [limit] of a part
 */
export async function send(api, file, format, progress, limit = PART) {
  const sum = { import: "", added: 0, duplicates: 0, skipped: 0, errors: /** @type {any[]} */ ([]) };
  let line = 0;
  for (let start = 0; start < file.size || start === 0;) {
    const end = await partEnd(file, start, limit);
    const part = file.slice(start, end);
    const query = new URLSearchParams({ format, ...(sum.import && { import: sum.import }) });
    const found = await api.request("POST", `/api/training/chats/import?${query}`, part);
    sum.import = found.import;
    for (const name of /** @type {const} */ (["added", "duplicates", "skipped"])) sum[name] += found[name] ?? 0;
    const errors = (found.errors ?? []).map((/** @type {any} */ one) =>
      (typeof one === "object" && one && Number.isInteger(one.line) ? { ...one, line: one.line + line } : one));
    sum.errors = [...sum.errors, ...errors].slice(0, 10);
    if (end < file.size) line += await lines(part);
    start = end;
    progress(start / Math.max(file.size, 1));
    if (file.size === 0) break;
  }
  return sum;
}

/** The end of a part: after its last line end. @param {File} file @param {number} start @param {number} limit */
async function partEnd(file, start, limit) {
  if (file.size - start <= limit) return file.size;
  const part = new Uint8Array(await file.slice(start, start + limit).arrayBuffer());
  const end = part.lastIndexOf(10);
  if (end < 0) throw new Error(`The file has a line of more than ${bytes(limit)}, which cannot be imported.`);
  return start + end + 1;
}

/** @param {Blob} part */
async function lines(part) {
  let found = 0;
  for (const byte of new Uint8Array(await part.arrayBuffer())) found += byte === 10 ? 1 : 0;
  return found;
}

/** Deletes the chats of an import. @param {any} section @param {string} id @param {HTMLElement} host */
async function undo(section, id, host) {
  const found = await section.area.send("DELETE", `imports/${encodeURIComponent(id)}`);
  if (!found) return;
  const text = `${count(found.deleted, "chat")} deleted.`;
  host.replaceChildren(note(text));
  announce(text);
  section.load();
}

/**
 * @param {HTMLElement} host @param {{ added: number, duplicates: number, skipped: number, errors: any[] }} found
 * @param {() => void} onundo
 */
function showResult(host, { added, duplicates, skipped, errors }, onundo) {
  const parts = [`${count(added, "chat")} added`, duplicates && `${count(duplicates, "chat")} already here`,
    skipped && `${count(skipped, "line")} skipped`];
  const text = parts.filter(Boolean).join(", ") + ".";
  host.replaceChildren(note(text, errors.length || skipped ? "warn" : "good"),
    added ? button("Undo the import", onundo) : "", ...(errors.length ? [
    el("ul", { class: "import-errors", "aria-label": "Errors" }, ...errors.map((one) =>
      el("li", { dir: "auto" },
        typeof one === "string" ? visible(one) : visible(`${one.line ? `Line ${one.line}: ` : ""}${one.message ?? ""}`)))),
  ] : []));
  announce(text);
}

/** Saves what matches the filter as JSON lines. @param {any} section @param {string} format */
export async function exportChats(section, format) {
  const query = new URLSearchParams({ format });
  for (const [name, value] of Object.entries(requestFilter(section.filter))) query.set(name, String(value));
  toast("The export has started.");
  const file = await section.area.run(() => section.area.api.download(`/api/training/chats/export?${query}`));
  if (!file) return;
  save(file, `slm-${format}.jsonl`, file.type);
  toast(file.size ? `Exported ${bytes(file.size)}.` : "Nothing matches: the file is empty.");
}
