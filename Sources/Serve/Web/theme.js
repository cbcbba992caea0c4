// @ts-check
// Runs before the first paint, so that a page that was set to dark never flashes white. The one script that is not a module.
(function () {
  try {
    const theme = localStorage.getItem("slm.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    if (localStorage.getItem("slm.sidebar") === "closed") document.documentElement.dataset.sidebar = "closed";
  } catch { /* a browser that keeps nothing follows the system */ }
})();
