// @ts-check
import { confirmed, openDialog } from "../common/dialog.js";
import { announce, el } from "../common/dom.js";
import { atLeast, count, number } from "../common/quantities.js";
import { toast } from "../common/toast.js";
import { requestFilter } from "./filter.js";
import { button, check, field, form } from "./parts.js";

/** @typedef {{ state?: string, add_tags?: string[], remove_tags?: string[] }} Change */
/** @typedef {{ set: (state: string) => void, tag: () => void, clear: () => void, selectAll: (isOn: boolean) => void }} BulkActions */

const DONE = { included: "Included", excluded: "Excluded", new: "Marked as new" };

/** The bar above the list: what is selected, and actions on it. */
export class BulkBar {
  /** @param {BulkActions} actions */
  constructor(actions) {
    this.actions = actions;
    /** Whether actions apply to all chats that match the filter, not only to the rows that are loaded. */
    this.isAll = false;
    this.total = 0;
    this.isExact = true;
    this.box = el("input",
      { type: "checkbox", "aria-label": "Select all that are shown", onchange: () => actions.selectAll(this.box.checked) });
    this.text = el("span", { class: "bulk-text", role: "status" });
    this.all = button("", () => {
      this.isAll = true;
      this.#render();
      this.include.focus();
    }, { class: "all" });
    this.include = button("", () => actions.set("included"), { class: "primary" });
    this.exclude = button("", () => actions.set("excluded"));
    this.buttons = el("span", { class: "bulk-buttons" }, this.include, this.exclude,
      button("Tag…", actions.tag, { "aria-haspopup": "dialog" }),
      button("Clear", () => {
        actions.clear();
        this.box.focus();
      }));
    this.element = el("div", { class: "bulk", role: "group", "aria-label": "Selected chats" }, this.box, this.text, this.all, this.buttons);
    this.selected = 0;
    this.shown = 0;
  }

  /** @param {number} selected @param {number} total that match @param {number} shown rows @param {boolean} isExact or a lower bound */
  show(selected, total, shown, isExact) {
    if (selected !== this.selected || total !== this.total || selected === 0) this.isAll = false;
    this.selected = selected;
    this.total = total;
    this.isExact = isExact;
    this.shown = shown;
    this.#render();
  }

  #render() {
    const { selected, total, shown, isAll, isExact } = this, all = atLeast(total, isExact);
    this.element.hidden = total === 0;
    this.box.checked = selected > 0 && selected >= shown;
    this.box.indeterminate = selected > 0 && selected < shown;
    this.buttons.hidden = selected === 0;
    this.text.textContent = isAll ? `All ${all} that match` : selected ? `${number(selected)} selected` : "Select all";
    this.all.textContent = `Select all ${all} that match`;
    this.all.hidden = isAll || selected < shown || isExact && total <= selected || selected === 0;
    this.include.textContent = isAll ? `Include all ${all} that match` : "Include";
    this.exclude.textContent = isAll ? `Exclude all ${all} that match` : "Exclude";
  }
}

/**
 * Changes chats: some, or all that match the filter after a question. Offers to undo a change of states.
 * @param {any} section @param {string[]} ids @param {Change} change @returns {Promise<boolean>} whether it was done
 */
export async function changeChats(section, ids, change) {
  const { area, list, bulk } = section;
  if (bulk.isAll) return changeAll(section, change);
  const before = new Map(ids.map((id) => [id, list.chats.get(id)?.state ?? section.reader.chat?.state]));
  const one = ids.length === 1 ? ids[0] : "";
  const found = await (one && change.state && !change.add_tags
    ? area.send("PUT", `chats/${encodeURIComponent(one)}`, { state: change.state })
    : area.send("POST", "chats/bulk", { ids, ...change }));
  if (found === undefined) return false;
  if (found?.id) section.changed(found);
  else showChange(section, ids, change);
  if (!change.state) {
    announce(`Changed the tags of ${count(ids.length, "chat")}`);
    return true;
  }
  const text = one ? `${DONE[/** @type {keyof typeof DONE} */ (change.state)]}.`
    : `${DONE[/** @type {keyof typeof DONE} */ (change.state)]}: ${count(ids.length, "chat")}.`;
  toast(text, { label: "Undo", action: () => undo(section, before) }, 10);
  return true;
}

