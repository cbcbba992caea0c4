// @ts-check
import { stored } from "../common/storage.js";

/**
 * @typedef {object} Setting
 * @property {string} name
 * @property {string} label
 * @property {string} help
 * @property {"range" | "number" | "lines"} kind
 * @property {number} [min]
 * @property {number} [max]
 * @property {number} [step]
 * @property {number | null | string[]} initial
 */

/**
 * The sampling options, named as in the API. Values that were not changed are not sent, so the server's defaults apply.
 * @type {Setting[]}
 */
export const SETTINGS = [
  {
    name: "temperature", label: "Temperature", kind: "range", min: 0, max: 2, step: 0.05, initial: 0.8,
    help: "0 always picks the most likely token; higher values are more random.",
  },
  {
    name: "top_p", label: "Top-p", kind: "range", min: 0.05, max: 1, step: 0.05, initial: 0.95,
    help: "Sample from the most likely tokens whose probabilities add up to this value.",
  },
  {
    name: "top_k", label: "Top-k", kind: "number", min: 0, max: 100000, step: 1, initial: 50,
    help: "Sample from this many of the most likely tokens; 0 for all.",
  },
  {
    name: "max_tokens", label: "Max tokens", kind: "number", min: 1, max: 100000, step: 1, initial: null,
    help: "The maximum length of an answer. Empty: as many as fit into the context window.",
  },
  {
    name: "seed", label: "Seed", kind: "number", min: 0, max: 2 ** 53 - 1, step: 1, initial: null,
    help: "The same seed gives the same answer. Empty: a random seed.",
  },
  {
    name: "min_p", label: "Min-p", kind: "range", min: 0, max: 1, step: 0.01, initial: 0,
    help: "Exclude tokens whose probability is below this fraction of the most likely token's.",
  },
  {
    name: "repetition_penalty", label: "Repetition penalty", kind: "range", min: 0.5, max: 2, step: 0.05, initial: 1,
    help: "Above 1: make tokens that were already used less likely.",
  },
  {
    name: "frequency_penalty", label: "Frequency penalty", kind: "range", min: -2, max: 2, step: 0.1, initial: 0,
    help: "Subtracted from a token's logit for each time it appears in the answer.",
  },
  {
    name: "presence_penalty", label: "Presence penalty", kind: "range", min: -2, max: 2, step: 0.1, initial: 0,
    help: "Subtracted from a token's logit once it appears in the answer.",
  },
  {
    name: "stop", label: "Stop sequences", kind: "lines", initial: [],
    help: "One per line, at most 16. The answer ends before any of them.",
  },
];

/** The user's settings, stored in the browser. */
export class Settings {
  #values = stored("settings", /** @type {Record<string, any>} */ ({}));
  #singleKeys = stored("single-keys", true);
  #model = stored("model", "");
  #mayCollect = stored("may-collect", true);
  /** The names of the models that the server offers, its default first. @type {string[]} */
  models = [];
  /** The sampling settings of each model. @type {Record<string, Record<string, number>>} */
  sampling = {};
  /** The model that answers next. */
  answering = "";
  /** The documents that the server offers. @type {import("./documents.js").Documents[]} */
  documents = [];
  /** Whether the server has been asked for them. */
  knowsDocuments = false;
  /** null if the account may not upload documents. @type {import("./documents.js").Limits | null} */
  uploads = null;
  #newDocuments = stored("documents", /** @type {string[]} */ ([]));

  /** The value that applies if the user has set none. @param {Setting} setting */
  initial(setting) { return this.sampling[this.answering]?.[setting.name] ?? setting.initial; }

  /** @param {string} name */
  get(name) {
    const setting = SETTINGS.find((one) => one.name === name);
    return this.#values.value[name] ?? (setting ? this.initial(setting) : null);
  }

  /** Sets a value. An invalid value resets the setting to its default. @param {Setting} setting @param {any} value */
  set(setting, value) {
    const all = { ...this.#values.value };
    if (isValid(setting, value) && JSON.stringify(value) !== JSON.stringify(this.initial(setting))) all[setting.name] = value;
    else delete all[setting.name];
    this.#values.value = all;
  }

  reset() { this.#values.value = {}; }

  /** The changed values, as fields of a chat request. @returns {Record<string, any>} */
  get changed() {
    const all = this.#values.value;
    return Object.fromEntries(SETTINGS.filter((setting) => isValid(setting, all[setting.name])).map(({ name }) => [name, all[name]]));
  }

  /** The model of further answers: the server's default, unless the user has chosen another one that it offers. */
  get model() { return this.models.find((name) => name === this.#model.value) ?? this.models[0] ?? ""; }
  set model(name) { this.#model.value = name === this.models[0] ? "" : name; }

  /** The model, as a field of a chat request. @returns {{ model?: string }} */
  get modelField() { return this.model === (this.models[0] ?? "") ? {} : { model: this.model }; }

  /** The ids of the documents for new conversations: those that the user has chosen last. */
  get newDocuments() { return this.#newDocuments.value; }
  set newDocuments(ids) { this.#newDocuments.value = ids; }

  /** Whether the chats of a guest in this browser may be collected for training. */
  get mayCollect() { return this.#mayCollect.value; }
  set mayCollect(on) { this.#mayCollect.value = on; }

  /** Whether the single-key shortcuts `/` and `?` are enabled. Users of speech input may want to disable them. */
  get singleKeys() { return this.#singleKeys.value; }
  set singleKeys(on) { this.#singleKeys.value = on; }
}

/** @param {Setting} setting @param {any} value */
export function isValid(setting, value) {
  if (setting.kind === "lines") {
    return Array.isArray(value) && value.length <= 16 && value.every((line) => typeof line === "string" && line !== "");
  }
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  return value >= (setting.min ?? value) && value <= (setting.max ?? value) && ((setting.step ?? 1) < 1 || Number.isInteger(value));
}
