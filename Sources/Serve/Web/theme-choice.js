// @ts-check
import { kept } from "./kept.js";

const choice = kept("theme", "system");
const system = matchMedia("(prefers-color-scheme: dark)");

/** "dark", "light" or "system". */
export const theme = () => choice.value;

/** Holds at once; `theme.js` takes it up before the first paint of the next visit. @param {string} name */
export function setTheme(name) {
  choice.value = name;
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

/** From what is seen to its opposite. */
export function toggleTheme() {
  const dark = theme() === "system" ? system.matches : theme() === "dark";
  setTheme(dark ? "light" : "dark");
}
