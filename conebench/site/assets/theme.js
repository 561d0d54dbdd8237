// Sets the theme before the page is drawn, and lets the reader choose it: system, light or dark.
"use strict";
(() => {
  const NAMES = ["system", "light", "dark"];
  const root = document.documentElement;
  let theme = "system";
  // A browser may keep nothing for a page, above all for one from a folder.
  try {
    theme = localStorage.getItem("theme") ?? theme;
  } catch { /* it stays with the system */ }
  const show = () => {
    if (NAMES.indexOf(theme) > 0) root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  show();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => button.setAttribute("aria-label", `Theme: ${theme}`);
    button.addEventListener("click", () => {
      theme = NAMES[(NAMES.indexOf(theme) + 1) % NAMES.length];
      show();
      tell();
      try {
        localStorage.setItem("theme", theme);
      } catch { /* it lasts for this page */ }
    });
    tell();
    button.hidden = false;
    // "/" goes to the search, as on many sites.
    document.addEventListener("keydown", (event) => {
      const search = document.getElementById("q");
      if (event.key !== "/" || !search || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
      event.preventDefault();
      search.focus();
    });
  });
})();
