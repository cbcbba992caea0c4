// @ts-check
import { byId, narrow } from "./dom.js";
import { visible } from "./sanitize.js";
import { stored } from "./storage.js";

const root = document.documentElement;
const sidebar = stored("sidebar", "open");

/** Opens or closes the sidebar: a column on wide screens, a drawer on narrow ones. */
export function toggleSidebar() {
  if (narrow.matches) return root.dataset.drawer === "open" ? closeDrawer() : openDrawer();
  sidebar.value = sidebar.value === "open" ? "closed" : "open";
  root.dataset.sidebar = sidebar.value;
  updateToggleButton();
}

export const drawerIsOpen = () => root.dataset.drawer === "open";

function openDrawer() {
  root.dataset.drawer = "open";
  byId("main").inert = true;
  updateToggleButton();
  byId("new-chat").focus();
}

export function closeDrawer() {
  if (!drawerIsOpen()) return;
  delete root.dataset.drawer;
  byId("main").inert = false;
  updateToggleButton();
  byId("toggle-sidebar").focus();
}

/** Opens the sidebar if it is closed. */
export function showSidebar() {
  if (narrow.matches ? !drawerIsOpen() : sidebar.value === "closed") toggleSidebar();
}

function updateToggleButton() {
  byId("toggle-sidebar").setAttribute("aria-expanded", String(narrow.matches ? drawerIsOpen() : sidebar.value === "open"));
}

/** Adds the event listeners of the sidebar and the dialogs. A click outside a dialog closes it. */
export function prepareLayout() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (target === dialog || target.closest("[data-close]")) dialog.close();
    });
  }
  byId("drawer-backdrop").addEventListener("click", closeDrawer);
  byId("hide-sidebar").addEventListener("click", toggleSidebar);
  byId("toggle-sidebar").addEventListener("click", toggleSidebar);
  narrow.addEventListener("change", () => {
    delete root.dataset.drawer;
    byId("main").inert = false;
    updateToggleButton();
  });
  updateToggleButton();
}

/** Shows the title of a conversation in the header and in the browser tab. @param {string} title empty for a new chat */
export function showTitle(title) {
  const heading = byId("title");
  heading.textContent = visible(title) || "New chat";
  heading.title = visible(title);
  document.title = title ? `${visible(title)} · slm` : "slm";
}
