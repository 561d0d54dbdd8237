// Tabs, search, filters and sort of the board; their state is the part of the address after "#". The
// page has the first rows of each table. All rows come from a script file, because a page opened
// from a folder may load scripts, but no data. Without this script the tables stay as they are, and
// plain pages have the other rows.
"use strict";
(() => {
  const MOST = 5;
  const FIRST = 30;
  const byId = (id) => document.getElementById(id);
  const here = document.currentScript.src;
  const tools = document.querySelector(".tools");
  const filters = [...tools.querySelectorAll("select")];
  const boxes = [byId("q"), ...filters];
  const columns = [...document.querySelectorAll("#columns input")];
  const tabs = [...document.querySelectorAll(".tabs a")];
  const groups = [...document.querySelectorAll(".group")];
  const headers = [...document.querySelectorAll(".board th[data-key]")];
  const keys = [...headers.map((header) => header.dataset.key), ...columns.map((box) => box.value)];
  const written = new Intl.NumberFormat("en").format;
  // "0.005" comes before "0.1": parts of names that are numbers are compared as such.
  const collator = new Intl.Collator("en", { numeric: true });
  const NUMBERS = /([0-9]+\.[0-9]+)/;
  // Low to high at the first click; other figures from high to low.
  const ASCENDING = ["rank", "record", "date", "cone_deg", "alpha", "T_star"];
  const open = new Set();
  let [tab, sort, ticked, loading] = ["", null, [], null];

  const title = (id) => window.board?.rows.find((row) => row.id === id)?.values[1]
    ?? document.querySelector(`tr[data-id="${id}"] th a`)?.textContent ?? id;

  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // --- rows -------------------------------------------------------------------------------------

  function script(source, found) {
    return new Promise((done, failed) => {
      const added = make("script", { src: new URL(source, here) });
      added.addEventListener("load", () => done(found()));
      added.addEventListener("error", () => failed(new Error(`${source.replace("../", "")} cannot be loaded`)));
      document.head.append(added);
    });
  }

  function load() {
    loading ??= script("../rows.js", () => {
      window.board.rows.forEach((row, i) => Object.assign(row, { place: i, words: row.words.toLowerCase() }));
    }).catch((error) => {
      loading = null; // so that the next call tries again
      throw error;
    });
    return loading;
  }

  function fits(row) {
    const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    return words.every((word) => row.words.includes(word))
      && filters.every(({ id, value }) => !value || row.filters[id].includes(value));
  }

  function compareText(a, b) {
    const [x, y] = [a, b].map((text) => text.split(NUMBERS));
    for (let i = 0; i < Math.min(x.length, y.length); i += 1) {
      const by = i % 2 ? Number(x[i]) - Number(y[i]) : collator.compare(x[i], y[i]);
      if (by) return by;
    }
    return x.length - y.length;
  }

  // Puts undefined figures last in either direction, and keeps equal rows in order.
  function compareRows(a, b) {
    const i = window.board.keys.indexOf(sort.key);
    const [x, y] = [a.values[i], b.values[i]];
    if (x === null || y === null) return (x === null) - (y === null) || a.place - b.place;
    const by = typeof x === "number" ? x - y : compareText(x, y);
    return (sort.desc ? -by : by) || a.place - b.place;
  }

  async function update() {
    const main = byId("main");
    main.setAttribute("aria-busy", "true");
    try {
      await load();
      const found = window.board.rows.filter(fits);
      showTab(found);
      groups.forEach((group, i) => show(group, found.filter((row) => row.group === i)));
    } catch (error) {
      byId("count").textContent = error.message;
    }
    main.removeAttribute("aria-busy");
  }

  // Shows a long table in full only when asked: its layout takes most of the time of a sort.
  function show(group, found) {
    const rows = sort ? found.toSorted(compareRows) : found;
    const limit = group.dataset.all ? rows.length : FIRST;
    const parts = rows.slice(0, limit).map((row, i) => {
      const divides = !sort && !row.ranked && (i === 0 || rows[i - 1].ranked);
      return (divides ? divider(group) : "") + row.html;
    });
    const body = group.querySelector("tbody");
    body.innerHTML = parts.join("");
    body.querySelectorAll("tr[data-id]").forEach(complete);
    const shown = Math.min(limit, rows.length);
    const order = sort ? "" : ", by CES";
    group.querySelector(".says").textContent = `${written(shown)} of ${written(group.dataset.records)} records${order}`;
    group.hidden = group.hidden || rows.length === 0;
    offer(group, shown, rows.length);
  }

  const divider = (group) => `<tr class="divide"><th colspan="${group.querySelectorAll("thead tr:last-child > *").length + 2}" scope="rowgroup">Measured, not ranked</th></tr>`;

  function offer(group, shown, count) {
    const more = group.querySelector(".more");
    more.hidden = shown >= count;
    more.textContent = `Show all ${written(count)} records of this table`;
  }

  // Adds a tick and a button to open a row.
  function complete(row) {
    const id = row.dataset.id;
    const name = row.querySelector("th a").textContent;
    const tick = make("input", { type: "checkbox", "aria-label": `Compare ${name}` });
    tick.checked = ticked.includes(id);
    tick.addEventListener("input", () => choose(id, tick));
    row.prepend(make("td", { class: "tick" }, tick));
    const opener = make("button", { type: "button", "aria-expanded": "false", "aria-label": `All figures of ${name}` }, "▸");
    opener.addEventListener("click", () => toggle(row, opener));
    for (const { value } of chosenColumns()) row.append(make("td", { class: "extra" }, valueOf(id, value)));
    row.append(make("td", { class: "open" }, opener));
    if (open.has(id)) toggle(row, opener);
  }

  // --- an opened row ----------------------------------------------------------------------------

  async function toggle(row, opener) {
    const id = row.dataset.id;
    if (row.nextElementSibling?.classList.contains("opened")) {
      row.nextElementSibling.remove();
      open.delete(id);
    } else {
      open.add(id);
      const cell = make("td", { colspan: row.cells.length }, "Loading…");
      row.after(make("tr", { class: "opened" }, cell));
      try {
        await load();
        const data = window.conebench?.[id] ?? await script(`../records/${id}.js`, () => window.conebench[id]);
        cell.replaceChildren(...window.details(window.board.rows.find((one) => one.id === id), data));
      } catch (error) {
        cell.textContent = error.message;
      }
    }
    opener.setAttribute("aria-expanded", String(open.has(id)));
    opener.textContent = open.has(id) ? "▾" : "▸";
  }

  // --- records to compare -----------------------------------------------------------------------

  function choose(id, tick) {
    if (tick.checked && ticked.length >= MOST) {
      tick.checked = false;
      showTray(`At most ${MOST} records can be compared: take one away first.`);
      return;
    }
    ticked = tick.checked ? [...ticked, id] : ticked.filter((other) => other !== id);
    writeAddress(false);
    showTray();
  }

  function showTray(said = "") {
    byId("tray").hidden = !ticked.length;
    byId("chosen-count").textContent = said || `${ticked.length} of ${MOST} chosen`;
    byId("compare").href = `compare.html#${ticked.join(",")}`;
    byId("compare").hidden = ticked.length < 2;
    byId("tray-list").replaceChildren(...ticked.map((id) => {
      const remove = make("button", { type: "button", "aria-label": `Remove ${title(id)}` }, "×");
      remove.addEventListener("click", () => {
        untick([id]);
        (byId("tray-list").querySelector("button") ?? byId("main")).focus();
      });
      return make("li", {}, make("span", { dir: "auto" }, title(id)), remove);
    }));
  }

  function untick(ids) {
    ticked = ticked.filter((id) => !ids.includes(id));
    for (const id of ids) {
      const box = document.querySelector(`tr[data-id="${id}"] .tick input`);
      if (box) box.checked = false;
    }
    writeAddress(false);
    showTray();
  }

  // --- tabs and the address ---------------------------------------------------------------------

  // Searching looks into every data set, so that nothing is hidden by a tab.
  const searching = () => boxes.some((box) => box.value);

  function showTab(found = null) {
    const all = tab === "all" || searching();
    for (const link of tabs) {
      const here = all ? link.dataset.tab === "all" : link.dataset.tab === tab;
      if (here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const group of groups) group.hidden = !all && group.dataset.tab !== tab;
    byId("main").classList.toggle("one-tab", !all);
    if (!found) return;
    const count = found.length;
    byId("count").textContent = `${written(count)} of ${written(tools.dataset.records)} records`;
    byId("nothing").hidden = count > 0;
    byId("nothing").firstElementChild.textContent = `No record matches${byId("q").value ? ` “${byId("q").value}”` : ""}.`;
  }

  function state() {
    const found = new URLSearchParams();
    if (tab !== tabs[0].dataset.tab) found.set("tab", tab);
    for (const box of boxes) if (box.value) found.set(box.id, box.value);
    if (sort) found.set("sort", sort.desc ? `-${sort.key}` : sort.key);
    const chosen = chosenColumns().map((box) => box.value);
    if (chosen.length) found.set("columns", chosen.join(","));
    if (ticked.length) found.set("ticked", ticked.join(","));
    return String(found);
  }

  // A choice pushes an address, so that "back" undoes it; typing and ticking replace it.
  function writeAddress(push) {
    const hash = state();
    const address = hash ? `#${hash}` : location.href.split("#")[0];
    if (push && hash !== location.hash.slice(1)) history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }

  // Drops values that no longer exist, so that an old address never shows an empty board.
  function readAddress() {
    const found = new URLSearchParams(location.hash.slice(1));
    const names = tabs.map((link) => link.dataset.tab);
    // Links to a table, as without scripts, open its tab.
    const table = byId(location.hash.slice(1))?.closest(".group")?.dataset.tab;
    tab = table ?? (names.includes(found.get("tab")) ? found.get("tab") : names[0]);
    for (const box of boxes) box.value = found.get(box.id) ?? "";
    for (const box of filters) if (box.selectedIndex < 0) box.value = "";
    const [, minus, key] = /^(-?)(.*)$/s.exec(found.get("sort") ?? "");
    sort = keys.includes(key) ? { key, desc: minus === "-" } : null;
    const chosen = (found.get("columns") ?? "").split(",");
    for (const box of columns) box.checked = chosen.includes(box.value);
    ticked = (found.get("ticked") ?? "").split(",").filter((id) => /^[0-9a-f]{8}$/.test(id)).slice(0, MOST);
    showColumns();
    showTab();
    markAll();
    for (const box of document.querySelectorAll(".tick input")) box.checked = ticked.includes(box.closest("tr").dataset.id);
    showTray();
    if (loading || sort || searching() || chosenColumns().length) update();
    else if (ticked.length) load().then(() => showTray(), () => {});
  }

  function change(push = true) {
    for (const group of groups) delete group.dataset.all;
    writeAddress(push);
    markAll();
    update();
  }

  const markAll = () => document.querySelectorAll(".board th[data-key]").forEach(mark);

  function mark(header) {
    const on = sort && header.dataset.key === sort.key;
    if (on) header.setAttribute("aria-sort", sort.desc ? "descending" : "ascending");
    else header.removeAttribute("aria-sort");
  }

  const number = (x) => Number(x.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });
  const chosenColumns = () => columns.filter((box) => box.checked);

  function valueOf(id, key) {
    const value = window.board?.rows.find((row) => row.id === id)?.values[window.board.keys.indexOf(key)];
    if (value === null || value === undefined) return "–";
    const [, unit, factor] = window.board.axes[key] ?? ["", "", 1];
    return typeof value === "number" ? `${number(value * factor)}${unit}` : value;
  }

  // Puts the chosen columns into the heads; rows get theirs when they are shown.
  function showColumns() {
    for (const group of groups) {
      const [top, bottom] = group.querySelectorAll("thead tr");
      for (const cell of group.querySelectorAll("thead .extra")) cell.remove();
      for (const box of chosenColumns()) {
        const header = make("th", { class: "extra", scope: "col", "data-key": box.value }, box.parentElement.textContent.trim());
        addSort(header);
        mark(header);
        top.lastElementChild.before(make("td", { class: "extra" }));
        bottom.lastElementChild.before(header);
      }
    }
  }

  // --- set up -----------------------------------------------------------------------------------

  function addHead(group) {
    const [top, bottom] = group.querySelectorAll("thead tr");
    top.prepend(make("td", { class: "tick" }));
    bottom.prepend(make("td", { class: "tick" }));
    top.append(make("td", { class: "open" }));
    bottom.append(make("td", { class: "open" }));
    const more = make("button", { type: "button", class: "more" });
    more.addEventListener("click", () => {
      group.dataset.all = "yes";
      update();
    });
    group.append(more);
    offer(group, group.querySelectorAll("tbody tr[data-id]").length, Number(group.dataset.records));
  }

  function addSort(header) {
    const button = make("button", { type: "button" }, ...header.childNodes);
    const { key } = header.dataset;
    button.addEventListener("click", () => {
      const first = !ASCENDING.includes(key);
      if (sort?.key !== key) sort = { key, desc: first };
      else sort = sort.desc === first ? { key, desc: !first } : null;
      change();
    });
    header.append(button);
  }

  groups.forEach(addHead);
  headers.forEach(addSort);
  document.querySelectorAll(".board tbody tr[data-id]").forEach(complete);
  for (const box of filters) box.addEventListener("input", () => change());
  byId("q").addEventListener("input", () => change(false));
  for (const box of columns) {
    box.addEventListener("input", () => {
      showColumns();
      change();
    });
  }
  for (const link of tabs) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      tab = link.dataset.tab;
      for (const box of boxes) box.value = "";
      change();
    });
  }
  for (const menu of document.querySelectorAll(".menu")) {
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.firstElementChild.focus();
    });
    document.addEventListener("pointerdown", (event) => { menu.open &&= menu.contains(event.target); });
  }
  const reset = () => {
    for (const box of boxes) box.value = "";
    sort = null;
    change();
  };
  byId("reset").addEventListener("click", reset);
  byId("nothing").querySelector("button").addEventListener("click", () => {
    reset();
    byId("q").focus();
  });
  byId("clear").addEventListener("click", () => {
    untick([...ticked]);
    byId("main").focus();
  });
  // Load the rows when the page is idle, unless the reader saves data, or when the pointer or the
  // focus comes near what needs them. `update` reports a failure.
  const ahead = () => load().catch(() => {});
  if (!navigator.connection?.saveData) {
    window.addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(ahead));
  }
  for (const near of [tools, ...document.querySelectorAll(".board thead")]) {
    near.addEventListener("pointerenter", ahead, { once: true });
    near.addEventListener("focusin", ahead, { once: true });
  }
  window.addEventListener("popstate", readAddress);
  window.addEventListener("hashchange", readAddress);
  tools.hidden = false;
  readAddress();
})();
