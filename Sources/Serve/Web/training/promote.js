// @ts-check
import { APIError } from "../common/api.js";
import { confirmed } from "../common/dialog.js";
import { el } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { bytes } from "../common/quantities.js";
import { toast } from "../common/toast.js";
import { check, field, note, statePill } from "./parts.js";

/**
 * @typedef {{
 *   id: string, name: string, state: string, kind: string, base: string | null, path: string, size_bytes: number, created_at: string,
 *   created_by: string, promoted_at: string | null, promoted_by: string | null, run: string | null, data: any, metrics: any,
 *   verdict: string | null, comparison: string | null, is_served: boolean, error: string | null, keys: number,
   files_deleted_at?: string | null
 * }} Model
 */

const path = (/** @type {string} */ id) => `models/${encodeURIComponent(id)}`;

/** What the gate has found about a model, as a sentence. @param {Model} model */
export function gateText({ verdict, comparison }) {
  if (verdict === "better") return "The gate passed: it is better than the active model on held-out chats.";
  if (verdict === "no_worse") return "The gate passed: it is no worse than the active model.";
  if (verdict === "worse") return "The gate did not pass: it is worse than the active model.";
  if (verdict === "not_enough") return "There is not enough to judge it: the gate has neither passed nor failed it.";
  return comparison ? "The comparison has no verdict yet." : "It was not compared with the active model.";
}

/**
 * Asks, and makes a model the active one.
 * @param {import("./area.js").TrainingArea} area @param {Model} model @param {string[]} [reasons] of the verdict
 * @returns {Promise<Model | null>}
 */
export async function promote(area, model, reasons = []) {
  const isForced = model.verdict !== "better" && model.verdict !== "no_worse";
  const force = el("input", { type: "checkbox" }), reason = reasonInput();
  const body = [
    note(gateText(model), isForced ? "bad" : "good"),
    reasons.length ? el("ul", { class: "reasons-list" }, ...reasons.map((text) => el("li", { dir: "auto" }, text))) : "",
    el("p", {}, "All new answers come from it. Answers that have begun end with the model that began them. "
      + "Roll back returns to the model that is active now."),
    isForced ? check("Promote it all the same", force) : "", isForced ? reasonField(reason) : "",
  ].map((part) => (typeof part === "string" ? el("span", {}) : part));
  if (!await confirmed(`Promote ${model.name}?`, body, "Promote")) return null;
  if (isForced && (!force.checked || !reason.value.trim())) {
    toast("Nothing was changed: tick “Promote it all the same” and say why, to promote a model that did not pass the gate.");
    return null;
  }
  try {
    return await area.api.request("POST", `/api/training/${path(model.id)}/promote`,
      isForced ? { force: true, reason: reason.value.trim() } : {});
  } catch (error) {
    // The verdict may have changed since the list was loaded.
    if (!(error instanceof APIError) || error.code !== "gate_not_passed" || isForced) {
      await area.run(() => Promise.reject(error));
      return null;
    }
    const body = [note(errorText(error), "bad"), reasonField(reason)];
    if (!await confirmed(`Promote ${model.name} all the same?`, body, "Promote all the same", true)) return null;
    if (!reason.value.trim()) {
      toast("Nothing was changed: say why a model is promoted that did not pass the gate.");
      return null;
    }
    return await area.send("POST", `${path(model.id)}/promote`, { force: true, reason: reason.value.trim() }) ?? null;
  }
}

const reasonInput = () => el("input", { type: "text", maxlength: 500 });

/** @param {HTMLInputElement} input */
const reasonField = (input) => field("Why", input, "The history shows your reason.");

/** Archives a model after a question. @param {import("./area.js").TrainingArea} area @param {Model} model */
export async function archive(area, model) {
  const text = "An archived model is not offered for comparison. Its files stay until you delete it or clean up.";
  if (!await confirmed(`Archive ${model.name}?`, [text], "Archive")) return undefined;
  return area.send("POST", `${path(model.id)}/archive`);
}

/** @param {import("./area.js").TrainingArea} area @param {Model} model */
export async function removeModel(area, model) {
  const text = `Its files (${bytes(model.size_bytes)}) are deleted. This cannot be undone.`;
  if (!await confirmed(`Delete ${model.name}?`, [text], "Delete", true)) return undefined;
  return area.send("DELETE", path(model.id));
}

/** The state and the verdict of a model. @param {Model} model */
export const modelPills = (model) => [statePill(model.state), model.verdict && statePill(model.verdict)].filter(Boolean);
