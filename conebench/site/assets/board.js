// Sorts, filters and searches the board; its state is the part of the address after "#".
// The page has the first rows of each table. All rows come from a script file once they are
// needed: a page from a folder may load scripts, but no data. Without this script the tables stand
// as the server wrote them, and plain pages have the rest.
"use strict";
(() => {
  const MOST = 5;
  const byId = (id) => document.getElementById(id);
  const controls = document.querySelector(".controls");
  if (!controls) return;

  const here = document.currentScript.src;
  const groups = [...document.querySelectorAll(".group")];
  const boxes = [byId("q"), ...document.querySelectorAll(".filters select")];
  const filters = boxes.slice(1);
  const limits = groups.map((group) => group.querySelectorAll("tbody tr").length);
  const whole = new Set();
  const ticked = new Set();
  const keys = new Set();
  const collator = new Intl.Collator("en", { numeric: true });
  let sort = "";
  let loading = null;

  // All rows, in the board's order.
  function load() {
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL("../rows.js", here);
      script.addEventListener("load", () => done(read(window.board)));
      script.addEventListener("error", () => failed(new Error("rows.js cannot be loaded")));
      document.head.append(script);
    });
    return loading;
  }

  function read(board) {
    board.rows.forEach((row) => { row.words = row.words.toLowerCase(); });
    return board;
  }

  function isPlain() {
    return !sort && whole.size === 0 && boxes.every((box) => !box.value);
  }

  function fitting(rows) {
    const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = filters.filter((box) => box.value);
    return rows.filter((row) =>
      words.every((word) => row.words.includes(word)) &&
      wanted.every((box) => row.facts[box.id].includes(box.value)));
  }

  // Undefined figures come last in either direction; equals keep the board's order.
  function sorted(rows, column, down) {
    if (column < 0) return rows;
    return [...rows].sort((a, b) => {
      const [x, y] = [a.values[column], b.values[column]];
      if (x === null || y === null) return (x === null) - (y === null);
      return down * (typeof x === "number" ? x - y : collator.compare(x, y));
    });
  }

  function show(board) {
    const key = sort.replace(/^-/, "");
    const down = sort.startsWith("-") ? -1 : 1;
    const fit = sorted(fitting(board.rows), board.keys.indexOf(key), down);
    const tables = groups.map(() => []);
    for (const row of fit) tables[row.group].push(row);
    groups.forEach((group, i) => fill(group, tables[i], whole.has(group) ? Infinity : limits[i]));
    mark(key, down < 0 ? "descending" : "ascending");
    count(fit.length);
  }

  // A long table is laid out in full only when asked: that is what sorting it costs.
  function fill(group, rows, limit) {
    const body = group.querySelector("tbody");
    body.innerHTML = rows.slice(0, limit).map((row) => row.html).join("");
    [...body.rows].forEach(addTick);
    group.hidden = rows.length === 0;
    says(group, body.rows.length);
    offer(group, rows.length, limit);
  }

  function says(group, shown) {
    const [n, all] = [shown, Number(group.dataset.records)].map((x) => x.toLocaleString("en"));
    group.querySelector(".says").textContent = `${n} of ${all} records${sort ? "" : ", by CES"}`;
  }

  function offer(group, rows, limit) {
    const more = group.querySelector(".more");
    more.hidden = rows <= limit;
    more.textContent = `Show all ${rows.toLocaleString("en")} records of this table`;
  }

  function mark(key, direction) {
    for (const header of document.querySelectorAll(".board th[data-key]")) {
      if (header.dataset.key === key) header.setAttribute("aria-sort", direction);
      else header.removeAttribute("aria-sort");
    }
  }

  function count(shown) {
    byId("count").textContent = `${shown} of ${controls.dataset.records} records`;
  }

  async function update() {
    const main = byId("main");
    main.setAttribute("aria-busy", "true");
    try {
      show(await load());
    } catch (error) {
      byId("count").textContent = error.message;
    }
    main.removeAttribute("aria-busy");
  }

  function writeAddress() {
    const state = new URLSearchParams();
    for (const box of boxes) if (box.value) state.set(box.id, box.value);
    if (sort) state.set("sort", sort);
    const hash = String(state) && `#${state}`;
    history.replaceState(null, "", hash || location.href.split("#")[0]);
  }

  // Values that no longer exist are dropped, so that an old address never shows an empty board.
  function readAddress() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const box of boxes) box.value = state.get(box.id) ?? "";
    for (const box of filters) if (box.selectedIndex < 0) box.value = "";
    const asked = state.get("sort") ?? "";
    sort = keys.has(asked.replace(/^-/, "")) ? asked : "";
    if (filters.some((box) => box.value)) controls.querySelector("details").open = true;
    if (loading || !isPlain()) update();
  }

  // What the reader chose anew is shown from its start, and stands in the address.
  function change() {
    whole.clear();
    writeAddress();
    update();
  }

  // First the end that a reader looks for: high figures, early dates and names from A.
  function nextSort(key) {
    const falls = !["rank", "record", "date"].includes(key);
    const [first, second] = falls ? [`-${key}`, key] : [key, `-${key}`];
    return sort === first ? second : sort === second ? "" : first;
  }

  // A tick before each name; two to five ticked records make a link to their comparison.
  function addTick(row) {
    const [tick, link] = [document.createElement("input"), row.querySelector("th a")];
    tick.type = "checkbox";
    tick.checked = ticked.has(row.dataset.id);
    tick.setAttribute("aria-label", `Compare ${link.textContent}`);
    tick.addEventListener("input", () => {
      if (tick.checked) ticked.add(row.dataset.id);
      else ticked.delete(row.dataset.id);
      offerComparison();
    });
    link.before(tick, " ");
  }

  function offerComparison() {
    byId("compare").hidden = ticked.size < 2 || ticked.size > MOST;
    byId("compare").textContent = `Compare ${ticked.size} records`;
    byId("compare").href = `compare.html#${[...ticked].join(",")}`;
  }

  function addMore(group, i) {
    const more = document.createElement("button");
    more.type = "button";
    more.className = "button more";
    more.addEventListener("click", () => {
      whole.add(group);
      update();
    });
    group.append(more);
    offer(group, Number(group.dataset.records), limits[i]);
  }

  function addButton(header) {
    const button = document.createElement("button");
    const meaning = document.querySelector(`th[data-key="${header.dataset.key}"] abbr`)?.title;
    keys.add(header.dataset.key);
    button.type = "button";
    button.append(...header.childNodes);
    if (meaning && !button.querySelector("abbr")) button.title = meaning;
    button.addEventListener("click", () => {
      sort = nextSort(header.dataset.key);
      change();
    });
    header.append(button);
  }

  document.querySelectorAll(".board tbody tr").forEach(addTick);
  groups.forEach(addMore);
  document.querySelectorAll(".board th[data-key]").forEach(addButton);
  for (const box of boxes) box.addEventListener("input", change);
  byId("reset").addEventListener("click", () => {
    for (const box of boxes) box.value = "";
    sort = "";
    change();
  });
  // The rows are on their way once a reader comes near what needs them; `update` says what fails.
  for (const near of [controls, ...document.querySelectorAll(".board thead")]) {
    for (const event of ["pointerenter", "focusin"]) {
      near.addEventListener(event, () => load().catch(() => {}), { once: true });
    }
  }
  window.addEventListener("hashchange", readAddress);
  count(Number(controls.dataset.records));
  controls.hidden = false;
  readAddress();
})();
