// @ts-check
// Applies the theme before the first paint, so that a dark page does not flash white. Not a module, because modules run later.
(function () {
  try {
    const theme = localStorage.getItem("slm.theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    if (localStorage.getItem("slm.sidebar") === "closed") document.documentElement.dataset.sidebar = "closed";
  } catch { /* storage is not available: use the system theme */ }
})();
