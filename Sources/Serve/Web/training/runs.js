// @ts-check
import { el } from "../common/dom.js";
import { errorText } from "../common/forms.js";
import { bytes, count, number } from "../common/quantities.js";
import { visible } from "../common/sanitize.js";
import { bar, button, duration, facts, linkButton, loading, loss, note, nothing, section, showProblem, statePill, when } from "./parts.js";
import { RunView } from "./run.js";
import { SettingsForm, modelsAndTags, settingsText } from "./settings.js";

/**
 * @typedef {{
 *   id: string, name: string, state: string, settings: any, base: string | null, data: any, created_at: string, created_by: string,
 *   started_at: string | null, finished_at: string | null, step: number | null, steps: number | null, seconds_left: number | null,
 *   tokens_per_s: number | null, loss: number | null, val_loss: number | null,
 *   best_val_loss?: number | null, message: string | null, model: string | null,
 *   can_resume: boolean, curve?: any[], samples?: any[], log?: string
 * }} Run
 */

const ESTIMATED_AFTER = 350;
export const isActive = (/** @type {Run} */ { state }) => state === "queued" || state === "running" || state === "stopping";

/** @param {import("./area.js").TrainingArea} area @param {string[]} path */
export function open(area, [id = ""]) {
  if (id === "new") return newRun(area);
  if (id) return new RunView(area, id);
  return list(area);
}

/** How far a run is. @param {Run} run */
export function progress(run) {
  if (!isActive(run) || !run.steps) return null;
  const share = (run.step ?? 0) / run.steps;
  return el("div", { class: "run-progress" }, bar(share, "Progress"),
    el("span", { class: "help" }, `${Math.floor(share * 100)} %${run.seconds_left != null ? `, ${duration(run.seconds_left)} left` : ""}`));
}

/** @param {import("./area.js").TrainingArea} area */
function list(area) {
  const rows = el("ul", { class: "cards", "aria-labelledby": "area-title" });
  let seen = "", limit = 50;
  const request = () => area.api.get("/api/training/runs", { limit });
  const more = button("Show more", async () => {
    limit = 200;
    const found = await area.run(request);
    if (found) show(found);
  }, { hidden: true });
  const show = (/** @type {{ items: Run[], next: string | null }} */ { items, next }) => {
    more.hidden = !next || limit === 200;
    const state = JSON.stringify(items);
    if (state === seen) return items;
    seen = state;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.closest?.("a")?.getAttribute("href");
    rows.replaceChildren(...items.map(card));
    if (focused && !document.activeElement?.closest("a")) /** @type {any} */ (rows.querySelector(`a[href="${focused}"]`))?.focus();
    if (!items.length) {
      rows.replaceChildren(el("li", {}, nothing("No runs yet", "A run trains the active model further on the chats that you have included.",
        linkButton("Fine-tune", "#/training/runs/new", "primary"))));
    }
    return items;
  };
  area.load(rows, request, (found) => {
    const seconds = show(found).some(isActive) ? 3 : 15;
    area.poll(async () => (show(await request()).some(isActive) ? 3 : 15), seconds);
  });
  return {
    element: section("Runs", [linkButton("Fine-tune", "#/training/runs/new", "primary")],
      "One run trains at a time, at low priority. It continues if the server restarts.", rows, more),
    keys: [{ keys: ["n"], label: "New run", action: () => area.go("#/training/runs/new") }],
  };
}

/** @param {Run} run */
function card(run) {
  const data = run.data ? count(run.data.chats ?? 0, "chat") : null;
  return el("li", { class: "card" },
    el("div", { class: "card-head" }, el("a", { href: `#/training/runs/${encodeURIComponent(run.id)}`, dir: "auto" }, visible(run.name)),
      statePill(run.state)),
    el("p", { class: "help" }, [settingsText(run.settings), data].filter(Boolean).join(" · ")), progress(run),
    run.message && note(run.message, run.state === "failed" ? "bad" : "warn"),
    el("div", { class: "row-facts" }, when(run.started_at ?? run.created_at),
      run.created_by && el("span", { dir: "auto" }, `by ${visible(run.created_by)}`),
      run.val_loss != null && el("span", {}, `validation loss ${loss(run.val_loss)} (last)`),
      run.best_val_loss != null && el("span", {}, `${loss(run.best_val_loss)} (best)`)));
}

