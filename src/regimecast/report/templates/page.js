"use strict";

const nonce = document.currentScript.nonce;

// ---- sortable tables: the button in a column's head sorts, empty cells stay last ----

function sortRows(header, direction) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const sign = direction === "ascending" ? 1 : -1;
  const value = (row) => row.cells[column].dataset.value ?? "";
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === "" || right === "") return (left === "") - (right === "");
    const difference = Number(left) - Number(right);
    return sign * (Number.isNaN(difference) ? left.localeCompare(right) : difference);
  });
  table.tHead.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", direction);
  table.tBodies[0].append(...rows);
  table.dispatchEvent(new Event("sorted"));
}

function sortBy(header) {
  const before = header.getAttribute("aria-sort");
  const other = { ascending: "descending", descending: "ascending" };
  sortRows(header, before === null ? (header.dataset.best ?? "descending") : other[before]);
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// ---- charts: figures are stored in light colours and recoloured for dark screens ----

const darkScreen = window.matchMedia("(prefers-color-scheme: dark)");
const printing = window.matchMedia("print");
const charts = [...document.querySelectorAll("figure.chart")];
const adjustments = []; // functions of a chart and its figure, called before it is drawn

async function loadPlotly() {
  const packed = atob(document.getElementById("plotly-gzip").textContent);
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.nonce = nonce;
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

function coloured(json) {
  if (!darkScreen.matches || printing.matches) return json;
  const dark = JSON.parse(document.getElementById("dark-colours").textContent);
  return json.replace(/#[0-9a-f]{6}/g, (colour) => dark[colour] ?? colour);
}

function figureOf(chart) {
  const figure = JSON.parse(coloured(chart.querySelector("script").textContent));
  for (const trace of figure.data) {
    for (const key of ["x", "y", "customdata"]) {
      const place = trace[key]?.shared;
      if (place !== undefined) trace[key] = figure.shared[place];
    }
  }
  return figure;
}

function draw(chart) {
  const figure = figureOf(chart);
  const choice = chart.querySelector("select.choice")?.value;
  if (choice !== undefined) {
    for (const trace of figure.data) trace.visible = trace.meta === choice;
  }
  if (chart.querySelector("button.log")?.getAttribute("aria-pressed") === "true") {
    figure.layout[chart.dataset.logAxis].type = "log";
  }
  for (const adjust of adjustments) adjust(chart, figure);
  figure.layout.uirevision = choice ?? "kept"; // zoom and hidden lines outlive a redraw
  const plot = chart.querySelector(".plot");
  plot.style.height = `${figure.layout.height}px`;
  return Plotly.react(plot, figure.data, figure.layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
}

function drawAll() {
  charts.forEach(draw);
}

for (const chart of charts) {
  chart.querySelector("select.choice")?.addEventListener("change", () => draw(chart));
  chart.querySelector("button.log")?.addEventListener("click", (event) => {
    const button = event.currentTarget;
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    draw(chart);
  });
}

if (charts.length) {
  loadPlotly().then(() => {
    drawAll();
    darkScreen.addEventListener("change", drawAll);
    printing.addEventListener("change", drawAll);
    document.documentElement.dataset.charts = "drawn";
  });
}
