// Sorts, filters and searches the board; its state is the part of the address after "#".
// Without this script the tables stand as the server wrote them.
"use strict";
(() => {
  const FILTERS = ["dataset", "family", "optimizer", "outcome", "trust"];
  const LIMIT = 100;
  const MOST = 5;
  const byId = (id) => document.getElementById(id);
  const controls = document.querySelector(".controls");
  if (!controls) return;

  const rows = [...document.querySelectorAll(".board tbody tr")];
  const place = new Map(rows.map((row, i) => [row, i]));
  const text = new Map(rows.map((row) => [row, searched(row)]));
  const collator = new Intl.Collator("en", { numeric: true });
  let sort = "";

  function searched(row) {
    const facts = [row.dataset.dataset, row.dataset.outcome, row.dataset.id];
    return `${row.querySelector("th").textContent} ${facts.join(" ")}`.toLowerCase();
  }

  function value(row, column) {
    const cell = row.cells[column];
    const number = cell.getAttribute("data-v");
    if (number !== null) return number === "" ? null : Number(number);
    const words = (cell.querySelector("a") ?? cell).textContent.trim();
    return words === "–" ? null : words;
  }

  // Undefined figures come last in either direction; equals keep the board's order.
  function sortTable(table) {
    const body = table.tBodies[0];
    const key = sort.replace(/^-/, "");
    const headers = [...table.tHead.rows[0].cells];
    const column = headers.findIndex((header) => header.dataset.key === key);
    const down = sort.startsWith("-") ? -1 : 1;
    for (const header of headers) header.removeAttribute("aria-sort");
    if (key) headers[column].setAttribute("aria-sort", down < 0 ? "descending" : "ascending");
    const values = new Map([...body.rows].map((row) => [row, key ? value(row, column) : 0]));
    const compare = (a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return down * (typeof x === "number" ? x - y : collator.compare(x, y));
    };
    const sorted = [...body.rows].sort((a, b) => compare(a, b) || place.get(a) - place.get(b));
    body.replaceChildren(...sorted);
  }

  function filterRows() {
    const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = FILTERS.map((key) => [key, byId(key).value]).filter(([, v]) => v);
    let shown = 0;
    for (const row of rows) {
      const fits =
        words.every((word) => text.get(row).includes(word)) &&
        wanted.every(([key, v]) => row.dataset[key] === v);
      row.hidden = !fits;
      shown += fits;
    }
    for (const group of document.querySelectorAll(".group")) cut(group);
    byId("count").textContent = `${shown} of ${rows.length} records`;
  }

  // A long table is laid out in full only when asked: that is what sorting it costs.
  function cut(group) {
    const fitting = [...group.querySelectorAll("tbody tr")].filter((row) => !row.hidden);
    const limit = group.matches(".whole") ? Infinity : LIMIT;
    fitting.forEach((row, i) => row.classList.toggle("cut", i >= limit));
    group.hidden = fitting.length === 0;
    const more = group.querySelector(".more");
    more.hidden = fitting.length <= limit;
    more.textContent = `Show all ${fitting.length.toLocaleString("en")} records of this table`;
  }

  function addMore(group) {
    const more = document.createElement("button");
    more.type = "button";
    more.className = "button more";
    more.addEventListener("click", () => {
      group.classList.add("whole");
      cut(group);
    });
    group.append(more);
  }

  function update() {
    for (const table of document.querySelectorAll(".board")) sortTable(table);
    filterRows();
  }

  function writeAddress() {
    const state = new URLSearchParams();
    for (const key of ["q", ...FILTERS]) if (byId(key).value) state.set(key, byId(key).value);
    if (sort) state.set("sort", sort);
    const hash = String(state) && `#${state}`;
    history.replaceState(null, "", hash || location.href.split("#")[0]);
  }

  // Values that no longer exist are dropped, so that an old address never shows an empty board.
  function readAddress() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const key of ["q", ...FILTERS]) byId(key).value = state.get(key) ?? "";
    for (const key of FILTERS) if (byId(key).selectedIndex < 0) byId(key).value = "";
    const asked = state.get("sort") ?? "";
    sort = keys.has(asked.replace(/^-/, "")) ? asked : "";
    if (FILTERS.some((key) => byId(key).value)) controls.querySelector("details").open = true;
    update();
  }

  // First the end that a reader looks for: high figures, early dates and names from A.
  function nextSort(header) {
    const key = header.dataset.key;
    const falls = !["rank", "record", "date"].includes(key);
    const [first, second] = falls ? [`-${key}`, key] : [key, `-${key}`];
    return sort === first ? second : sort === second ? "" : first;
  }

  // A tick before each name; two to five ticked records make a link to their comparison.
  function addTick(row) {
    const [tick, link] = [document.createElement("input"), row.querySelector("th a")];
    tick.type = "checkbox";
    tick.setAttribute("aria-label", `Compare ${link.textContent}`);
    tick.addEventListener("input", () => {
      const ids = rows.filter((r) => r.querySelector("input:checked")).map((r) => r.dataset.id);
      byId("compare").hidden = ids.length < 2 || ids.length > MOST;
      byId("compare").textContent = `Compare ${ids.length} records`;
      byId("compare").href = `compare.html#${ids.join(",")}`;
    });
    link.before(tick, " ");
  }

  rows.forEach(addTick);
  for (const group of document.querySelectorAll(".group")) addMore(group);
  const keys = new Set();
  for (const header of document.querySelectorAll(".board th[data-key]")) {
    keys.add(header.dataset.key);
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      sort = nextSort(header);
      update();
      writeAddress();
    });
  }
  for (const key of ["q", ...FILTERS]) {
    byId(key).addEventListener("input", () => {
      filterRows();
      writeAddress();
    });
  }
  byId("reset").addEventListener("click", () => {
    for (const key of ["q", ...FILTERS]) byId(key).value = "";
    sort = "";
    update();
    writeAddress();
  });
  window.addEventListener("hashchange", readAddress);
  controls.hidden = false;
  readAddress();
})();
