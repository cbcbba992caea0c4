// @ts-check
import { visible } from "./characters.js";
import { byId, narrow } from "./dom.js";
import { kept } from "./kept.js";

const root = document.documentElement;
const sidebar = kept("sidebar", "open");

/** Opens or closes the sidebar: a column on a wide screen, a drawer over the page on a narrow one. */
export function toggleSidebar() {
  if (narrow.matches) return root.dataset.drawer === "open" ? closeDrawer() : openDrawer();
  sidebar.value = sidebar.value === "open" ? "closed" : "open";
  root.dataset.sidebar = sidebar.value;
  tellButton();
}

export const drawerIsOpen = () => root.dataset.drawer === "open";

function openDrawer() {
  root.dataset.drawer = "open";
  byId("main").inert = true;
  tellButton();
  byId("new-chat").focus();
}

export function closeDrawer() {
  if (!drawerIsOpen()) return;
  delete root.dataset.drawer;
  byId("main").inert = false;
  tellButton();
  byId("toggle-sidebar").focus();
}

/** Makes the sidebar reachable, wherever it is. */
export function showSidebar() {
  if (narrow.matches ? !drawerIsOpen() : sidebar.value === "closed") toggleSidebar();
}

export function tellButton() {
  byId("toggle-sidebar").setAttribute("aria-expanded", String(narrow.matches ? drawerIsOpen() : sidebar.value === "open"));
}

/** The buttons that close a dialog, and a click beside it. */
export function prepareDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (target === dialog || target.closest("[data-close]")) dialog.close();
    });
  }
  byId("veil").addEventListener("click", closeDrawer);
  byId("hide-sidebar").addEventListener("click", toggleSidebar);
  byId("toggle-sidebar").addEventListener("click", toggleSidebar);
  narrow.addEventListener("change", () => {
    delete root.dataset.drawer;
    byId("main").inert = false;
    tellButton();
  });
  tellButton();
}

/** Of what is open, above it and in the browser's tab. @param {string} title empty for a new chat */
export function showTitle(title) {
  byId("title").textContent = visible(title) || "New chat";
  document.title = title ? `${visible(title)} · slm` : "slm";
}
