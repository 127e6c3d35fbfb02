"use strict";

const nonce = document.currentScript.nonce;

// ---- sortable tables: the button in a column's head sorts, empty cells stay last ----

function sortBy(header) {
  const table = header.closest("table");
  const column = header.cellIndex;
  const direction = header.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
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
}

for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// ---- charts: figures are stored in light colours and recoloured for dark screens ----

const darkScreen = window.matchMedia("(prefers-color-scheme: dark)");
const printing = window.matchMedia("print");
const charts = [...document.querySelectorAll("figure.chart")];

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

function draw(chart) {
  const figure = JSON.parse(coloured(chart.querySelector("script").textContent));
  const asset = chart.querySelector("select.asset")?.value;
  if (asset !== undefined) {
    for (const trace of figure.data) trace.visible = trace.meta === asset;
  }
  if (chart.querySelector("button.log")?.getAttribute("aria-pressed") === "true") {
    figure.layout[chart.dataset.logAxis].type = "log";
  }
  figure.layout.uirevision = asset ?? "kept"; // zoom and hidden lines outlive a redraw
  return Plotly.react(chart.querySelector(".plot"), figure.data, figure.layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  });
}

function drawAll() {
  charts.forEach(draw);
}

for (const chart of charts) {
  chart.querySelector("select.asset")?.addEventListener("change", () => draw(chart));
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
