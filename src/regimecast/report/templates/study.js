"use strict";

// ---- which runs are shown: every filter narrows the table, every chart and every other table ----

const study = JSON.parse(document.getElementById("study-data").textContent);
const board = document.getElementById("leaderboard");
const rows = new Map([...board.tBodies[0].rows].map((row) => [Number(row.dataset.run), row]));
const labels = study.names.map((_, run) => rows.get(run).cells[0].dataset.value.toLowerCase());
const wanted = study.axes.map(() => new Set()); // values of each axis; none means all
let sought = "";
let visible = study.names.map(() => true);

function passes(run, except = -1) {
  const meets = (values, place) =>
    place === except || !values.size || values.has(study.axes[place].values[run]);
  return labels[run].includes(sought) && wanted.every(meets);
}

function showRuns() {
  visible = study.names.map((_, run) => passes(run));
  for (const item of document.querySelectorAll("tr[data-run], option[data-run]")) {
    item.hidden = item.disabled = !visible[item.dataset.run];
  }
  for (const select of document.querySelectorAll("select.choice")) {
    const open = [...select.options].filter((option) => !option.hidden);
    if (select.selectedOptions[0]?.hidden && open.length) select.value = open[0].value;
  }
  const shown = visible.filter(Boolean).length;
  const filtered = sought !== "" || wanted.some((values) => values.size);
  document.getElementById("shown").textContent = `${shown} of ${visible.length} runs`;
  document.getElementById("none").hidden = shown > 0;
  const clear = document.getElementById("clear");
  if (clear) clear.disabled = !filtered;
  showCounts();
  redraw();
}

function showCounts() {
  for (const chip of document.querySelectorAll("button.chip")) {
    const { values } = study.axes[chip.dataset.axis];
    const count = values.filter(
      (value, run) => value === chip.dataset.value && passes(run, Number(chip.dataset.axis)),
    ).length;
    chip.querySelector("small").textContent = count;
    chip.classList.toggle("idle", count === 0);
    chip.setAttribute("aria-pressed", wanted[chip.dataset.axis].has(chip.dataset.value));
  }
}

function toggleValue(axis, value) {
  if (!wanted[axis].delete(value)) wanted[axis].add(value);
  showRuns();
}

for (const chip of document.querySelectorAll("button.chip")) {
  chip.addEventListener("click", () => toggleValue(chip.dataset.axis, chip.dataset.value));
}
for (const list of document.querySelectorAll("select.values")) {
  list.addEventListener("change", () => {
    wanted[list.dataset.axis] = new Set(list.selectedIndex > 0 ? [list.value] : []);
    showRuns();
  });
}
document.getElementById("seek")?.addEventListener("input", (event) => {
  sought = event.target.value.trim().toLowerCase();
  showRuns();
});
document.getElementById("clear")?.addEventListener("click", () => {
  wanted.forEach((values) => values.clear());
  document.querySelectorAll("select.values").forEach((list) => (list.selectedIndex = 0));
  sought = document.getElementById("seek").value = "";
  showRuns();
  document.getElementById("seek").focus(); // the button that had it is disabled now
});

// ---- which runs are chosen: their equity is drawn, each in a colour it keeps ----

const chosen = new Map(); // colour by run

function choose(run, on) {
  const taken = new Set(chosen.values());
  if (!on) chosen.delete(run);
  else if (!chosen.has(run)) {
    let colour = 0;
    while (taken.has(colour)) colour += 1;
    chosen.set(run, colour);
  }
  const box = rows.get(run).querySelector("input.pick");
  if (box) box.checked = on;
}

board.addEventListener("change", (event) => {
  if (!event.target.matches("input.pick")) return;
  choose(Number(event.target.closest("tr").dataset.run), event.target.checked);
  redraw();
});
for (const [name, wants] of [
  ["pick-first", (place) => place < study.chosen.length],
  ["pick-all", () => true],
  ["pick-none", () => false],
]) {
  document.getElementById(name)?.addEventListener("click", () => {
    const order = [...rows.keys()].filter((run) => rows.get(run).querySelector("input.pick"));
    const inOrder = order.sort((a, b) => rows.get(a).rowIndex - rows.get(b).rowIndex);
    inOrder.forEach((run) => choose(run, false));
    inOrder.filter((run) => visible[run]).forEach((run, place) => choose(run, wants(place)));
    redraw();
  });
}

// ---- charts follow both ----

function ofShown(values, kept) {
  return Array.isArray(values) ? kept.map((place) => values[place]) : values;
}

function lineOf(trace, lines) {
  const colour = chosen.get(trace.meta.run);
  trace.line.color = lines[colour % lines.length];
  trace.line.dash = ["solid", "dot", "dash", "dashdot"][Math.floor(colour / lines.length) % 4];
}