/** The form that starts a run, with an estimate. @param {import("./area.js").TrainingArea} area */
function newRun(area) {
  const { signal } = area, host = el("div", {});
  const panel = el("aside", { class: "estimate", "aria-label": "Estimate", "aria-live": "polite" });
  const error = el("div", { role: "alert" });
  const start = el("button", { class: "button primary" }, "Start");
  /** @type {SettingsForm | null} */
  let form = null;
  let timer = 0, isEstimating = false, isOutdated = false;
  // One estimate at a time: the server may measure some steps for it.
  const estimate = async () => {
    if (!form || form.invalid || signal.aborted) return;
    isOutdated = isEstimating;
    if (isEstimating) return;
    isEstimating = true;
    panel.setAttribute("aria-busy", "true");
    let wait = 0;
    try {
      const found = await area.api.request("POST", "/api/training/estimate", form.value);
      if (!signal.aborted) showEstimate(panel, found);
    } catch (problem) {
      const { code, retryAfter } = /** @type {any} */ (problem);
      if (code === "busy") wait = (retryAfter ?? 2) * 1000;
      else panel.replaceChildren(el("h3", {}, "Estimate"), note(errorText(/** @type {Error} */ (problem)), "bad"));
    }
    isEstimating = false;
    panel.setAttribute("aria-busy", "false");
    if (signal.aborted || (!isOutdated && !wait)) return;
    clearTimeout(timer);
    timer = setTimeout(estimate, wait);
  };
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(estimate, ESTIMATED_AFTER);
    error.replaceChildren();
  };
  const onsubmit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!form) return;
    if (form.invalid) return form.invalid.reportValidity();
    start.disabled = true;
    const { value, inputs } = form;
    try {
      const run = await area.api.request("POST", "/api/training/runs", value);
      area.go(`#/training/runs/${encodeURIComponent(run.id)}`, true);
    } catch (problem) {
      showProblem(error, problem, inputs);
    } finally {
      start.disabled = false;
    }
  };
  area.load(host, () => modelsAndTags(area.api), ({ models, tags }) => {
    form = new SettingsForm(models, { tags, models: [] }, null, changed);
    host.replaceChildren(form.element);
    panel.replaceChildren(el("h3", {}, "Estimate"), loading());
    estimate();
  });
  return {
    element: section("Fine-tune", [],
      "The defaults suit a first run. The new model becomes a candidate: it answers no user before you promote it.",
      el("form", { class: "run-form area-form", novalidate: true, onsubmit }, host, panel, error,
        el("div", { class: "buttons" }, linkButton("Cancel", "#/training/runs"), start))),
  };
}

/** @param {HTMLElement} panel @param {any} found */
function showEstimate(panel, found) {
  const { memory_bytes: memory, available_bytes: available, disk_bytes: disk, free_disk_bytes: free, seconds, chats, preferences, fits,
    advice } = found;
  const held = found.held_out;
  panel.replaceChildren(el("h3", {}, "Estimate"),
    note(fits ? "This run fits on this machine." : advice ?? "This run does not fit on this machine.", fits ? "good" : "bad"),
    fits && advice ? note(advice) : "",
    facts([["Memory", el("div", {}, `${bytes(memory)} of ${bytes(available)}`, bar(memory / available, "Memory", memory > available))],
      ["Disk", el("div", {}, `${bytes(disk)} of ${bytes(free)} free`, bar(disk / free, "Disk", disk > free))],
      ["Time", seconds == null ? "known after the first steps" : `about ${duration(seconds)}`], ["Chats", number(chats ?? 0)],
      ["Held out", number(held ?? 0)], ["Preferences", number(preferences ?? 0)]]));
}
