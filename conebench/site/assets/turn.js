// Draws the path of the kernel in three dimensions, and turns it: drag or arrow keys, + and - zoom.
"use strict";
(() => {
  const { element, nearest, number } = window.draw;
  const { kinds } = window.plots;
  const [WIDTH, HEIGHT, EDGE, RIM] = [560, 340, 28, 48];
  const START = { yaw: 0, pitch: 0.35, zoom: 1 };
  const APEX = [0, 0, 0];
  const TIP = [1, 0, 0];

  function rim(cone) {
    const angle = (cone * Math.PI) / 180;
    return Array.from({ length: RIM }, (_, i) => {
      const around = (2 * Math.PI * i) / RIM;
      return [Math.cos(angle), Math.sin(angle) * Math.cos(around), Math.sin(angle) * Math.sin(around)];
    });
  }

  // As in charts/path.py: x to the right, y down, and the depth.
  function turned(view, [x, y, z], middle) {
    const [a, b, c] = [x - middle[0], y - middle[1], z - middle[2]];
    const [cy, sy, cp, sp] = [Math.cos(view.yaw), Math.sin(view.yaw), Math.cos(view.pitch), Math.sin(view.pitch)];
    const depth = a * sy + c * cy;
    return [a * cy - c * sy, -(b * cp - depth * sp), b * sp + depth * cp];
  }

  function fit(shown, view) {
    const flat = shown.map((p) => turned(START, p, APEX));
    const ends = [0, 1].map((k) => [Math.min(...flat.map((p) => p[k])), Math.max(...flat.map((p) => p[k]))]);
    const size = Math.min((WIDTH - 2 * EDGE) / (ends[0][1] - ends[0][0] || 1), (HEIGHT - 2 * EDGE) / (ends[1][1] - ends[1][0] || 1));
    // It turns about the middle of what is shown.
    const middle = [0, 1, 2].map((k) => (Math.min(...shown.map((p) => p[k])) + Math.max(...shown.map((p) => p[k]))) / 2);
    return (p) => {
      const [x, y, depth] = turned(view, p, middle);
      return [WIDTH / 2 + x * size * view.zoom, HEIGHT / 2 + y * size * view.zoom, depth];
    };
  }

  const path = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

  function cone(edge, origin) {
    const middle = [0, 1].map((k) => edge.reduce((sum, p) => sum + p[k], 0) / edge.length - origin[k]);
    const across = edge.map((p) => (p[0] - origin[0]) * -middle[1] + (p[1] - origin[1]) * middle[0]);
    const widest = [Math.max, Math.min].map((f) => edge[across.indexOf(f(...across))]);
    return `${path(edge)}z${path([origin, ...widest])}z`;
  }

  kinds.path = {
    draw(plot) {
      plot.view ??= { ...START };
      const { data, svg, view } = plot;
      const edge = data.cone === null ? [] : rim(data.cone);
      const place = fit(edge.length ? [...data.path, ...edge, APEX, TIP] : data.path, view);
      const points = data.path.map(place);
      const late = (i) => (data.w !== null && data.steps[i] >= data.w ? "path-late" : "path-early");
      const parts = [];
      if (edge.length) {
        const origin = place(APEX);
        parts.push(element("path", { class: "cone-fill", d: cone(edge.map(place), origin) }),
          element("path", { class: "line ray-start", d: path([origin, points[0]]) }),
          element("path", { class: "line ray-axis", d: path([origin, place(TIP)]) }));
      }
      const pieces = points.slice(1).map((p, i) => ({ depth: (p[2] + points[i][2]) / 2, style: late(i),
        d: path([points[i], p]) })).sort((a, b) => a.depth - b.depth);
      for (const { style, d } of pieces) parts.push(element("path", { class: `line ${style}`, d }));
      points.forEach(([x, y], i) => parts.push(element("circle", { class: `dot ${late(i)}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 3.5 })));
      parts.push(element("text", { class: "name path-early", x: points[0][0] + 9, y: points[0][1] + 5 }, "step 0"));
      plot.over = element("g", { class: "over" });
      svg.replaceChildren(...parts, plot.over);
      plot.points = points;
      if (!plot.turns) listen(plot);
    },
    places: (plot) => plot.data.steps,
    step: () => true,
    mark(plot, step, style) {
      const i = plot.data.steps.indexOf(nearest(plot.data.steps, step));
      const [x, y] = plot.points[i];
      return [element("circle", { class: `ring ${style}`, cx: x, cy: y, r: 8 }),
        ...(style === "now" ? [element("text", { class: "flag", x: Math.min(Math.max(x, 40), WIDTH - 40), y: y + 24 }, `step ${number(plot.data.steps[i])}`)] : [])];
    },
    told: (plot, step) => [`step ${number(step)}`, []],
    rows: ({ data }) => [["step", "first", "second", "third"], ...data.steps.map((s, i) => [s, ...data.path[i]])],
  };

  function listen(plot) {
    const { svg } = plot;
    plot.turns = true;
    svg.classList.add("turns");
    const change = (more) => {
      Object.assign(plot.view, more);
      plot.view.pitch = Math.min(1.5, Math.max(-1.5, plot.view.pitch));
      plot.view.zoom = Math.min(20, Math.max(0.3, plot.view.zoom));
      plot.kind.draw(plot);
      window.plots.cursor();
    };
    svg.addEventListener("pointerdown", (event) => svg.setPointerCapture(event.pointerId));
    svg.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      change({ yaw: plot.view.yaw - event.movementX / 120, pitch: plot.view.pitch + event.movementY / 120 });
    });
    svg.addEventListener("keydown", (event) => {
      const { yaw, pitch, zoom } = plot.view;
      const found = { ArrowLeft: { yaw: yaw - 0.15 }, ArrowRight: { yaw: yaw + 0.15 }, ArrowUp: { pitch: pitch - 0.15 },
        ArrowDown: { pitch: pitch + 0.15 }, "+": { zoom: zoom * 1.25 }, "-": { zoom: zoom / 1.25 }, 0: { ...START } }[event.key];
      if (!found) return;
      event.preventDefault();
      change(found);
    });
    const bar = plot.figure.querySelector(".plot-tools");
    for (const [text, label, act] of [["⟲", "Turn left", () => ({ yaw: plot.view.yaw - 0.3 })], ["⟳", "Turn right", () => ({ yaw: plot.view.yaw + 0.3 })],
      ["+", "Zoom in", () => ({ zoom: plot.view.zoom * 1.5 })], ["−", "Zoom out", () => ({ zoom: plot.view.zoom / 1.5 })]]) {
      bar.append(window.plots.button(text, label, () => change(act())));
    }
  }
})();
