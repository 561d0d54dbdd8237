// Moves one slider along training: it marks its step on every plot and shows the figures at that
// step; plots of one seed show the chosen one. The address has seed and step after "#" unless they
// are the defaults.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const bar = document.querySelector(".walk");
  const data = window.conebench?.[bar.dataset.record];
  if (!data) return;
  const { plots } = window;
  const [seedBox, slider, play] = [byId("seed"), byId("step"), byId("play")];
  const first = data.seeds[0].seed;
  const figures = [...document.querySelectorAll("[data-seeds] figure[data-plot]")];
  const firsts = new Map(figures.map((figure) => [figure, {
    data: JSON.parse(figure.dataset.plot),
    title: byId(figure.dataset.key).textContent,
    caption: figure.querySelector("figcaption").textContent,
  }]));
  let timer = null;

  const seed = () => data.seeds.find((s) => String(s.seed) === seedBox.value);
  const defaultIndex = (s) => {
    const at = data.w === null ? -1 : s.steps.indexOf(data.w);
    return at < 0 ? s.steps.length - 1 : at;
  };
  const number = (x) => (x === null ? "–" : Number(x.toPrecision(3)).toString());

  function figuresAt(s, i) {
    const found = [`step ${s.steps[i].toLocaleString("en")}`, `S to start ${number(s.S0[i])}`];
    if (s.velocity[i] !== null) found.push(`v ${number(s.velocity[i])} per step`);
    if (s.angle.length) found.push(`${number(s.angle[i])}° from the axis`);
    if (s.accuracy[i] !== null) found.push(`test accuracy ${s.accuracy[i].toFixed(1)} %`);
    return found.join(" · ");
  }

  function showStep() {
    const [s, i] = [seed(), Number(slider.value)];
    byId("now").textContent = figuresAt(s, i);
    slider.setAttribute("aria-valuetext", figuresAt(s, i));
    plots.cursor(s.steps[i]);
  }

  function showSeed() {
    for (const figure of figures) {
      const other = data.plots[figure.dataset.key]?.[seedBox.value];
      const own = firsts.get(figure);
      const caption = own.caption.replace(new RegExp(`(seed) ${first}\\b`, "i"), `$1 ${seedBox.value}`);
      const shown = other ? { data: { ...own.data, ...other }, title: other.title, caption } : own;
      byId(figure.dataset.key).textContent = shown.title;
      figure.querySelector("figcaption").textContent = shown.caption;
      const plot = plots.mount(figure);
      if (plot.data !== shown.data) plots.set(plot, shown.data);
    }
  }

  function writeAddress() {
    const [s, state] = [seed(), new URLSearchParams()];
    if (s.seed !== first) state.set("seed", s.seed);
    if (Number(slider.value) !== defaultIndex(s)) state.set("step", s.steps[slider.value]);
    const hash = String(state) && `#${state}`;
    history.replaceState(null, "", hash || location.href.split("#")[0]);
  }

  const stated = (key) => new URLSearchParams(location.hash.slice(1)).get(key);

  function readAddress() {
    seedBox.value = stated("seed") ?? first;
    if (seedBox.selectedIndex < 0) seedBox.value = first;
    goToStatedStep();
  }

  function goToStatedStep() {
    const [s, step] = [seed(), stated("step")];
    const at = step === null ? -1 : s.steps.indexOf(Number(step));
    slider.max = s.steps.length - 1;
    slider.value = at < 0 ? defaultIndex(s) : at;
    if (seedBox.value !== String(first) || figures.some((figure) => figure.plot)) showSeed();
    showStep();
  }

  function move(by) {
    slider.value = Number(slider.value) + by;
    showStep();
    writeAddress();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  function toggle() {
    if (timer !== null) { stop(); writeAddress(); return; }
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      showStep();
      if (slider.value === slider.max) stop();
    }, 250);
  }

  function addCopy(source) {
    const button = plots.button("Copy", `Copy ${source.dataset.copy}`, async () => {
      getSelection().selectAllChildren(source);
      const copied = await navigator.clipboard?.writeText(source.textContent).then(() => 1, () => 0);
      button.textContent = copied ? "Copied" : "Selected: now copy it";
    });
    source.parentElement.after(button);
  }

  seedBox.addEventListener("input", () => {
    goToStatedStep();
    writeAddress();
  });
  slider.addEventListener("input", showStep);
  // Not during a drag: browsers limit how often an address may change.
  slider.addEventListener("change", writeAddress);
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  play.addEventListener("click", toggle);
  window.addEventListener("hashchange", readAddress);
  document.querySelectorAll("[data-copy]").forEach(addCopy);
  bar.hidden = false;
  readAddress();
})();
