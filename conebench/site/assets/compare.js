// Overlays two to five records. Their ids are the part of the address after "#". The data of each
// come from its script file, because a page opened from a folder may load scripts, but no data.
"use strict";
(() => {
  const MOST = 5;
  const byId = (id) => document.getElementById(id);
  const { scene } = window;
  const known = new Set([...byId("pick").options].map((option) => option.value));
  const charts = [...document.querySelectorAll(".chart")];
  let ids = [];

  function load(id) {
    if (window.conebench?.[id]) return Promise.resolve(window.conebench[id]);
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `records/${id}.js`;
      script.addEventListener("load", () => done(window.conebench[id]));
      script.addEventListener("error", () => failed(new Error(`no data of ${id}`)));
      document.head.append(script);
    });
  }

  function element(name, text, className = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function button(text, label, act) {
    const made = element("button", text, "button");
    made.type = "button";
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  function chosenItem(record, i) {
    const [item, link] = [document.createElement("li"), element("a", record.title)];
    link.href = `records/${record.id}.html`;
    const remove = () => write(ids.filter((id) => id !== record.id));
    const about = element("span", `${record.model}, ${record.group}`, "small");
    item.append(element("span", "", `mark mark${i}`), link,
      button("Remove", `Remove ${record.title}`, remove), about);
    return item;
  }

  const number = (x) => (x === null ? "–" : Number(x.toPrecision(3)).toLocaleString("en",
    { maximumSignificantDigits: 3 }));

  function fillTable(records) {
    const heads = records.map((record) => element("th", record.title));
    for (const head of heads) head.scope = "col";
    byId("figures-head").replaceChildren(byId("figures-head").cells[0], ...heads);
    for (const row of document.querySelectorAll("tr[data-field]")) {
      const cells = records.map((record) => {
        const [value, low, high] = record.figures[row.dataset.field];
        const cell = element("td", number(value));
        if (low !== null) cell.append(element("span", `[${number(low)}, ${number(high)}]`, "small"));
        return cell;
      });
      row.replaceChildren(row.cells[0], ...cells);
    }
    const one = new Set(records.map((record) => record.group)).size === 1;
    byId("groups").textContent = one
      ? `All records are of one comparability group: ${records[0].group}.`
      : "The records are of different comparability groups: compare shapes, not values.";
  }

  // Plotly reads names as markup, and titles are text.
  const plain = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

  const line = (record, i, more) => ({
    type: "scatter", mode: "lines", name: plain(record.title.slice(0, 40)), legendgroup: record.id,
    line: { color: scene.color(`c${i}`), width: 1.5 }, ...more,
  });

  function curves(records, key) {
    return records.flatMap((record, i) => record.seeds
      .filter((seed) => seed[key].length)
      .map((seed, k) => line(record, i, { x: seed.steps, y: seed[key], showlegend: k === 0 })));
  }

  function switches(records) {
    return records.map((record, i) => {
      const arms = record.arms.filter(([arm, , value]) => arm === "switched" && value !== null);
      const [x, y, low, high] = [1, 2, 3, 4].map((column) => arms.map((arm) => arm[column]));
      const up = high.map((end, k) => (end === null ? 0 : end - y[k]));
      const down = low.map((end, k) => (end === null ? 0 : y[k] - end));
      const bars = { type: "data", symmetric: false, array: up, arrayminus: down, thickness: 1 };
      return line(record, i, { mode: "lines+markers", x, y, error_y: bars });
    });
  }

  function rule(i, dash, at) {
    return { type: "line", line: { color: scene.color(`c${i}`), width: 1, dash }, ...at };
  }

  function levels(records) {
    return records.flatMap((record, i) => record.arms
      .filter(([arm, , value]) => ["full", "lazy"].includes(arm) && value !== null)
      .map(([arm, , value]) => rule(i, arm === "full" ? "solid" : "dot",
        { xref: "paper", x0: 0, x1: 1, y0: value, y1: value })));
  }

  function boundaries(records) {
    return records.flatMap(({ w }, i) => (w === null ? []
      : [rule(i, "dot", { yref: "paper", y0: 0, y1: 1, x0: w, x1: w })]));
  }

  const AXES = {
    velocity: ["step", "v, per step"], S0: ["step", "S to step 0"], angle: ["step", "degrees"],
    accuracy: ["step", "test accuracy, %"], switch: ["switch step s", "test accuracy at T, %"],
  };

  function draw(records, box) {
    const key = box.dataset.key;
    const log = key === "velocity" ? { type: "log", dtick: 1, exponentformat: "e" } : {};
    const layout = scene.layout({
      margin: { l: 64, r: 12, t: 8, b: 44 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
      xaxis: scene.axis(AXES[key][0], log),
      yaxis: scene.axis(AXES[key][1], log),
      shapes: key === "switch" ? levels(records) : boundaries(records),
    });
    const traces = key === "switch" ? switches(records) : curves(records, key);
    return window.Plotly.react(box, traces, layout, scene.CONFIG);
  }

  async function show() {
    const asked = location.hash.slice(1).split(",");
    ids = [...new Set(asked.filter((id) => known.has(id)))].slice(0, MOST);
    const records = await Promise.all(ids.map(load));
    byId("chosen").replaceChildren(...records.map(chosenItem));
    byId("comparison").hidden = records.length < 2;
    byId("add").disabled = records.length >= MOST;
    byId("said").textContent = records.length < 2 ? "Choose two to five records."
      : `${records.length} of at most ${MOST} records.`;
    if (records.length < 2) return;
    fillTable(records);
    await scene.load();
    scene.redraw = () => Promise.all(charts.map((box) => draw(records, box)));
    await scene.redraw();
  }

  function write(chosen) {
    history.replaceState(null, "", `#${chosen.join(",")}`);
    show();
  }

  byId("add").addEventListener("click", () => write([...ids, byId("pick").value]));
  window.addEventListener("hashchange", show);
  document.querySelector(".picker").hidden = false;
  scene.inColors(() => scene.redraw?.());
  show();
})();
