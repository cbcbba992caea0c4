// @ts-check
import { el, icon } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { field, select } from "./parts.js";

/** Which chats: the parameters of the list, as texts. Empty ones are missing. @typedef {Record<string, string>} Filter */

/** The choices of parameters that have few values. @type {Record<string, [string, string][]>} */
const CHOICES = {
  rating: [["", "Any"], ["good", "Has a good answer"], ["bad", "Has a bad answer"], ["corrected", "Corrected"], ["none", "Neither"]],
  source: [["", "Any"], ["account", "Accounts"], ["guest", "Guests"], ["import", "Imported"]],
  flag: [["", "Any"], ["duplicate", "Near-duplicates"], ["personal", "Personal data"]],
};

/** All parameters with their labels. */
export const FILTERS = {
  q: "Search", state: "State", rating: "Rating", tag: "Tag", model: "Model", source: "From", flag: "Marked as", person: "Person",
  from: "First day", to: "Last day", min_turns: "Turns, at least", max_turns: "Turns, at most",
  min_characters: "Characters, at least", max_characters: "Characters, at most",
};

/** The filter in an address. @param {URLSearchParams} query @returns {Filter} */
export const filterOf = (query) => Object.fromEntries(Object.keys(FILTERS).flatMap((name) => {
  const value = query.get(name);
  return value ? [[name, value]] : [];
}));

/** The filter as the server expects it: times instead of days, and numbers. @param {Filter} filter @returns {Record<string, any>} */
export function requestFilter(filter) {
  /** @type {Record<string, any>} */
  const request = {};
  for (const [name, value] of Object.entries(filter)) {
    if (value === "") continue;
    if (name === "from" || name === "to") {
      const day = new Date(`${value}T00:00`);
      if (Number.isNaN(day.getTime())) continue;
      if (name === "to") day.setDate(day.getDate() + 1);
      request[name] = day.toISOString();
    } else if (/^m(in|ax)_/.test(name)) {
      if (Number.isInteger(Number(value))) request[name] = Number(value);
    } else request[name] = value;
  }
  return request;
}

/** The filter of a request, as texts. @param {Record<string, any> | null | undefined} request @returns {Filter} */
export const filterOfRequest = (request) => Object.fromEntries(Object.entries(request ?? {}).flatMap(([name, value]) => {
  if (!Object.hasOwn(FILTERS, name) || value === null || value === "") return [];
  if (name !== "from" && name !== "to") return [[name, String(value)]];
  const day = new Date(value);
  if (name === "to") day.setMilliseconds(-1);
  const two = (/** @type {number} */ part) => String(part).padStart(2, "0");
  return [[name, `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`]];
}));

/** A parameter in words: "Rating: Has a bad answer". @param {string} name @param {string} value */
export function filterText(name, value) {
  const label = /** @type {any} */ (FILTERS)[name] ?? name;
  return `${label}: ${visible(CHOICES[name]?.find(([one]) => one === value)?.[1] ?? value)}`;
}

/**
 * The inputs of a filter, without search and state.
 * @param {Filter} filter is changed @param {{ tags: string[], models: string[] }} known suggestions @param {() => void} onchange
 */
export function filterFields(filter, known, onchange) {
  const changed = (/** @type {string} */ name, /** @type {any} */ input) => () => {
    const value = input.value.trim();
    if (value) filter[name] = value;
    else delete filter[name];
    onchange();
  };
  const input = (/** @type {string} */ name, /** @type {Record<string, any>} */ attributes = {}) => {
    const options = CHOICES[name];
    const element = options ? select(options, filter[name] ?? "")
      : el("input", { type: "text", autocomplete: "off", dir: "auto", maxlength: 200, ...attributes });
    if (!options) element.value = filter[name] ?? "";
    element.addEventListener("change", changed(name, element));
    return field(/** @type {any} */ (FILTERS)[name], element);
  };
  const list = (/** @type {string} */ id, /** @type {string[]} */ values) =>
    el("datalist", { id }, ...values.map((value) => el("option", { value })));
  return el("div", { class: "filter-fields" }, input("rating"), input("source"), input("flag"), input("tag", { list: "known-tags" }),
    input("model", { list: "known-models" }), input("person", { placeholder: "Person 3f2a" }), input("from", { type: "date" }),
    input("to", { type: "date" }), input("min_turns", { type: "number", min: 1 }), input("max_turns", { type: "number", min: 1 }),
    input("min_characters", { type: "number", min: 1 }), input("max_characters", { type: "number", min: 1 }),
    list("known-tags", known.tags), list("known-models", known.models));
}

/** The parameters that are set, each with a button that removes it. @param {Filter} filter @param {(name: string) => void} remove */
export const filterChips = (filter, remove) => Object.entries(filter).filter(([name]) => name !== "q" && name !== "state")
  .map(([name, value]) => el("button", {
    type: "button", class: "filter-chip", "aria-label": `Remove the filter ${filterText(name, value)}`, onclick: () => remove(name),
  }, el("span", { dir: "auto" }, filterText(name, value)), icon("close")));
