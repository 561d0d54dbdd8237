// Overlays two to five records. Their ids are the part of the address after "#". The data of each
// come from its script file, because a page opened from a folder may load scripts, but no data.
"use strict";
(() => {
  const MOST = 5;
  const MOST_LETTERS = 17;
  const { draw, plots } = window;
  const byId = (id) => document.getElementById(id);
  const known = new Map([...byId("records").options].map((option) => [option.dataset.id, option.value]));
  const figures = [...document.querySelectorAll("figure[data-key]")];
  let ids = [];
  let removed = null;

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

  function make(name, text = "", className = "") {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Names of lines: what tells the titles apart, or ids where nothing does.
  function names(records) {
    const words = records.map(({ title }) => title.split(" "));
    const least = Math.min(...words.map((list) => list.length));
    const shared = (at) => { let n = 0; while (n < least && new Set(words.map((list) => at(list, n))).size === 1) n += 1; return n; };
    const start = shared((list, n) => list[n]);
    const end = Math.min(least - start, shared((list, n) => list[list.length - 1 - n]));
    const parts = words.map((list) => list.slice(start, list.length - end).join(" "));
    const short = parts.map((part) => (part.length > MOST_LETTERS ? `${part.slice(0, 8)}…${part.slice(-8)}` : part));
    return short.map((name, i) => (name && short.indexOf(name) === short.lastIndexOf(name) ? name : records[i].id));
  }

  // The title, with spec and id where another record has the same.
  function named(record, records) {
    const alone = records.filter((other) => other.title === record.title).length === 1;
    return alone ? record.title : `${record.title} (${record.spec}, ${record.id})`;
  }

  function chosenItem(record, i, records) {
    const name = named(record, records);
    const [item, link] = [make("li"), make("a", name)];
    link.href = `records/${record.id}.html`;
    link.dir = "auto";
    const remove = plots.button("×", `Remove ${name}`, () => {
      removed = i;
      write(ids.filter((id) => id !== record.id));
    });
    item.className = `chip mark${i}`;
    item.append(make("span", "", "mark"), link, remove);
    const fade = (on) => document.querySelectorAll("figure[data-key] g").forEach((line) => {
      if (line.dataset.record) line.classList.toggle("faded", on && line.dataset.record !== record.id);
    });
    item.addEventListener("pointerenter", () => fade(true));
    item.addEventListener("pointerleave", () => fade(false));
    return item;
  }

  // Heads of columns: the names of the lines, each with its color.
  function heads(records) {
    const short = names(records);
    return records.map((record, i) => {
      const head = make("th", "", `mark${i}`);
      head.scope = "col";
      head.title = named(record, records);
      head.append(make("span", "", "mark"), make("bdi", short[i]));
      return head;
    });
  }

  // Fields of a spec by their full names, such as dataset.name.
  function leaves(fields) {
    const found = {};
    for (const [field, text] of Object.entries(fields)) {
      const value = JSON.parse(text);
      const parts = value && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [];
      if (parts.length) for (const [part, inner] of parts) found[`${field}.${part}`] = JSON.stringify(inner);
      else found[field] = text;
    }
    return found;
  }

  function differences(records) {
    const all = records.map((record) => leaves(record.fields));
    const fields = [...new Set(all.flatMap(Object.keys))].sort();
    return fields.map((field) => [field, all.map((one) => (one[field] ?? "not set").replace(/^null$/, "none").replace(/^"|"$/g, ""))])
      .filter(([, values]) => new Set(values).size > 1);
  }

  function showDifferences(records) {
    const rows = differences(records);
    const others = Object.keys(records[0].others)
      .filter((field) => new Set(records.map((record) => record.others[field])).size > 1);
    const same = others.length
      ? `Their specs differ only in ${new Intl.ListFormat("en-GB").format(others)}.`
      : "Their specs are the same.";
    byId("differ").textContent = rows.length ? "Their specs differ in:" : same;
    byId("differences").hidden = !rows.length;
    byId("differences-head").replaceChildren(byId("differences-head").cells[0], ...heads(records));
    byId("differences").querySelector("tbody").replaceChildren(...rows.map(([field, values]) => {
      const row = make("tr");
      const head = make("th");
      head.scope = "row";
      // Long names are broken between words.
      head.append(...field.split(/(?<=[._])/).flatMap((word) => [word, make("wbr")]));
      row.append(head, ...values.map((value) => make("td", value)));
      return row;
    }));
    const one = new Set(records.map((record) => record.group)).size === 1;
    byId("groups").textContent = one
      ? `All records are of one comparability group: ${records[0].group}.`
      : "The records are of different comparability groups: compare shapes, not values.";
  }

  const number = (x) => (x === null ? "–" : Number(x.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 }));

  function bars(found) {
    const ends = found.flat().filter((x) => x !== null);
    if (!ends.length) return make("td");
    const [min, max] = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const at = (x) => 6 + ((x - min) / (max - min || 1)) * 188;
    const shapes = found.flatMap(([value, low, high], i) => {
      const y = 6 + 9 * i;
      const bar = low === null ? [] : [draw.element("path", { class: `line c${i}`, d: `M${at(low)} ${y}H${at(high)}` })];
      return value === null ? [] : [...bar, draw.element("circle", { class: `dot c${i}`, cx: at(value), cy: y, r: 3 })];
    });
    const height = 9 * found.length + 4;
    const svg = draw.element("svg", { class: "together", viewBox: `0 0 200 ${height}`, "aria-hidden": "true" });
    svg.append(draw.element("path", { class: "grid", d: `M${at(0)} 0V${height}` }), ...shapes);
    const cell = make("td");
    cell.append(svg);
    return cell;
  }

  function fillTable(records) {
    byId("figures-head").replaceChildren(byId("figures-head").cells[0], ...heads(records), make("td", "on one axis"));
    for (const row of document.querySelectorAll("tr[data-field]")) {
      const found = records.map((record) => record.figures[row.dataset.field]);
      const factor = Number(row.dataset.factor);
      const cells = found.map(([value, low, high], i) => {
        const cell = make("td", number(value === null ? null : value * factor));
        const note = row.dataset.field === "CES" ? records[i].cut : "";
        if (low !== null && !(note && low === high)) cell.append(make("small", `[${number(low * factor)}, ${number(high * factor)}]`));
        if (note) cell.append(make("small", note));
        return cell;
      });
      row.replaceChildren(row.cells[0], ...cells, bars(found));
    }
  }

  // --- curves -----------------------------------------------------------------------------------

  const SPEC = {
    velocity: ["v, per step", true], S0: ["S to step 0", false], angle: ["angle to the axis, °", false],
    accuracy: ["test accuracy, %", false], switch: ["test accuracy at T, %", false],
  };
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

  function reach(values, log, room) {
    const known = values.filter((x) => x !== null && (!log || x > 0));
    let [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
    if (low === high) [low, high] = log ? [low / 2, low * 2] : [low - 0.5, low + 0.5];
    if (log) return [low / (high / low) ** room, high * (high / low) ** room];
    return [low - room * (high - low), high + room * (high - low)];
  }

  const along = (record, step) => (chosen("axis") === "share" ? step / record.T : step);

  // A mean over seeds with the range of the seeds, or a line per seed.
  function lines(record, name, i, key) {
    const seeds = record.seeds.filter((seed) => seed[key].length);
    if (!seeds.length) return [];
    if (chosen("lines") === "seeds") {
      return seeds.map((seed, k) => ({ n: k ? `${name}, seed ${seed.seed}` : name, c: `c${i}`, q: k ? 1 : 0,
        x: seed.steps.map((step) => along(record, step)), y: seed[key], record: record.id }));
    }
    const steps = seeds[0].steps.filter((step) => seeds.every((seed) => seed.steps.includes(step)));
    const at = steps.map((step) => seeds.map((seed) => seed[key][seed.steps.indexOf(step)]).filter((y) => y !== null));
    const y = at.map((values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null));
    const x = steps.map((step) => along(record, step));
    const spread = x.map((place, k) => [place, Math.min(...at[k]), Math.max(...at[k])]).filter(([, low]) => Number.isFinite(low));
    return [{ n: name, c: `c${i}`, x, y, b: seeds.length > 1 ? spread : undefined, record: record.id }];
  }

  function switches(record, name, i) {
    const arms = record.arms.filter(([arm, , value]) => arm === "switched" && value !== null);
    const x = arms.map(([, step]) => along(record, step));
    return arms.length ? [{ n: name, c: `c${i}`, x, y: arms.map((arm) => arm[2]), dots: 1, record: record.id,
      i: arms.map(([, , , low, high], k) => [x[k], low, high]).filter(([, low]) => low !== null) }] : [];
  }

  function data(records, key) {
    const [label, log] = SPEC[key];
    const called = names(records);
    const s = records.flatMap((record, i) => (key === "switch" ? switches(record, called[i], i) : lines(record, called[i], i, key)));
    const logX = chosen("axis") === "log";
    const xs = s.flatMap((one) => one.x).filter((x) => !logX || x > 0);
    const ys = s.flatMap((one) => [...one.y, ...(one.i ?? one.b ?? []).flatMap(([, low, high]) => [low, high])]);
    const share = chosen("axis") === "share";
    const name = `${key === "switch" ? "switch step s" : "step"}${share ? " / T" : ""}`;
    const up = key === "switch" ? [] : records.flatMap((record, i) => (record.w === null ? [] : [["", `c${i} rule-w`, along(record, record.w)]]));
    return { x: [...reach(xs, logX, key === "switch" ? 0.04 : 0), logX ? 1 : 0, name], y: [...reach(ys, log, 0.04), log ? 1 : 0, label], at: [], s, up };
  }

  function drawAll(records) {
    for (const figure of figures) {
      const drawn = data(records, figure.dataset.key);
      figure.closest("section").hidden = !drawn.s.length;
      if (!figure.plot) figure.dataset.plot = JSON.stringify(drawn);
      const plot = plots.mount(figure);
      plots.set(plot, drawn);
      drawn.s.forEach((one, k) => { plot.lines[k].dataset.record = one.record; });
    }
  }

  async function show(said = "") {
    const asked = location.hash.slice(1).split(",").filter((id) => known.has(id));
    ids = [...new Set(asked)].slice(0, MOST);
    const left = asked.length > MOST ? `Only the first ${MOST} records are shown. ` : "";
    const records = await Promise.all(ids.map(load));
    byId("chosen").replaceChildren(...records.map(chosenItem));
    // The focus goes to the record after the one that was taken away.
    if (removed !== null) (byId("chosen").querySelectorAll("button")[removed] ?? byId("pick")).focus();
    removed = null;
    byId("comparison").hidden = records.length < 2;
    const count = records.length < 2 ? "Choose two to five records." : `${records.length} of at most ${MOST} records.`;
    byId("said").textContent = `${said || left} ${count}`.trim();
    if (records.length < 2) return;
    showDifferences(records);
    fillTable(records);
    drawAll(records);
  }

  function write(list, said = "") {
    ids = list;
    history.replaceState(null, "", `#${list.join(",")}`);
    return show(said);
  }

  function add() {
    const [text, box] = [byId("pick").value, byId("pick")];
    const id = [...known].find(([key, value]) => value === text || key === text)?.[0];
    if (!id) { byId("said").textContent = "No such record: type a part of its name and choose it."; return; }
    box.value = "";
    if (ids.includes(id)) { show("That record is there already."); return; }
    if (ids.length >= MOST) { show("Take one away first."); return; }
    write([...ids, id]);
  }

  byId("add").addEventListener("click", add);
  byId("pick").addEventListener("keydown", (event) => { if (event.key === "Enter") add(); });
  byId("pick").addEventListener("input", () => { if ([...known.values()].includes(byId("pick").value)) add(); });
  byId("copy").addEventListener("click", async () => {
    const copied = await navigator.clipboard?.writeText(location.href).then(() => 1, () => 0);
    byId("said").textContent = copied ? "The link is copied." : "Copy the address of this page.";
  });
  byId("csv").addEventListener("click", () => {
    const records = ids.map((id) => window.conebench[id]);
    const rows = [["figure", ...records.flatMap(({ id }) => [id, `${id} low`, `${id} high`])],
      ...Object.keys(records[0].figures).map((field) => [field, ...records.flatMap((record) => record.figures[field])])];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([plots.csv(rows)], { type: "text/csv" }));
    link.download = "comparison.csv";
    link.click();
  });
  for (const choice of document.querySelectorAll("input[name=axis], input[name=lines]")) choice.addEventListener("input", () => show());
  window.addEventListener("hashchange", () => show());
  document.querySelector(".picker").hidden = false;
  show();
})();
