// Loads Plotly when it is first needed, and draws paths of kernels in three dimensions.
"use strict";
window.scene = (() => {
  const here = document.currentScript.src;
  const EYE = { x: 1.5, y: 1.5, z: 1.1 };
  let loading = null;

  function load() {
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL("vendor/plotly-gl3d.min.js", here);
      script.addEventListener("load", () => done(window.Plotly));
      script.addEventListener("error", () => failed(new Error("Plotly cannot be loaded")));
      document.head.append(script);
    });
    return loading;
  }

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  // Returns an axis in the colors of the page.
  function axis(title, more = {}) {
    const colors = { color: color("text"), gridcolor: color("rule"), zerolinecolor: color("rule") };
    return { title: { text: title }, ...colors, ...more };
  }

  function layout(more) {
    return {
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { color: color("text"), family: "system-ui, sans-serif", size: 12 },
      margin: { l: 0, r: 0, t: 0, b: 0 },
      legend: { orientation: "h", y: 0, yanchor: "top" },
      ...more,
    };
  }

  const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };

  function path(points, name, ink, more = {}) {
    const [x, y, z] = [0, 1, 2].map((i) => points.map((point) => point[i]));
    const marker = { size: 3, color: ink };
    return { type: "scatter3d", mode: "lines+markers", name, x, y, z, marker,
      line: { color: ink, width: 4 }, hoverinfo: "name", ...more };
  }

  // Turns the picture about the upright axis, for readers without a pointer.
  function turn(box, degrees) {
    const eye = box.layout.scene.camera?.eye ?? EYE;
    const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const turned = { x: c * eye.x - s * eye.y, y: s * eye.x + c * eye.y, z: eye.z };
    return window.Plotly.relayout(box, { "scene.camera.eye": turned });
  }

  function turners(box) {
    const bar = document.createElement("p");
    for (const [label, degrees] of [["Turn left", -15], ["Turn right", 15]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = label;
      button.addEventListener("click", () => turn(box, degrees));
      bar.append(button, " ");
    }
    return bar;
  }

  function cube() {
    const bare = { showspikes: false, showbackground: false };
    const axes = ["first", "second", "third"].map((name) => axis(name, bare));
    return { xaxis: axes[0], yaxis: axes[1], zaxis: axes[2], aspectmode: "data",
      camera: { eye: EYE } };
  }

  // Calls `draw` now and whenever the color scheme changes.
  function inColors(draw) {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return draw();
  }

  return { load, color, axis, layout, path, turners, cube, inColors, CONFIG };
})();
