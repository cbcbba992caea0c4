// @ts-check
import { byId, el } from "../common/dom.js";
import { isValid, SETTINGS } from "./settings.js";
import { setTheme, theme } from "../common/theme-choice.js";

/** @typedef {import("./settings.js").Setting} Setting */

/** Prepares the settings dialog. Changes apply from the next answer on. @param {import("./settings.js").Settings} settings */
export function prepareSettings(settings) {
  byId("settings-reset").addEventListener("click", () => { settings.reset(); showFields(settings); });

  for (const element of document.querySelectorAll('input[name="theme"]')) {
    const input = /** @type {HTMLInputElement} */ (element);
    input.addEventListener("change", () => setTheme(input.value));
  }
  const keys = byId("single-keys");
  keys.checked = settings.singleKeys;
  keys.addEventListener("change", () => { settings.singleKeys = keys.checked; });
}

/** @param {import("./settings.js").Settings} settings */
export function openSettings(settings) {
  showFields(settings);
  const input = document.querySelector(`input[name="theme"][value="${theme()}"]`);
  if (input) /** @type {HTMLInputElement} */ (input).checked = true;
  byId("settings").showModal();
}

/** @param {import("./settings.js").Settings} settings */
const showFields = (settings) => byId("settings-fields").replaceChildren(...SETTINGS.map((setting) => row(setting, settings)));

/** @param {Setting} setting @param {import("./settings.js").Settings} settings */
function row(setting, settings) {
  const id = "setting-" + setting.name, helpID = id + "-help", value = settings.get(setting.name);
  const output = setting.kind === "range" ? el("output", { for: id }, String(value)) : null;
  const input = setting.kind === "lines" ? el("textarea", { id, rows: 2, dir: "auto", "aria-describedby": helpID }) : el("input", {
    id,
    type: setting.kind,
    min: setting.min,
    max: setting.max,
    step: setting.step,
    inputmode: "numeric",
    "aria-describedby": helpID,
    placeholder: String(settings.initial(setting) ?? "automatic"),
  });
  input.value = Array.isArray(value) ? value.join("\n") : value ?? "";
  input.addEventListener("input", () => {
    const text = input.value;
    const entered = setting.kind === "lines" ? text.split("\n").filter(Boolean) : text === "" ? null : Number(text);
    settings.set(setting, entered);
    if (output) output.textContent = String(entered);
    input.setAttribute("aria-invalid", String(entered !== null && !isValid(setting, entered)));
  });
  const help = el("p", { id: helpID, class: "help" }, setting.help);
  return el("div", { class: "setting " + setting.kind }, el("label", { for: id }, setting.label), output, input, help);
}
