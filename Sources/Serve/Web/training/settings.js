// @ts-check
import { el } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { filterFields, filterOfRequest, requestFilter } from "./filter.js";
import { check, field, select } from "./parts.js";

/** The settings of a run, as in the API. A missing one has the server's default. @typedef {Record<string, any>} RunSettings */

/** @type {[string, string][]} */
const METHODS = [["", "Automatic"], ["lora", "LoRA adapter: small and quick"], ["full", "All weights"]];
/** @type {[string, string][]} */
const BUDGETS = [["minutes", "Minutes"], ["epochs", "Epochs"], ["max_steps", "Steps"]];
/** The ranges of numbers, as in `RunNumber` of the server. @type {Record<string, [number, number]>} */
const RANGES = {
  rank: [1, 65_536], minutes: [0.01, 100_000], epochs: [0, 1_000_000], max_steps: [1, 1_000_000_000], replay_share: [0.01, 0.9],
  lr: [0, 10],
};

/** What the settings of a run can choose from. @param {import("../common/api.js").API} api */
export async function modelsAndTags(api) {
  const [models, tags] = await Promise.all(
    [api.get("/api/training/models"), api.get("/api/training/tags").catch(() => ({ items: [] }))]);
  return { models: models.items, tags: tags.items.map((/** @type {any} */ one) => one.tag ?? one) };
}

/**
 * The inputs of a fine-tuning run, with defaults for someone who only presses the button.
 *
 *     const form = new SettingsForm(models, known, schedule.settings, () => estimate(form.value));
 */
export class SettingsForm {
  /**
   * @param {any[]} models to start from @param {{ tags: string[], models: string[] }} known @param {RunSettings | null} settings
   * @param {() => void} onchange @param {boolean} [hasName]
   */
  constructor(models, known, settings, onchange, hasName = true) {
    const initial = settings ?? {};
    /** @type {import("./filter.js").Filter} */
    this.filter = filterOfRequest(initial.filter);
    delete this.filter.state;
    const changed = () => onchange();
    const input = (/** @type {Record<string, any>} */ attributes, /** @type {any} */ value) => {
      const element = el("input", { autocomplete: "off", oninput: changed, ...attributes });
      element.value = value ?? "";
      return element;
    };
    const number = (/** @type {string} */ name, /** @type {any} */ value, /** @type {number | "any"} */ step = 1, factor = 1) => {
      const [min, max] = RANGES[name].map((limit) => limit * factor);
      return input({ type: "number", min, max, step, placeholder: "automatic" }, value);
    };
    const choice = (/** @type {[string, string][]} */ options, /** @type {any} */ value) =>
      select(options, value ?? "", { onchange: changed });
    this.name = input({ type: "text", maxlength: 64, dir: "auto", placeholder: "automatic" }, initial.name);
    const usable = models.filter(({ state, error }) => state !== "archived" && !error);
    this.base = choice([["", "The active model"],
      .../** @type {[string, string][]} */ (usable.map(({ id, name }) => [id, visible(name)]))], initial.base);
    if (this.base.selectedIndex < 0) this.base.value = "";
    this.method = choice(METHODS, initial.method);
    this.rank = number("rank", initial.rank);
    this.objective = choice([["chats", "Answers and corrections"],
      ["preferences", "Preferences among answers"]],
      initial.objective ?? "chats");
    const budget = ["epochs", "max_steps"].find((name) => initial[name] != null) ?? "minutes";
    this.budget = choice(BUDGETS, budget);
    this.amount = number(budget, initial[budget] ?? (settings ? "" : 10), "any");
    this.budget.addEventListener("change", () => { [this.amount.min, this.amount.max] = RANGES[this.budget.value]; });
    this.share = number("replay_share", initial.replay_share == null ? "" : Math.round(initial.replay_share * 100), 1, 100);
    this.replay = el("textarea", { rows: 2, dir: "ltr", spellcheck: "false", oninput: changed, placeholder: "automatic" });
    this.replay.value = (initial.replay ?? []).join("\n");
    this.rate = number("lr", initial.lr, "any");
    this.fields = filterFields(this.filter, known, changed);
    this.all = el("input", { type: "checkbox", onchange: () => {
      this.fields.hidden = this.all.checked;
      changed();
    } });
    this.all.checked = Object.keys(this.filter).length === 0;
    this.passages = el("input", { type: "checkbox", checked: initial.passages === true, onchange: changed });
    this.fields.hidden = this.all.checked;
    const rankField = field("Rank of the adapter", this.rank, "Higher ranks fit more and need more memory.");
    const showRank = () => { rankField.hidden = this.method.value === "full"; };
    this.method.addEventListener("change", showRank);
    showRank();
    this.element = el("div", { class: "settings-grid" },
      hasName && field("Name", this.name, "Letters, digits, '.', '-' and '_'."),
        field("Base", this.base, "The model that is trained further. It is not changed: a new one is written."),
      field("Trained on", this.objective),
      el("div", { class: "budget" }, field("Budget", this.amount, "The run stops then and keeps its best checkpoint."),
        field("Unit", this.budget)),
      el("fieldset", { class: "full-row" }, el("legend", {}, "Chats"), check("All included chats", this.all), this.fields,
        check("Also answers from documents, with their passages", this.passages)),
      el("details", { class: "full-row" }, el("summary", {}, "More settings"), el("div", { class: "settings-grid" },
        field("Method", this.method, "Automatic chooses by memory and time."), rankField,
        field("Replay share, in percent", this.share, "Part of each batch that comes from older chats, against forgetting."),
        field("Learning rate", this.rate),
        field("Replay files", this.replay,
          "Text or chats on the server, one path per line. Empty: the base's own data, or chats that it generates."))));
  }

