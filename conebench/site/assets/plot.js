// Makes drawn plots answer: values under the pointer or the arrow keys with a crosshair on all plots
// of the page, zoom along x, and files as SVG, PNG and CSV. Each figure holds its numbers.
"use strict";
window.plots = (() => {
  const { chart, heat, element, number, nearest, HEAT, LEFT, TOP, SVG } = window.draw;
  const mounted = [];
  let now = null;

  function button(text, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  // A drawing that is not drawn again: its files only, with the numbers of its table.
  const still = {
    draw(plot) {
      plot.over = element("g");
      plot.svg.append(plot.over);
    },
    places: () => [],
    step: () => false,
    mark: () => [],
    rows: ({ figure }) => [...figure.querySelectorAll("table tr")].map((row) => [...row.cells].map((c) => c.textContent)),
  };

  const kinds = { chart, heat, still };
  const kindOf = (data) => (data.S ? kinds.heat : data.path ? kinds.path : data.x ? kinds.chart : kinds.still);

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("role", "status");
  document.body.append(tip);

  // Marks the cursor and the place that is pointed at; a drawing made again has neither.
  function redrawOver(plot, place = null) {
    const cursor = now !== null && plot.kind.step(plot) ? plot.kind.mark(plot, now, "now") : [];
    plot.over.replaceChildren(...cursor);
    cross(plot, place);
  }

  function cross(plot, place) {
    for (const old of plot.crossed ?? []) old.remove();
    plot.crossed = place === null ? [] : plot.kind.mark(plot, place, "cross");
    plot.over.append(...plot.crossed);
  }

  const pointed = (plot, place) => `${plot.key()} ${place} ${plot.other}`;
  let last = "";
  let leader = null;

  // Marks the step pointed at on another plot of steps; only plots in view, which keeps it quick.
  function follow(plot) {
    if (!leader || plot === leader || !plot.visible) return;
    if (leader.kind.step(leader) && plot.kind.step(plot)) cross(plot, nearest(plot.all, leader.place));
  }

  function point(plot, place, at) {
    if (last !== pointed(plot, place)) {
      last = pointed(plot, place);
      leader = plot;
      plot.place = place;
      cross(plot, place);
      mounted.forEach(follow);
      const [head, rows] = plot.kind.told(plot, place);
      tip.replaceChildren(...[head, ...rows].map((text, i) => Object.assign(
        document.createElement(i ? "span" : "b"), { textContent: text })));
      tip.hidden = false;
    }
    // The policy forbids style attributes; a script may set styles one by one.
    const left = at.x < innerWidth / 2;
    tip.style.left = left ? `${at.x + 14}px` : "auto";
    tip.style.right = left ? "auto" : `${innerWidth - at.x + 14}px`;
    tip.style.top = `${Math.min(Math.max(60, at.y - 20), innerHeight - 200)}px`;
  }

  function leave() {
    tip.hidden = true;
    last = "";
    leader = null;
    for (const plot of mounted) {
      delete plot.other;
      cross(plot, null);
    }
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const { target: { plot }, isIntersecting } of entries) {
      plot.visible = isIntersecting;
      follow(plot);  // it may scroll into view while the pointer rests
    }
  });

  function inDrawing(plot, event) {
    const box = plot.svg.getBoundingClientRect();
    const view = plot.svg.viewBox.baseVal;
    return [((event.clientX - box.left) / box.width) * view.width, ((event.clientY - box.top) / box.height) * view.height];
  }

  function listen(plot) {
    const { svg } = plot;
    if (plot.kind === still) return;
    let from = null;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("pointermove", (event) => {
      if (plot.kind === kinds.path) return;
      const [px, py] = inDrawing(plot, event);
      if (from !== null) { showZoom(plot, from, px); return; }
      if (plot.kind === heat) plot.other = nearest(plot.all, plot.x.back(TOP + LEFT + HEAT - py));
      point(plot, nearest(plot.all, plot.x.back(px), plot.x.at), { x: event.clientX, y: event.clientY });
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("pointerdown", (event) => {
      if (plot.kind === chart && event.pointerType !== "touch" && event.button === 0) [from] = inDrawing(plot, event);
    });
    svg.addEventListener("pointerup", (event) => {
      const [to] = inDrawing(plot, event);
      if (from !== null && Math.abs(to - from) > 12) zoom(plot, [from, to].sort((a, b) => a - b).map(plot.x.back));
      from = null;
      redrawOver(plot);
    });
    svg.addEventListener("keydown", (event) => key(plot, event));
  }

  function showZoom(plot, from, to) {
    const [, top, , height] = plot.frame;
    plot.over.replaceChildren(element("rect", { class: "zooming", x: Math.min(from, to), y: top, width: Math.abs(to - from), height }));
  }

  function key(plot, event) {
    const moves = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") leave();
    if (event.key === "0" && plot.range) zoom(plot, null);
    if ("+-".includes(event.key) && plot.kind === chart) { zoomBy(plot, event.key === "+" ? 0.5 : 2); event.preventDefault(); }
    if (!(event.key in moves) || plot.kind === kinds.path) return;
    event.preventDefault();
    const i = Math.max(0, plot.all.indexOf(plot.place ?? now ?? plot.all[0]));
    const place = plot.all[Math.min(Math.max(i + moves[event.key], 0), plot.all.length - 1)];
    const box = plot.svg.getBoundingClientRect();
    point(plot, place, { x: box.left + (plot.x.at(place) / plot.svg.viewBox.baseVal.width) * box.width, y: box.top + 40 });
  }

  function zoomBy(plot, factor) {
    const middle = plot.x.at(plot.place ?? plot.x.back((plot.frame[0] + plot.frame[2]) / 2));
    const reach = (plot.frame[2] / 2) * factor;
    zoom(plot, [middle - reach, middle + reach].map(plot.x.back));
  }

  function zoom(plot, range) {
    const [low, high] = plot.data.x;
    const cut = range && [Math.max(range[0], low), Math.min(range[1], high)];
    plot.range = cut && (cut[0] > low || cut[1] < high) ? cut : null;
    plot.reset.hidden = !plot.range;
    plot.kind.draw(plot);
    redrawOver(plot);
  }

  // A picture that stands alone has its styles as attributes.
  const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "font-size", "font-family", "font-weight", "text-anchor"];
  function standalone(plot) {
    const copy = plot.svg.cloneNode(true);
    const [olds, news] = [plot.svg, copy].map((svg) => [...svg.querySelectorAll("path, rect, circle, text")]);
    olds.forEach((old, i) => {
      const style = getComputedStyle(old);
      for (const name of STYLES) news[i].setAttribute(name, style.getPropertyValue(name));
      news[i].removeAttribute("class");
    });
    const { width, height } = plot.svg.viewBox.baseVal;
    const back = element("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body).backgroundColor });
    copy.prepend(element("title", {}, plot.title()), back);
    for (const [k, v] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(k, v);
    return new XMLSerializer().serializeToString(copy);
  }

  function save(name, content, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function savePng(plot) {
    const { width, height } = plot.svg.viewBox.baseVal;
    const image = new Image();
    image.addEventListener("load", () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
      canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
      canvas.toBlob((blob) => save(`${plot.key()}.png`, blob));
    });
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standalone(plot))}`;
  }

  // A spreadsheet runs a cell that begins like this as a formula.
  function cell(value) {
    if (value === null) return "";
    const text = typeof value === "string" && /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  const csv = (rows) => `${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`;

  function tools(plot) {
    const bar = document.createElement("div");
    bar.className = "plot-tools";
    const said = plot.title();
    plot.reset = button("Reset zoom", `Reset zoom: ${said}`, () => zoom(plot, null));
    plot.reset.hidden = true;
    const large = button("Enlarge", `Enlarge: ${said}`, () => {
      const on = plot.figure.closest("section, li, figure").classList.toggle("large");
      large.textContent = on ? "Shrink" : "Enlarge";
    });
    bar.append(plot.reset, button("SVG", `SVG: ${said}`, () => save(`${plot.key()}.svg`, standalone(plot), "image/svg+xml")),
      button("PNG", `PNG: ${said}`, () => savePng(plot)),
      button("CSV", `CSV: ${said}`, () => save(`${plot.key()}.csv`, csv(plot.kind.rows(plot)), "text/csv")), large);
    plot.figure.append(bar);
    plot.figure.querySelector("details.numbers")?.addEventListener("toggle", () => fillTable(plot));
  }

  // The page has some rows of long tables; its reader gets all of them.
  function fillTable(plot) {
    const table = plot.figure.querySelector("details.numbers[open] table");
    if (!table || plot.kind === still) return;
    const [head, ...rows] = plot.kind.rows(plot);
    const made = (name, text) => Object.assign(document.createElement(name), { textContent: text });
    const first = (text, scope) => { const th = made("th", text); th.scope = scope; return th; };
    table.tHead.rows[0].replaceChildren(...head.map((text) => first(text, "col")));
    table.tBodies[0].replaceChildren(...rows.map((row) => {
      const tr = document.createElement("tr");
      tr.append(first(number(row[0]), "row"), ...row.slice(1).map((value) => made("td", number(value))));
      return tr;
    }));
    table.caption.textContent = `${plot.title()}: all ${rows.length} rows`;
  }

  function set(plot, data) {
    Object.assign(plot, { data, kind: kindOf(data), range: null });
    plot.kind.draw(plot);
    plot.all = plot.kind.places(plot);
    redrawOver(plot);
    fillTable(plot);
  }

  function mount(figure) {
    if (figure.plot) return figure.plot;
    const data = JSON.parse(figure.dataset.plot);
    const plot = { figure, svg: figure.querySelector("svg"), data, kind: kindOf(data) };
    figure.plot = plot;
    plot.title = () => document.getElementById(figure.dataset.key)?.textContent ?? figure.dataset.key;
    plot.key = () => figure.dataset.key;
    tools(plot);
    set(plot, data);
    listen(plot);
    mounted.push(plot);
    watcher.observe(figure);
    return plot;
  }

  // Marks a step on every plot of steps.
  function cursor(step = now) {
    now = step;
    for (const plot of mounted) redrawOver(plot);
  }

  function mountAll() {
    const figures = [...document.querySelectorAll("figure[data-plot]")];
    for (const figure of figures) {
      for (const near of ["pointerenter", "focusin"]) figure.addEventListener(near, () => mount(figure), { once: true });
    }
    // One at a time, so that the page stays quick.
    const next = () => {
      const figure = figures.shift();
      if (!figure) return;
      mount(figure);
      (window.requestIdleCallback ?? setTimeout)(next);
    };
    (window.requestIdleCallback ?? setTimeout)(next);
  }

  document.addEventListener("DOMContentLoaded", mountAll);
  return { mount, set, cursor, kinds, button, csv };
})();
