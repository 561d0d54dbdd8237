// Searches the whole documentation. Its text is a script file, because a page opened from a folder
// may load scripts, but no data.
"use strict";
(() => {
  const MOST = 12;
  const here = document.currentScript.src;
  const [box, list] = [document.getElementById("q"), document.getElementById("found")];
  let loading = null;

  function load() {
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL("../docs/search-index.js", here);
      script.addEventListener("load", done);
      script.addEventListener("error", failed);
      document.head.append(script);
    }).catch(() => { loading = null; });
    return loading;
  }

  function make(name, text, more = {}) {
    return Object.assign(document.createElement(name), { textContent: text }, more);
  }

  function item([page, section, title, text], words) {
    const link = make("a", title, { href: `${page}.html${section ? `#${section}` : ""}` });
    const at = Math.max(0, text.toLowerCase().indexOf(words[0]) - 40);
    const found = document.createElement("li");
    found.append(link, make("small", `${at ? "…" : ""}${text.slice(at, at + 120)}…`));
    return found;
  }

  async function search() {
    await load();
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = words.length ? (window.manual ?? []).filter(([, , title, text]) => {
      const all = `${title} ${text}`.toLowerCase();
      return words.every((word) => all.includes(word));
    }) : [];
    // Titles before texts.
    const inTitle = ([, , title]) => words.every((word) => title.toLowerCase().includes(word));
    const sorted = [...hits.filter(inTitle), ...hits.filter((hit) => !inTitle(hit))].slice(0, MOST);
    list.replaceChildren(...sorted.map((hit) => item(hit, words)));
    if (words.length && !hits.length) list.replaceChildren(make("li", `Nothing matches “${box.value}”.`));
  }

  box.addEventListener("focus", load);
  box.addEventListener("input", search);
  document.querySelector(".find").hidden = false;
})();
