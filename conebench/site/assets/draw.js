// Draws plots from their numbers, just as the build did: lines over axes, and heat maps. `plot` holds
// the numbers (data), the svg, and the zoom (range); drawing adds its scales and its frame.
"use strict";
window.draw = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 340, 80, 20, 12, 50];
  const [NAMES, LINE, MOST_NAMES, HEAT] = [166, 16, 8, 384];
  const STEP = /^step( t| \/ T)?$/;

  function element(name, attributes = {}, text = null) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== null) made.textContent = text;
    return made;
  }

  const number = (x) => (x === null || x === undefined ? "–"
    : Number(x.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 }));

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  function compact(value) {
    const size = Math.abs(value);
    if (size && (size < 1e-4 || size >= 1e9)) {
      const [digits, power] = value.toExponential(0).split("e");
      const raised = [...String(Number(power))].map((c) => (c === "-" ? "⁻" : SUPERSCRIPTS[c])).join("");
      return digits === "1" ? `10${raised}` : `${digits}×10${raised}`;
    }
    if (size >= 1e6) return `${Number((value / 1e6).toPrecision(6))}M`;
    if (size >= 1e4) return `${Number((value / 1e3).toPrecision(6))}k`;
    return Number(value.toPrecision(6)).toLocaleString("en", { maximumSignificantDigits: 6 });
  }

  function scale([low, high, log], start, end) {
    const to = log ? Math.log : (x) => x;
    const from = log ? Math.exp : (x) => x;
    const [a, b] = [to(low), to(high)];
    const at = (x) => start + ((to(log ? Math.max(x, low / 1e3) : x) - a) / (b - a)) * (end - start);
    return { low, high, log, at, back: (p) => from(a + ((p - start) / (end - start)) * (b - a)) };
  }

  function evenTicks(low, high, parts = 5) {
    const power = 10 ** Math.floor(Math.log10((high - low) / parts));
    const step = [1, 2, 5, 10].map((u) => u * power).find((s) => s >= ((high - low) / parts) * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step); i <= Math.floor(high / step); i += 1) found.push(i * step);
    return found.length > 2 ? found : evenTicks(low, high, 2 * parts);
  }

  function ticks({ low, high, log }) {
    const decades = log ? Math.log10(high / low) : 0;
    if (decades < 1) return evenTicks(low, high);
    const found = [];
    const stride = Math.max(1, Math.ceil(decades / 6));
    for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p += stride) {
      for (const unit of decades < 3 ? [1, 2, 5] : [1]) found.push(unit * 10 ** p);
    }
    const inside = found.filter((t) => t >= low * 0.999 && t <= high * 1.001);
    return inside.length > 2 ? inside : evenTicks(low, high);
  }

  const round = (x) => Math.round(x * 10) / 10;
  const places = (data, series) => series.x ?? data.at;

  function line(data, series, x, y) {
    let [path, pen] = ["", "M"];
    series.y.forEach((value, i) => {
      const at = places(data, series)[i];
      if (value === null || at === null || (y.log && value <= 0)) pen = "M";
      else [path, pen] = [`${path}${pen}${round(x.at(at))} ${round(y.at(value))}`, "L"];
    });
    return path;
  }

  function area(band, x, y) {
    const place = (at, height) => `${round(x.at(at))} ${round(y.at(y.log ? Math.max(height, y.low / 1e3) : height))}`;
    const [lows, highs] = [band.map(([at, low]) => place(at, low)), band.map(([at, , high]) => place(at, high))];
    return `M${lows.join("L")}L${highs.toReversed().join("L")}z`;
  }

  const named = (data) => data.s.filter((s) => s.n && !s.q);
  const isDirect = (data) => named(data).length > 0 && named(data).every((s) => !s.free)
    && new Set([...named(data).map((s) => s.n), ...(data.level ?? []).map(([n]) => n)]).size <= MOST_NAMES;

  // Names at the ends of lines, moved apart where they would overlap.
  function endNames(data, x, y) {
    const ends = new Map((data.level ?? []).map(([name, style, at]) => [name, [y.at(at), style]]));
    for (const s of named(data)) {
      const last = s.y.findLast((value) => value !== null);
      if (last !== undefined && !ends.has(s.n)) ends.set(s.n, [y.at(last), s.c]);
    }
    const rows = [...ends].map(([name, [at, style]]) => ({ name, at, style })).sort((a, b) => a.at - b.at);
    rows.forEach((row, i) => { if (i) row.at = Math.max(row.at, rows[i - 1].at + LINE); });
    let limit = HEIGHT - BOTTOM + LINE / 2;
    for (const row of rows.toReversed()) {
      row.at = Math.min(row.at, limit);
      limit = row.at - LINE;
    }
    return rows.map((row) => element("text",
      { class: `name ${row.style}`, x: x.at(x.high) + 8, y: round(row.at + 4) }, row.name));
  }

  const chart = {
    draw(plot) {
      const { data, svg } = plot;
      const right = isDirect(data) ? WIDTH - NAMES : WIDTH - RIGHT;
      const [low, high] = plot.range ?? data.x;
      const x = scale([low, high, data.x[2]], LEFT, right);
      const top = TOP + LINE * ruled(data).size;
      const y = scale(data.y, HEIGHT - BOTTOM, top);
      const bottom = HEIGHT - BOTTOM;
      Object.assign(plot, { x, y, frame: [LEFT, top, right - LEFT, bottom - top] });
      const inner = element("svg", { x: LEFT, y: top, width: right - LEFT, height: bottom - top,
        viewBox: `${LEFT} ${top} ${right - LEFT} ${bottom - top}` });
      for (const [style, from, to] of data.bands ?? []) {
        inner.append(element("rect", { class: `band ${style}`, x: x.at(from), y: top,
          width: Math.max(0, x.at(to) - x.at(from)), height: bottom - top }));
      }
      plot.lines = data.s.map((s) => {
        const group = element("g");
        if (s.b?.length) group.append(element("path", { class: `area ${s.c}`, d: area(s.b, x, y) }));
        if (!s.free) group.append(element("path", { class: `line ${s.c}`, d: line(data, s, x, y) }));
        for (const [at, from, to] of s.i ?? []) {
          group.append(element("path", { class: `line bar ${s.c}`, d: `M${x.at(at)} ${y.at(from)}V${y.at(to)}` }));
        }
        if (s.dots) {
          s.y.forEach((value, i) => { if (value !== null) group.append(element("circle",
            { class: `dot ${s.c}`, cx: round(x.at(places(data, s)[i])), cy: round(y.at(value)), r: 4 })); });
        }
        inner.append(group);
        return group;
      });
      for (const [, style, at] of data.up ?? []) inner.append(element("path", { class: `line ${style}`, d: `M${x.at(at)} ${top}V${bottom}` }));
      for (const [, style, at] of data.level ?? []) inner.append(element("path", { class: `line ${style}`, d: `M${LEFT} ${y.at(at)}H${right}` }));
      svg.replaceChildren(inner, ...axes(data, x, y, right, top), ...ruleNames(data, x, right),
        ...(isDirect(data) ? endNames(data, x, y) : []));
      plot.over = element("g", { class: "over" });
      svg.append(plot.over);
      if (isDirect(data)) for (const text of svg.querySelectorAll(".name")) fadeBy(plot, text);
    },
    places(plot) {
      const all = plot.data.s.flatMap((s) => places(plot.data, s)).filter((at) => at !== null);
      return [...new Set(all)].sort((a, b) => a - b);
    },
    step: (plot) => STEP.test(plot.data.x[3]),
    mark(plot, at, style) {
      const x = round(plot.x.at(at));
      const [left, top, width, height] = plot.frame;
      if (x < left - 1 || x > left + width + 1) return [];
      const dots = style === "cross" ? plot.data.s.filter((s) => !s.q).flatMap((s) => {
        const value = valueAt(plot.data, s, at);
        return value === null ? [] : [element("circle", { class: `dot ${s.c}`, cx: x, cy: round(plot.y.at(value)), r: 4 })];
      }) : [];
      return [element("path", { class: `line ${style}`, d: `M${x} ${top}v${height}` }), ...dots, ...flag(style, at, x, top + height)];
    },
    told(plot, at) {
      const head = `${plot.data.x[3]} ${number(at)}`;
      const order = plot.data.s.toSorted((a, b) => (a.q ?? 0) - (b.q ?? 0));
      const rows = order.map((s) => [s.n, valueAt(plot.data, s, at), intervalAt(s, at)]).filter(([, v]) => v !== null);
      return [head, rows.map(([n, v, i]) => `${n}  ${number(v)}${i}`)];
    },
    rows({ data }) {
      const bars = data.s.map((s) => (s.i ? ["low", "high"].map((end) => `${s.n} ${end}`) : []));
      const head = [data.x[3], ...data.s.flatMap((s, i) => [s.n, ...bars[i]])];
      const cells = (at) => data.s.flatMap((s) => {
        const found = s.i?.find(([place]) => place === at);
        return [valueAt(data, s, at), ...(s.i ? [found?.[1] ?? null, found?.[2] ?? null] : [])];
      });
      return [head, ...chart.places({ data }).map((at) => [at, ...cells(at)])];
    },
  };

  // A cursor carries its step, below the axis.
  function flag(style, at, x, bottom) {
    return style === "now" ? [element("text", { class: "flag", x, y: bottom + 33 }, `▲ ${number(at)}`)] : [];
  }

  function valueAt(data, series, at) {
    const i = places(data, series).indexOf(at);
    return i < 0 ? null : series.y[i];
  }

  function intervalAt(series, at) {
    const found = (series.i ?? series.b)?.find(([place]) => place === at);
    return found ? ` [${number(found[1])}, ${number(found[2])}]` : "";
  }

  function axes(data, x, y, right, top) {
    const bottom = HEIGHT - BOTTOM;
    const [across, up] = [ticks(x), ticks(y)];
    const marks = [...across.map((t) => `M${round(x.at(t))} ${bottom}v5`), ...up.map((t) => `M${LEFT} ${round(y.at(t))}h-5`)];
    const [below, beside] = [element("g", { class: "label middle" }), element("g", { class: "label end" })];
    for (const t of across) below.append(element("text", { x: round(x.at(t)), y: bottom + 19 }, compact(t)));
    below.append(element("text", { x: (LEFT + right) / 2, y: HEIGHT - 10 }, data.x[3]),
      element("text", { transform: `translate(14 ${(top + bottom) / 2}) rotate(-90)` }, data.y[3]));
    for (const t of up) beside.append(element("text", { x: LEFT - 8, y: round(y.at(t) + 4) }, compact(t)));
    const frame = `M${LEFT} ${top}H${right}V${bottom}H${LEFT}z${marks.join("")}`;
    return [element("path", { class: "tick", d: frame }), below, beside];
  }

  // Names of upright rules with the step of the first.
  const ruled = (data) => new Map((data.up ?? []).filter(([name]) => name).toReversed().map(([name, , at]) => [name, at]));

  // They stand above the frame, off the curves.
  function ruleNames(data, x, right) {
    const order = [...new Set((data.up ?? []).map(([name]) => name))].filter(Boolean);
    return order.map((name, i) => [name, x.at(ruled(data).get(name)), i]).filter(([, at]) => at >= LEFT && at <= right)
      .map(([name, at, i]) => element("text", { class: "name rule-name", x: round(at + 4), y: TOP + LINE * (i + 1) - 5 }, name));
  }

  function fadeBy(plot, text) {
    const fade = (on) => plot.data.s.forEach((s, i) => plot.lines[i].classList
      .toggle("faded", on && s.n !== text.textContent));
    if (!plot.data.s.some((s) => s.n === text.textContent)) return;
    text.addEventListener("pointerenter", () => fade(true));
    text.addEventListener("pointerleave", () => fade(false));
  }

  const heat = {
    draw(plot) {
      const { data, svg } = plot;
      const n = data.steps.length;
      const x = scale([0, Math.max(data.steps[n - 1], 1), 0], LEFT, LEFT + HEAT);
      const edges = data.steps.map((s, i) => (i ? (s + data.steps[i - 1]) / 2 : 0)).concat(data.steps[n - 1]);
      const across = edges.map((e) => Math.round(x.at(e)));
      const up = across.map((place) => TOP + LEFT + HEAT - place);
      const cells = new Map();
      for (let i = 0; i < n; i += 1) {
        for (let j = 0; j < n; j += 1) {
          const angle = Math.acos(1 - Math.min(1, Math.max(0, at(data, i, j))));
          const color = Math.min(31, Math.floor((angle / (Math.PI / 2)) * 32));
          const cell = `M${across[j]} ${up[i + 1]}H${across[j + 1]}V${up[i]}H${across[j]}z`;
          cells.set(color, (cells.get(color) ?? "") + cell);
        }
      }
      Object.assign(plot, { x, y: x, frame: [LEFT, TOP, HEAT, HEAT] });
      for (const old of svg.querySelectorAll(".cell, .over, .boundary")) old.remove();
      const paths = [...cells].map(([color, d]) => element("path", { class: `cell h${color}`, d }));
      svg.prepend(...paths);
      if (data.w !== null) {
        const [a, b] = [x.at(data.w), TOP + LEFT + HEAT - x.at(data.w)];
        const d = `M${a} ${TOP}V${TOP + HEAT}M${LEFT} ${b}H${LEFT + HEAT}`;
        for (const style of ["halo", "on-cells"]) svg.append(element("path", { class: `line boundary ${style}`, d }));
      }
      plot.over = element("g", { class: "over" });
      svg.append(plot.over);
    },
    places: (plot) => plot.data.steps,
    step: () => true,
    mark(plot, step, style) {
      const [x, y] = [plot.x.at(step), TOP + LEFT + HEAT - plot.x.at(plot.other ?? step)];
      return [element("path", { class: `line ${style}`, d: `M${x} ${TOP}v${HEAT}M${LEFT} ${y}h${HEAT}` })];
    },
    told(plot, step) {
      const other = plot.other ?? plot.data.steps[0];
      const [i, j] = [plot.data.steps.indexOf(step), plot.data.steps.indexOf(other)];
      return [`steps ${number(step)} and ${number(other)}`, [`S  ${number(at(plot.data, i, j))}`]];
    },
    rows: ({ data }) => [["S, from step", ...data.steps], ...data.steps.map((s, i) => [s, ...data.steps.map((_, j) => at(data, i, j))])],
  };
  const at = (data, i, j) => data.S[Math.max(i, j)][Math.min(i, j)] / 1e4;

  function nearest(list, value, to = (x) => x) {
    return list.reduce((best, x) => (Math.abs(to(x) - to(value)) < Math.abs(to(best) - to(value)) ? x : best), list[0]);
  }

  return { chart, heat, element, number, nearest, HEAT, LEFT, TOP, SVG };
})();
