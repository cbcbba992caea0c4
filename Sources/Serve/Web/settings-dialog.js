// @ts-check
import { byId, el } from "./dom.js";
import { isValid, SETTINGS } from "./settings.js";
import { setTheme, theme } from "./theme-choice.js";

/** @typedef {import("./settings.js").Setting} Setting */

/** Fills the dialog of settings. What is changed holds from the next answer on. @param {import("./settings.js").Settings} settings */
export function fillSettings(settings) {
  const fields = byId("settings-fields");
  const draw = () => fields.replaceChildren(...SETTINGS.map((setting) => row(setting, settings)));
  draw();
  byId("settings-reset").addEventListener("click", () => { settings.reset(); draw(); });

  for (const input of document.querySelectorAll('input[name="theme"]')) {
    const choice = /** @type {HTMLInputElement} */ (input);
    choice.addEventListener("change", () => setTheme(choice.value));
  }
  const keys = byId("single-keys");
  keys.checked = settings.singleKeys;
  keys.addEventListener("change", () => { settings.singleKeys = keys.checked; });
}

export function openSettings() {
  const choice = document.querySelector(`input[name="theme"][value="${theme()}"]`);
  if (choice) /** @type {HTMLInputElement} */ (choice).checked = true;
  byId("settings").showModal();
}

/** @param {Setting} setting @param {import("./settings.js").Settings} settings */
function row(setting, settings) {
  const id = "setting-" + setting.name, help = id + "-help", value = settings.get(setting.name);
  const output = setting.kind === "range" ? el("output", { for: id }, String(value)) : null;
  const input = setting.kind === "lines"
    ? el("textarea", { id, rows: 2, dir: "auto", "aria-describedby": help })
    : el("input", { id, type: setting.kind, min: setting.min, max: setting.max, step: setting.step, inputmode: "numeric", "aria-describedby": help,
      placeholder: setting.initial === null ? "automatic" : String(setting.initial) });
  input.value = Array.isArray(value) ? value.join("\n") : value ?? "";
  input.addEventListener("input", () => {
    const given = setting.kind === "lines" ? input.value.split("\n").filter(Boolean) : input.value === "" ? null : Number(input.value);
    settings.set(setting, given);
    if (output) output.textContent = String(given);
    input.setAttribute("aria-invalid", String(given !== null && !isValid(setting, given)));
  });
  return el("div", { class: "setting " + setting.kind }, el("label", { for: id }, setting.label), output, input, el("p", { id: help, class: "help" }, setting.help));
}
