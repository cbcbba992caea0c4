// @ts-check
/**
 * Creates an element. Text is always inserted as text, never parsed as HTML.
 *
 *     el("button", { class: "quiet", type: "button", "aria-label": "Copy", onclick: copy }, icon("copy"))
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties] `on…` are event listeners, the others attributes; false, null and undefined are skipped
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon from the symbols at the end of index.html, hidden from screen readers. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

/**
 * A button with an icon and an accessible label.
 * @param {string} label @param {string} iconName @param {(event: Event) => void} onclick @param {Record<string, any>} [attributes]
 */
export const iconButton = (label, iconName, onclick, attributes = {}) =>
  el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes }, icon(iconName));

/** An element of index.html. @param {string} id @returns {any} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** Loads code when it is needed for the first time, so that the page stays small. @template T @param {() => Promise<T>} load */
export async function loadPart(load) {
  try {
    return await load();
  } catch {
    throw new Error("This part of the page could not be loaded. Reload the page.");
  }
}

/** Announces text to screen readers only. @param {string} text */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  // Cleared first and set later, so that the same text is announced twice.
  setTimeout(() => { region.textContent = text; }, 50);
}

/** Matches narrow screens, where the sidebar is a drawer. */
export const narrow = matchMedia("(max-width: 767px)");