  /** The settings that are filled in. @returns {RunSettings} */
  get value() {
    const numeric = (/** @type {any} */ input, factor = 1) => (input.value === "" ? null : Number(input.value) * factor);
    const filter = this.all.checked ? {} : requestFilter(this.filter);
    const replay = this.replay.value.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean);
    const settings = {
      name: this.name.value.trim() || null, base: this.base.value || null, method: this.method.value || null,
      rank: this.method.value === "full" ? null : numeric(this.rank), objective: this.objective.value,
      [this.budget.value]: numeric(this.amount), replay: replay.length ? replay : null, replay_share: numeric(this.share, 0.01),
      lr: numeric(this.rate), passages: this.passages.checked || null, filter: Object.keys(filter).length ? filter : null,
    };
    return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
  }

  /** The first input whose value is not allowed; null if there is none. @returns {HTMLInputElement | null} */
  get invalid() {
    return [...this.element.querySelectorAll("input")].find((input) => !input.checkValidity()) ?? null;
  }

  /** The inputs by the names of the request's fields. @returns {Record<string, any>} */
  get inputs() {
    return {
      name: this.name, base: this.base, method: this.method, rank: this.rank, objective: this.objective, minutes: this.amount,
        epochs: this.amount,
      max_steps: this.amount, replay: this.replay, replay_share: this.share, lr: this.rate, passages: this.passages,
    };
  }
}

/** Settings in words. @param {RunSettings | null | undefined} settings */
export function settingsText(settings) {
  const { method, rank, objective, passages, minutes, epochs, max_steps: steps, replay_share: share } = settings ?? {};
  const budget = minutes ? `${minutes} min` : epochs ? `${epochs} epochs` : steps ? `${steps} steps` : null;
  return [method === "lora" ? `LoRA${rank ? ` of rank ${rank}` : ""}` : method === "full" ? "all weights" : null,
    objective === "preferences" ? "preferences" : "chats", passages ? "answers from documents" : null, budget,
    share ? `${Math.round(share * 100)} % replay` : null].filter(Boolean).join(", ");
}