/** Shows a change in the rows. @param {any} section @param {string[]} ids @param {Change} change */
function showChange(section, ids, { state, add_tags = [], remove_tags = [] }) {
  for (const id of ids) {
    const chat = section.list.chats.get(id);
    if (!chat) continue;
    const tags = [...new Set([...chat.tags, ...add_tags])].filter((tag) => !remove_tags.includes(tag));
    section.list.replace({ ...chat, state: state ?? chat.state, tags });
  }
  if (ids.includes(section.reader.id)) section.reader.reload();
  section.refreshCounts();
}

/** Gives chats their former states. @param {any} section @param {Map<string, string | undefined>} before */
async function undo(section, before) {
  for (const state of new Set(before.values())) {
    const ids = [...before].filter(([, old]) => old === state).map(([id]) => id);
    if (!state) continue;
    const done = await section.area.send("POST", "chats/bulk", { ids, state });
    if (done === undefined) return;
    showChange(section, ids, { state });
  }
  announce("Undone");
}

/** @param {any} section @param {Change} change */
async function changeAll(section, change) {
  const { area, bulk } = section;
  const filter = requestFilter(section.filter), what = count(bulk.total, "chat", "chats", bulk.isExact);
  const action = change.state === "included" ? "Include" : change.state === "excluded" ? "Exclude" : change.state ? "Mark as new"
    : "Change the tags of";
  const isFiltered = Object.keys(filter).length > 0;
  const text = `This changes all chats that ${isFiltered ? "match the filter" : "are listed"}, also those that are not shown yet.`
    + (change.state === "included" ? " Chats that were left out by their users stay left out." : "");
  if (!await confirmed(`${action} ${what}?`, [text], `${action} ${what}`)) return false;
  const found = await area.send("POST", "chats/bulk", { filter, ...change });
  if (found === undefined) return false;
  toast(`Changed ${count(found?.changed ?? 0, "chat")}.`);
  section.load();
  section.reader.reload();
  return true;
}

/**
 * Asks for tags to add and to remove.
 * @param {any} section @param {string[]} ids @returns {Promise<Change | null>}
 */
export function tagDialog(section, ids) {
  const present = new Set(ids.flatMap((id) => section.list.chats.get(id)?.tags ?? section.reader.chat?.tags ?? []));
  const box = el("input", { type: "text", autocomplete: "off", dir: "auto", maxlength: 200, list: "all-tags" });
  const boxes = [...present].map((tag) => el("input", { type: "checkbox", value: tag }));
  const suggestions = el("datalist", { id: "all-tags" },
    ...section.known.tags.map((/** @type {string} */ value) => el("option", { value })));
  return new Promise((resolve) => {
    const content = form(() => dialog.close("yes"), field("Tags to add", box, "Separate several by commas."), suggestions,
      boxes.length > 0 && el("fieldset", {}, el("legend", {}, "Tags to remove"), ...boxes.map((one) => check(one.value, one))),
      el("div", { class: "buttons" }, button("Cancel", () => dialog.close("")), el("button", { class: "button primary" }, "Save")));
    const { isAll, total, isExact } = section.bulk;
    const title = `Tags of ${isAll ? count(total, "chat", "chats", isExact) : count(ids.length, "chat")}`;
    const dialog = openDialog(title, [content], {
      onclose: (value) => {
        const add = tagsIn(box.value), remove = boxes.filter((one) => one.checked).map((one) => one.value);
        resolve(value === "yes" && (add.length || remove.length)
          ? { ...(add.length && { add_tags: add }), ...(remove.length && { remove_tags: remove }) } : null);
      },
    });
    box.focus();
  });
}

/** @param {string} text */
export const tagsIn = (text) => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
