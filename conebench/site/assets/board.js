// Sorts, filters and searches the board with TanStack's table; its state is the part of the address
// after "#". The page has the first rows of each table. All rows come from a script file, because a
// page opened from a folder may load scripts, but no data. Without this script the tables stay as
// they are, and plain pages have the other rows.
"use strict";
(() => {
  const MOST = 5;
  const byId = (id) => document.getElementById(id);
  const here = document.currentScript.src;
  const controls = document.querySelector(".controls");
  const filters = [...document.querySelectorAll(".filters select")];
  const boxes = [byId("q"), ...filters];
  const headers = [...document.querySelectorAll(".board th[data-key]")];
  const keys = headers.map((header) => header.dataset.key);
  const written = new Intl.NumberFormat("en").format;
  const collator = new Intl.Collator("en", { numeric: true });
  const ticked = new Set();
  let loading = null;

  // The first click sorts figures from high to low, and rank, name and date from low to high.
  const columns = [
    { id: "words", accessorFn: (row) => row.words.toLowerCase() },
    ...filters.map(({ id }) => (
      { id, accessorFn: (row) => row.filters[id], filterFn: "arrIncludes" })),
    ...[...new Set(keys)].map((id, i) => ({
      id,
      accessorFn: (row) => row.values[i],
      sortingFn: compare,
      sortDescFirst: !["rank", "record", "date"].includes(id),
    })),
  ];
  const groups = [...document.querySelectorAll(".group")];
  const tables = groups.map(makeTable);
  const sorting = () => tables[0].getState().sorting;

  function makeTable(group) {
    const table = TableCore.createTable({
      columns,
      data: [],
      initialState: { pagination: { pageSize: group.querySelectorAll("tbody tr").length } },
      onStateChange: (change) => table.setOptions((old) => ({ ...old, state: change(old.state) })),
      getColumnCanGlobalFilter: (column) => column.id === "words",
      globalFilterFn: (row, id, words) => words.every((word) => row.getValue(id).includes(word)),
      getCoreRowModel: TableCore.getCoreRowModel(),
      getFilteredRowModel: TableCore.getFilteredRowModel(),
      getSortedRowModel: TableCore.getSortedRowModel(),
      getPaginationRowModel: TableCore.getPaginationRowModel(),
    });
    table.setOptions((old) => ({ ...old, state: table.initialState }));
    return table;
  }

  // Puts undefined figures last in either direction; the library keeps equal rows in order.
  function compare(a, b, key) {
    const [x, y] = [a.getValue(key), b.getValue(key)];
    const last = sorting()[0].desc ? -1 : 1;
    if (x === null || y === null) return last * ((x === null) - (y === null));
    return typeof x === "number" ? x - y : collator.compare(x, y);
  }

  // Loads all rows in the order of the board, and prepares each table for the first sort.
  function load() {
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL("../rows.js", here);
      script.addEventListener("load", done);
      script.addEventListener("error", () => failed(new Error("rows.js cannot be loaded")));
      document.head.append(script);
    }).then(() => tables.forEach((table, i) => {
      const data = window.board.rows.filter((row) => row.group === i);
      table.setOptions((old) => ({ ...old, data }));
      table.getRowModel();
    })).catch((error) => {
      loading = null; // so that the next call tries again
      throw error;
    });
    return loading;
  }

  async function update() {
    const main = byId("main");
    const words = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const table of tables) {
      table.setGlobalFilter(words);
      table.setColumnFilters(filters.map(({ id, value }) => ({ id, value })));
    }
    main.setAttribute("aria-busy", "true");
    try {
      await load();
      tables.forEach(show);
      headers.forEach(mark);
      const fitting = tables.reduce((sum, table) => sum + table.getRowCount(), 0);
      byId("count").textContent = `${fitting} of ${controls.dataset.records} records`;
    } catch (error) {
      byId("count").textContent = error.message;
    }
    main.removeAttribute("aria-busy");
  }

  // Shows a long table in full only when asked: its layout takes most of the time of a sort.
  function show(table, i) {
    const [group, body] = [groups[i], groups[i].querySelector("tbody")];
    body.innerHTML = table.getRowModel().rows.map((row) => row.original.html).join("");
    [...body.rows].forEach(addTick);
    const shown = `${written(body.rows.length)} of ${written(group.dataset.records)} records`;
    group.querySelector(".says").textContent = sorting().length ? shown : `${shown}, by CES`;
    group.hidden = table.getRowCount() === 0;
    offer(group, table.getRowCount());
  }

  function offer(group, rows) {
    const more = group.querySelector(".more");
    more.hidden = rows <= group.querySelectorAll("tbody tr").length;
    more.textContent = `Show all ${written(rows)} records of this table`;
  }

  function mark(header) {
    const direction = tables[0].getColumn(header.dataset.key).getIsSorted();
    if (direction) header.setAttribute("aria-sort", `${direction}ending`);
    else header.removeAttribute("aria-sort");
  }

  function writeAddress() {
    const state = new URLSearchParams();
    for (const box of boxes) if (box.value) state.set(box.id, box.value);
    for (const { id, desc } of sorting()) state.set("sort", desc ? `-${id}` : id);
    const hash = String(state) && `#${state}`;
    history.replaceState(null, "", hash || location.href.split("#")[0]);
  }

  // Drops values that no longer exist, so that an old address never shows an empty board.
  function readAddress() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const box of boxes) box.value = state.get(box.id) ?? "";
    for (const box of filters) if (box.selectedIndex < 0) box.value = "";
    const [, minus, id] = /^(-?)(.*)$/s.exec(state.get("sort") ?? "");
    const sort = keys.includes(id) ? [{ id, desc: minus === "-" }] : [];
    tables.forEach((table) => table.setSorting(sort));
    if (filters.some((box) => box.value)) controls.querySelector("details").open = true;
    if (loading || sorting().length || boxes.some((box) => box.value)) update();
  }

  // Shows a new choice from its first row, and writes it into the address.
  function change() {
    tables.forEach((table) => table.resetPageSize());
    writeAddress();
    update();
  }

  // Puts a tick before each name; two to five ticked records give a link to their comparison.
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
      tables[i].setPageSize(Number(group.dataset.records));
      update();
    });
    group.append(more);
    offer(group, group.dataset.records);
  }

  function addButton(header) {
    const button = document.createElement("button");
    const key = header.dataset.key;
    const meaning = document.querySelector(`th[data-key="${key}"] abbr`)?.title;
    button.type = "button";
    button.append(...header.childNodes);
    if (meaning && !button.querySelector("abbr")) button.title = meaning;
    button.addEventListener("click", () => {
      tables.forEach((table) => table.getColumn(key).toggleSorting());
      change();
    });
    header.append(button);
  }

  document.querySelectorAll(".board tbody tr").forEach(addTick);
  groups.forEach(addMore);
  headers.forEach(addButton);
  for (const box of boxes) box.addEventListener("input", change);
  byId("reset").addEventListener("click", () => {
    for (const box of boxes) box.value = "";
    tables.forEach((table) => table.resetSorting());
    change();
  });
  // Load the rows when the page is idle, unless the reader saves data, or when the pointer or the
  // focus comes near what needs them. `update` reports a failure.
  const ahead = () => load().catch(() => {});
  if (!navigator.connection?.saveData) {
    window.addEventListener("load", () => (window.requestIdleCallback ?? setTimeout)(ahead));
  }
  for (const near of [controls, ...document.querySelectorAll(".board thead")]) {
    near.addEventListener("pointerenter", ahead, { once: true });
    near.addEventListener("focusin", ahead, { once: true });
  }
  window.addEventListener("hashchange", readAddress);
  controls.hidden = false;
  readAddress();
})();
