"use strict";

// Sliders: two versions of one image over each other, cut at the place of a range input.
for (const panel of document.querySelectorAll("[data-panel]")) {
  const slider = panel.querySelector(".slider");
  const range = slider.querySelector("input");
  const versions = panel.querySelectorAll(".strip img");
  const layers = [slider.querySelector(".before"), slider.querySelector(".after")];
  const choices = panel.querySelectorAll("select");
  const halves = [slider.querySelector(".left"), slider.querySelector(".right")];
  const cut = () => {
    slider.style.setProperty("--at", range.value + "%");
    halves[0].hidden = range.value < 12; // a label stands on its own half alone
    halves[1].hidden = range.value > 88;
  };
  const show = () => {
    choices.forEach((choice, side) => { layers[side].src = versions[choice.value].src; });
    const [left, right] = [...choices].map((choice) => choice.selectedOptions[0].textContent.trim());
    halves[0].textContent = left;
    halves[1].textContent = right;
    range.setAttribute("aria-label", `Border between ${left} on the left and ${right} on the right`);
  };
  range.addEventListener("input", cut);
  choices.forEach((choice) => choice.addEventListener("change", show));
  cut();
  show();
  slider.hidden = false;
  choices[0].parentElement.hidden = false;
}

// Charts: the value under the pointer, read off the nearest point that is drawn.
for (const chart of document.querySelectorAll(".chart")) {
  const area = chart.querySelector("svg");
  const cursor = area.querySelector(".cursor");
  const output = chart.querySelector("output");
  const rest = output.textContent;
  const [x0, x1, y0, y1, left, right, top, bottom] = area.dataset.axes.split(" ").map(Number);
  const points = [...area.querySelectorAll("polyline")].flatMap((line) =>
    line.getAttribute("points").split(" ").map((pair) => {
      const [x, y] = pair.split(",").map(Number);
      return { x, y, label: line.dataset.label };
    }));
  area.addEventListener("pointermove", (event) => {
    const box = area.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * area.viewBox.baseVal.width;
    const y = (event.clientY - box.top) / box.height * area.viewBox.baseVal.height;
    // Across first: curves are read at an iteration.
    const near = points.reduce((best, point) =>
      3 * Math.abs(point.x - x) + Math.abs(point.y - y) < 3 * Math.abs(best.x - x) + Math.abs(best.y - y) ? point : best);
    const iteration = Math.round(x0 + (near.x - left) / (right - left) * (x1 - x0));
    const value = y0 + (bottom - near.y) / (bottom - top) * (y1 - y0);
    output.textContent = `${near.label ? near.label + ", " : ""}${iteration}: ${value.toPrecision(4)}`;
    cursor.setAttribute("x1", near.x);
    cursor.setAttribute("x2", near.x);
    cursor.style.visibility = "visible";
  });
  area.addEventListener("pointerleave", () => {
    output.textContent = rest;
    cursor.style.visibility = "hidden";
  });
}
