// @ts-check
import { kept } from "./kept.js";

/**
 * @typedef {{ name: string, label: string, help: string, kind: "range" | "number" | "lines", min?: number, max?: number, step?: number, initial: number | null | string[] }} Setting
 */

/** How an answer is drawn; the server knows the same names. What is as it was at first is not sent: the server's own default holds. @type {Setting[]} */
export const SETTINGS = [
  { name: "temperature", label: "Temperature", kind: "range", min: 0, max: 2, step: 0.05, initial: 0.8, help: "0 takes the likeliest word each time; more is livelier, and wilder." },
  { name: "top_p", label: "Top-p", kind: "range", min: 0.05, max: 1, step: 0.05, initial: 0.95, help: "Draws from the likeliest tokens that together have this share." },
  { name: "top_k", label: "Top-k", kind: "number", min: 0, max: 100000, step: 1, initial: 50, help: "Draws from so many of the likeliest; 0 from all." },
  { name: "max_tokens", label: "Longest answer", kind: "number", min: 1, max: 100000, step: 1, initial: null, help: "In tokens. Empty: as many as fit." },
  { name: "seed", label: "Seed", kind: "number", min: 0, max: 2 ** 53 - 1, step: 1, initial: null, help: "The same seed draws the same answer. Empty: another one each time." },
  { name: "min_p", label: "Min-p", kind: "range", min: 0, max: 1, step: 0.01, initial: 0, help: "Leaves out what has less than this share of the likeliest." },
  { name: "repetition_penalty", label: "Repetition penalty", kind: "range", min: 0.5, max: 2, step: 0.05, initial: 1, help: "Above 1: says less of what was said before." },
  { name: "frequency_penalty", label: "Frequency penalty", kind: "range", min: -2, max: 2, step: 0.1, initial: 0, help: "Taken from a word each time that it stands in the answer." },
  { name: "presence_penalty", label: "Presence penalty", kind: "range", min: -2, max: 2, step: 0.1, initial: 0, help: "Taken from a word once it stands in the answer." },
  { name: "stop", label: "Stop at", kind: "lines", initial: [], help: "One text a line, 16 at most: the answer ends before any of them." },
];

/** The settings, kept by the browser. */
export class Settings {
  #kept = kept("settings", /** @type {Record<string, any>} */ ({}));
  #singleKeys = kept("single-keys", true);

  /** @param {string} name */
  get(name) {
    const setting = SETTINGS.find((one) => one.name === name);
    return this.#kept.value[name] ?? setting?.initial ?? null;
  }

  /** Takes what is in its range; everything else stands for the default. @param {Setting} setting @param {any} value */
  set(setting, value) {
    const all = { ...this.#kept.value };
    if (isValid(setting, value) && JSON.stringify(value) !== JSON.stringify(setting.initial)) all[setting.name] = value;
    else delete all[setting.name];
    this.#kept.value = all;
  }

  reset() { this.#kept.value = {}; }

  /** Those that were changed, as a chat's body takes them. @returns {Record<string, any>} */
  get changed() {
    const all = this.#kept.value;
    return Object.fromEntries(SETTINGS.filter((setting) => isValid(setting, all[setting.name])).map(({ name }) => [name, all[name]]));
  }

  /** Whether `/` and `?` alone do something: people who talk to their computer may not want it. */
  get singleKeys() { return this.#singleKeys.value; }
  set singleKeys(on) { this.#singleKeys.value = on; }
}

/** @param {Setting} setting @param {any} value */
export function isValid(setting, value) {
  if (setting.kind === "lines") return Array.isArray(value) && value.length <= 16 && value.every((line) => typeof line === "string" && line !== "");
  if (typeof value !== "number" || !Number.isFinite(value)) return false;
  return value >= (setting.min ?? value) && value <= (setting.max ?? value) && ((setting.step ?? 1) < 1 || Number.isInteger(value));
}
