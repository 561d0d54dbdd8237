// Writes what an opened row of the board shows: all figures as bars, two curves, and links.
"use strict";
window.details = (() => {
  function make(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const number = (x) => Number(x.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 });

  function name(pop, [symbol, , , , , meaning, higher, anchor]) {
    const button = make("button", { type: "button", class: "sym", popovertarget: pop }, symbol);
    const about = make("div", { class: "pop", popover: "", id: pop },
      make("p", {}, make("b", {}, symbol), `: ${meaning} Higher means ${higher}.`),
      make("p", {}, make("a", { href: `docs/method.html#${anchor}` }, "Formula")));
    return make("span", {}, button, about);
  }

  function figure(pop, axis, value, low, high) {
    const [, unit, factor, min, max] = axis;
    const text = value === null ? "–" : `${number(value * factor)}${unit}`;
    const ends = low === null ? "" : ` [${number(low * factor)}, ${number(high * factor)}]`;
    const at = (x) => 4 + ((x - min) / (max - min)) * 112;
    const shapes = value === null ? "" : `${low === null ? "" : `<path class="iv" d="M${at(low)} 6H${at(high)}"/>`}<circle class="pt" cx="${at(value)}" cy="6" r="3.5"/>`;
    const bar = make("span");
    // Numbers only.
    bar.innerHTML = `<svg class="small-bar" viewBox="0 0 120 12" aria-hidden="true"><path class="grid" d="M${at(Math.max(0, min))} 0V12"/>${shapes}</svg>`;
    return [name(pop, axis), make("span", {}, text, make("small", {}, ends)), bar];
  }

  function curve(data, key, label) {
    const seeds = data.seeds.map((s) => s.steps.map((t, i) => [t, s[key][i]]).filter(([, y]) => y !== null && (key !== "velocity" || y > 0)));
    const to = key === "velocity" ? Math.log : (y) => y;
    const all = seeds.flat();
    const [last, low, high] = [Math.max(...all.map(([t]) => t)), Math.min(...all.map(([, y]) => to(y))), Math.max(...all.map(([, y]) => to(y)))];
    const d = (seed) => `M${seed.map(([t, y]) => `${((t / last) * 236 + 2).toFixed(1)} ${(66 - ((to(y) - low) / (high - low || 1)) * 62).toFixed(1)}`).join("L")}`;
    const box = make("figure", { class: "curve" });
    box.innerHTML = `<svg viewBox="0 0 240 70" role="img" aria-label="${label} over steps">${seeds.map((seed) => `<path class="line seed" d="${d(seed)}"/>`).join("")}</svg>`;
    box.append(make("figcaption", {}, label));
    return box;
  }

  return function details(row, data) {
    const { id } = row;
    const list = make("ul", { class: "figures" });
    for (const [field, [value, low, high]] of Object.entries(data.figures)) {
      list.append(make("li", {}, ...figure(`about-${id}-${field}`, window.board.axes[field], value, low, high)));
    }
    const links = make("p", {}, make("a", { href: `records/${id}.html` }, "Its page"), " · ",
      make("a", { href: `compare.html#${id}` }, "Compare it with others"));
    for (const run of row.runs) links.append(" · ", make("a", { href: `records/${run}.html` }, `Another run, ${run}`));
    const told = make("p", {}, `Outcomes of the seeds: ${data.outcomes}.${row.why ? ` Not ranked: ${row.why}.` : ""}`);
    return [list, curve(data, "velocity", "Velocity, log"), curve(data, "accuracy", "Test accuracy, %"), told, links];
  };
})();