adjustments.push((chart, figure) => {
  const lines = figure.layout.meta?.lines;
  figure.data = figure.data.filter(
    ({ meta }) => meta?.run === undefined || (visible[meta.run] && chosen.has(meta.run)),
  );
  for (const trace of figure.data) {
    const { run, runs, ranked } = trace.meta ?? {};
    if (run !== undefined) {
      lineOf(trace, lines);
      rows.get(run).style.setProperty("--own", trace.line.color);
    }
    if (runs === undefined) continue;
    const kept = [...runs.keys()].filter((place) => visible[runs[place]]);
    for (const key of ["x", "y", "text"]) trace[key] = ofShown(trace[key], kept);
    if (ranked) trace.x = kept.map((_, place) => place + 1);
    const bars = trace.error_y ?? {};
    for (const key of ["array", "arrayminus"]) bars[key] = ofShown(bars[key], kept);
  }
  // A legend of very many names leaves no room for their lines; pointing at one names it too.
  if (lines) figure.layout.showlegend = figure.data.length <= 20;
  const axis = figure.layout.yaxis;
  if (axis?.categoryarray === undefined) return;
  const named = new Set(figure.data.flatMap((trace) => trace.y));
  const before = axis.categoryarray.length;
  axis.categoryarray = axis.categoryarray.filter((name) => named.has(name));
  axis.range = [-0.6, axis.categoryarray.length - 0.4];
  figure.layout.height -= 24 * (before - axis.categoryarray.length);
});

function redraw() {
  drawParallel();
  if (document.documentElement.dataset.charts !== "drawn") return;
  for (const chart of charts) {
    if (chart.dataset.follows === "runs") draw(chart);
  }
}

// ---- metrics of one regime, in the leaderboard and in the table by regime ----

const overall = new Map(); // what a cell says of all regimes

function showRegime(place) {
  const everywhere = place === "all regimes";
  for (const header of board.tHead.rows[0].cells) {
    const measure = study.measures[header.dataset.measure];
    const number = header.dataset.measure && !header.classList.contains("words");
    header.classList.toggle("fixed", !everywhere && number && !measure);
    if (!measure) continue;
    header.querySelector("small").textContent = everywhere ? "" : place;
    const column = measure.columns.indexOf(place);
    for (const [run, row] of rows) {
      const cell = row.cells[header.cellIndex];
      if (!overall.has(cell)) overall.set(cell, [cell.dataset.value, [...cell.childNodes]]);
      const [value, content] = everywhere ? overall.get(cell) : inRegime(measure, run, column);
      cell.dataset.value = value;
      cell.replaceChildren(...content);
    }
  }
  const sorted = board.querySelector("th[aria-sort]");
  if (sorted) sortRows(sorted, sorted.getAttribute("aria-sort"));
}

function inRegime(measure, run, column) {
  const value = measure.values[run][column] ?? "";
  const small = document.createElement("small");
  if (value !== "") small.textContent = `n = ${measure.counts[run][column]}`;
  return [value, [measure.texts[run][column] ?? "–", small]];
}

document.getElementById("regime")?.addEventListener("change", (event) => {
  showRegime(event.target.value);
});

function showMeasure(key) {
  const measure = study.measures[key];
  const heat = document.getElementById("heat");
  document.getElementById("heat-better").textContent = `${measure.title}: ${measure.better}.`;
  for (const header of [...heat.tHead.rows[0].cells].slice(1)) {
    const column = measure.columns.indexOf(header.dataset.place);
    header.hidden = column < 0;
    for (const row of heat.tBodies[0].rows) {
      const { run } = row.dataset;
      const cell = row.cells[header.cellIndex];
      cell.hidden = column < 0;
      if (column < 0) continue;
      cell.dataset.value = measure.values[run][column] ?? "";
      cell.style.setProperty("--heat", measure.shades[run][column]);
      const small = document.createElement("small");
      if (measure.counts[run][column]) small.textContent = `n = ${measure.counts[run][column]}`;
      cell.replaceChildren(measure.texts[run][column], small);
    }
  }
  heat.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
}

document.getElementById("measure")?.addEventListener("change", (event) => {
  showMeasure(event.target.value);
});

document.getElementById("contest")?.addEventListener("change", (event) => {
  for (const contest of document.querySelectorAll(".contest")) {
    contest.hidden = contest.dataset.contest !== event.target.value;
  }
});

board.addEventListener("sorted", () => drawParallel());
study.chosen.forEach((run) => choose(run, true));
const filters = document.getElementById("filters");
if (filters && window.matchMedia("(max-width: 560px)").matches) filters.open = false;
showRuns();
