// @ts-check
/** The hashes of the addresses that people type. The server responds to these paths with the page. @type {Record<string, string>} */
const HASHES = {
  "/login": "#/login", "/signin": "#/login", "/register": "#/register", "/signup": "#/register", "/reset": "#/reset",
  "/account": "#/account", "/settings": "#/", "/training": "#/training/chats", "/admin": "#/training/chats",
};

/** A part of an address; empty if it is malformed. @param {string} text */
export function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** Replaces a typed address, such as /login, by the page's own, such as /#/login. Returns the typed path. */
export function replaceTypedAddress() {
  const { pathname, hash } = location, path = pathname.replace(/\/+$/, "");
  if (pathname !== "/") history.replaceState(null, "", "/" + (HASHES[path] ?? hash));
  return path;
}
