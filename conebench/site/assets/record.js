// Moves one slider along training: it marks its step on every plot and on the path in 3-D, and shows
// the figures at that step. The address has seed and step after "#" unless they are the defaults.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const bar = document.querySelector(".walk");
  const data = window.conebench?.[bar.dataset.record];
  if (!data) return;
  const [seedBox, slider] = [byId("seed"), byId("step")];
  const first = data.seeds[0].seed;
  let box = null;

  const seed = () => data.seeds.find((s) => String(s.seed) === seedBox.value);
  const defaultIndex = (s) => {
    const first = data.w === null ? -1 : s.steps.indexOf(data.w);
    return first < 0 ? s.steps.length - 1 : first;
  };
  const number = (x, digits = 3) => (x === null ? "–" : Number(x.toPrecision(digits)).toString());

  function marker(svg, name) {
    const drawn = svg.querySelector(`.${name}`);
    if (drawn) return drawn;
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("class", `line now ${name}`);
    svg.append(line);
    return line;
  }

  function share(svg, step) {
    const { low, high, log } = svg.dataset;
    const [a, b] = [Number(low), Number(high)];
    if (log === "0") return (step - a) / (b - a);
    return Math.log(Math.max(step, a) / a) / Math.log(b / a);
  }

  function mark(svg, step) {
    const [left, top, width, height] = svg.dataset.frame.split(" ").map(Number);
    if (svg.dataset.cells) {
      const cells = svg.dataset.cells.split(" ").map(Number);
      const cell = (cells.filter((s) => s <= step).length - 0.5) / cells.length;
      const [x, y] = [left + cell * width, top + height - cell * height];
      marker(svg, "now-up").setAttribute("d", `M${x} ${top}v${height}M${left} ${y}h${width}`);
    } else if (svg.dataset.low) {
      const x = left + Math.min(Math.max(share(svg, step), 0), 1) * width;
      marker(svg, "now-up").setAttribute("d", `M${x} ${top}v${height}`);
    }
  }

  function figuresAt(s, i) {
    const figures = [`step ${s.steps[i].toLocaleString("en")}`, `S to start ${number(s.S0[i])}`];
    if (s.velocity[i] !== null) figures.push(`v ${number(s.velocity[i])} per step`);
    if (s.angle.length) figures.push(`${number(s.angle[i])}° from the axis`);
    if (s.accuracy[i] !== null) figures.push(`test accuracy ${s.accuracy[i].toFixed(1)} %`);
    return figures.join(" · ");
  }

  function showStep() {
    const [s, i] = [seed(), Number(slider.value)];
    byId("now").textContent = figuresAt(s, i);
    slider.setAttribute("aria-valuetext", figuresAt(s, i));
    for (const svg of document.querySelectorAll(".plot svg[data-frame]")) mark(svg, s.steps[i]);
    const [x, y, z] = s.picture[i];
    if (box?.data) window.Plotly.restyle(box, { x: [[x]], y: [[y]], z: [[z]] }, [box.data.length - 1]);
  }

  function showSeed() {
    for (const part of document.querySelectorAll(".of-seed")) {
      part.hidden = part.dataset.seed !== seedBox.value;
      if (part.tagName === "DETAILS") part.open = !part.hidden;
    }
    drawScene();
  }

  function writeAddress() {
    const [s, state] = [seed(), new URLSearchParams()];
    if (s.seed !== first) state.set("seed", s.seed);
    if (Number(slider.value) !== defaultIndex(s)) state.set("step", s.steps[slider.value]);
    const hash = String(state) && `#${state}`;
    history.replaceState(null, "", hash || location.href.split("#")[0]);
  }

  function readAddress() {
    seedBox.value = stated("seed") ?? first;
    if (seedBox.selectedIndex < 0) seedBox.value = first;
    goToStatedStep();
  }

  const stated = (key) => new URLSearchParams(location.hash.slice(1)).get(key);

  function goToStatedStep() {
    const [s, step] = [seed(), stated("step")];
    const at = step === null ? -1 : s.steps.indexOf(Number(step));
    slider.max = s.steps.length - 1;
    slider.value = at < 0 ? defaultIndex(s) : at;
    showSeed();
    showStep();
  }

  function scenePaths(s) {
    const from = data.w === null ? -1 : s.steps.findIndex((step) => step >= data.w);
    const split = from < 0 ? s.steps.length : from;
    const { path, color } = window.scene;
    const text = (part) => ({ text: part.map((t) => `step ${t}`), hoverinfo: "text" });
    const parts = [
      path(s.picture.slice(0, split + 1), "before w", color("c1"), text(s.steps.slice(0, split + 1))),
      path(s.picture.slice(split), "from w on", color("c0"), text(s.steps.slice(split))),
    ];
    const now = path([s.picture[slider.value] ?? s.picture[0]], "the step", color("text"));
    now.marker = { size: 5, color: color("text"), symbol: "diamond" };
    return [...parts.filter((part) => part.x.length), now];
  }

  function drawScene() {
    if (!box) return null;
    const { scene } = window;
    const layout = scene.layout({ scene: scene.cube(), uirevision: "kept" });
    return window.Plotly.react(box, scenePaths(seed()), layout, scene.CONFIG);
  }

  // Replaces the flat picture with one that rotates, once it comes into view. Without WebGL the flat
  // one stays.
  function addScene() {
    if (!document.createElement("canvas").getContext("webgl")) return;
    const section = byId("picture").closest("section");
    const watcher = new IntersectionObserver(async ([entry]) => {
      if (!entry.isIntersecting) return;
      watcher.disconnect();
      await window.scene.load();
      box = document.createElement("div");
      box.className = "scene";
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", "The path of the kernel in three dimensions; drag to turn it.");
      section.classList.add("has-scene");
      byId("picture").after(box, window.scene.turners(box));
      window.scene.inColors(drawScene);
    }, { rootMargin: "200px" });
    watcher.observe(section);
  }

  function addCopy() {
    const [command, button] = [byId("command"), document.createElement("button")];
    button.type = "button";
    button.className = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(command);
      const copied = await navigator.clipboard?.writeText(command.textContent).then(() => 1, () => 0);
      button.textContent = copied ? "Copied" : "Selected: now copy it";
    });
    command.parentElement.after(button);
  }

  seedBox.addEventListener("input", () => {
    goToStatedStep();
    writeAddress();
  });
  slider.addEventListener("input", showStep);
  // Not during a drag: browsers limit how often an address may change.
  slider.addEventListener("change", writeAddress);
  window.addEventListener("hashchange", readAddress);
  bar.hidden = false;
  readAddress();
  addScene();
  addCopy();
})();
