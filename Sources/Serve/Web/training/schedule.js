// @ts-check
import { el } from "../common/dom.js";
import { number } from "../common/quantities.js";
import { toast } from "../common/toast.js";
import { check, facts, field, note, section, showProblem, when } from "./parts.js";
import { SettingsForm, modelsAndTags } from "./settings.js";

/**
 * Runs that start by themselves: at a time of the night, or after a number of included chats. They stop at the gate.
 * @param {import("./area.js").TrainingArea} area
 */
export function open(area) {
  const host = el("div", {});
  const load = () => area.load(host, async () => {
    const [schedule, found] = await Promise.all([area.api.get("/api/training/schedule"), modelsAndTags(area.api)]);
    return { schedule, ...found };
  }, ({ schedule, models, tags }) => host.replaceChildren(form(area, schedule, models, tags)));
  load();
  return {
    reload: load,
    element: section("Schedule", [],
      "A scheduled run trains, compares the new model with the active one, and stops there. Promoting stays your decision.", host),
  };
}

/** @param {import("./area.js").TrainingArea} area @param {any} schedule @param {any[]} models @param {string[]} tags */
function form(area, schedule, models, tags) {
  const enabled = el("input", { type: "checkbox", checked: schedule.enabled === true });
  const nightly = el("input",
    { type: "checkbox", checked: schedule.at !== null && schedule.at !== undefined || schedule.new_chats == null });
  const at = el("input", { type: "time", value: schedule.at ?? "03:00", required: true });
  const many = el("input", { type: "checkbox", checked: schedule.new_chats != null });
  const chats = el("input", { type: "number", min: 1, max: 1_000_000, value: schedule.new_chats ?? 50, required: true });
  const error = el("div", { role: "alert" }), next = el("div", {});
  const settings = new SettingsForm(models, { tags, models: [] }, schedule.settings ?? null, () => {}, false);
  const save = el("button", { class: "button primary" }, "Save");
  const atField = field("Time", at, "On the server's clock."), chatsField = field("New included chats", chats);
  const show = () => {
    atField.hidden = !nightly.checked;
    chatsField.hidden = !many.checked;
    at.disabled = !nightly.checked;
    chats.disabled = !many.checked;
  };
  for (const box of [nightly, many]) box.addEventListener("change", show);
  show();
  const showNext = (/** @type {any} */ found) => {
    const last = found.last_run ? el("a", { href: `#/training/runs/${encodeURIComponent(found.last_run)}` }, "Open the run") : "none yet";
    next.replaceChildren(facts([["Next run", !found.enabled ? "off" : found.next_at ? when(found.next_at) : "when there are enough chats"],
      ["Last run", last],
      ["Included since then", typeof found.included_since === "number" ? number(found.included_since) : null]]));
  };
  showNext(schedule);
  const onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    error.replaceChildren();
    if (enabled.checked && !nightly.checked && !many.checked) {
      error.replaceChildren(note("Choose when runs start: every night, after a number of chats, or both.", "bad"));
      return nightly.focus();
    }
    if (!(/** @type {HTMLFormElement} */ (event.target)).reportValidity()) return;
    save.disabled = true;
    try {
      const body = { enabled: enabled.checked, at: nightly.checked ? at.value : null, new_chats: many.checked ? Number(chats.value) : null,
        settings: settings.value };
      const found = await area.api.request("PUT", "/api/training/schedule", body) ?? { ...schedule, ...body };
      showNext(found);
      toast(found.enabled ? "The schedule is on." : "The schedule is off.");
    } catch (problem) {
      showProblem(error, problem, { at, new_chats: chats, enabled, ...settings.inputs });
    } finally {
      save.disabled = false;
    }
  };
  return el("form", { class: "area-form schedule", novalidate: true, onsubmit }, next, check("Train automatically", enabled),
    el("fieldset", {}, el("legend", {}, "When"), check("Every night", nightly), atField,
      check("After a number of new included chats", many), chatsField),
    el("fieldset", {}, el("legend", {}, "Settings of the run"), settings.element), error, el("div", { class: "buttons" }, save));
}
