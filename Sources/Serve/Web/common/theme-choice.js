// @ts-check
import { stored } from "./storage.js";

const choice = stored("theme", "system");
const system = matchMedia("(prefers-color-scheme: dark)");

/** The chosen theme: "dark", "light" or "system". */
export const theme = () => choice.value;

/** Applies a theme. On the next visit, `theme.js` applies it before the first paint. @param {string} name */
export function setTheme(name) {
  choice.value = name;
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

/** Switches between dark and light. */
export function toggleTheme() {
  const dark = theme() === "system" ? system.matches : theme() === "dark";
  setTheme(dark ? "light" : "dark");
}
