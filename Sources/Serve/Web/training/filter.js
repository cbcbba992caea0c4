// @ts-check
import { el, icon } from "../common/dom.js";
import { visible } from "../common/sanitize.js";
import { field, select } from "./parts.js";

/** Which chats: the parameters of the list, as texts. Empty ones are missing. @typedef {Record<string, string>} Filter */

/**
 * A parameter: its label, its choices if it has few values, and the attributes of its input. One without either has no input here.
 * @typedef {{ label: string, choices?: [string, string][], input?: Record<string, any> }} Parameter
 */

/** All parameters, in the order of their inputs. The server's are in `TrainingFilter.members`. @type {Record<string, Parameter>} */
export const FILTERS = {
  q: { label: "Search" },
  state: { label: "State" },
  rating: {
    label: "Rating",
    choices: [["", "Any"], ["good", "Has a good answer"], ["bad", "Has a bad answer"], ["corrected", "Corrected"], ["none", "Neither"]],
  },
  source: { label: "From", choices: [["", "Any"], ["account", "Accounts"], ["guest", "Guests"], ["import", "Imported"]] },
  flag: { label: "Marked as", choices: [["", "Any"], ["duplicate", "Near-duplicates"], ["personal", "Personal data"]] },
  tag: { label: "Tag", input: { list: "known-tags" } },
  model: { label: "Model", input: { list: "known-models" } },
  person: { label: "Person", input: { placeholder: "Person 3f2a" } },
  from: { label: "First day", input: { type: "date" } },
  to: { label: "Last day", input: { type: "date" } },
  min_turns: { label: "Turns, at least", input: { type: "number", min: 1 } },
  max_turns: { label: "Turns, at most", input: { type: "number", min: 1 } },
  min_characters: { label: "Characters, at least", input: { type: "number", min: 1 } },
  max_characters: { label: "Characters, at most", input: { type: "number", min: 1 } },
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
function filterText(name, value) {
  const { label, choices } = FILTERS[name] ?? { label: name };
  return `${label}: ${visible(choices?.find(([one]) => one === value)?.[1] ?? value)}`;
}

/**
 * The inputs of a filter, without search and state.
 * @param {Filter} filter is changed @param {{ tags: string[], models: string[] }} known suggestions @param {() => void} onchange
 */
export function filterFields(filter, known, onchange) {
  const fields = Object.entries(FILTERS).flatMap(([name, { label, choices, input }]) => {
    if (!choices && !input) return [];
    const element = choices ? select(choices, filter[name] ?? "")
      : el("input", { type: "text", autocomplete: "off", dir: "auto", maxlength: 200, ...input, value: filter[name] ?? "" });
    element.addEventListener("change", () => {
      const value = element.value.trim();
      if (value) filter[name] = value;
      else delete filter[name];
      onchange();
    });
    return [field(label, element)];
  });
  const list = (/** @type {string} */ id, /** @type {string[]} */ values) =>
    el("datalist", { id }, ...values.map((value) => el("option", { value })));
  return el("div", { class: "filter-fields" }, ...fields, list("known-tags", known.tags), list("known-models", known.models));
}

/** The parameters that are set, each with a button that removes it. @param {Filter} filter @param {(name: string) => void} remove */
export const filterChips = (filter, remove) => Object.entries(filter).filter(([name]) => name !== "q" && name !== "state")
  .map(([name, value]) => el("button", {
    type: "button", class: "filter-chip", "aria-label": `Remove the filter ${filterText(name, value)}`, onclick: () => remove(name),
  }, el("span", { dir: "auto" }, filterText(name, value)), icon("close")));
