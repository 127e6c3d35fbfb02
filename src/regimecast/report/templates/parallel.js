"use strict";

// ---- parallel coordinates: a line per run through its settings, coloured by the sorted column ----

const parallel = document.getElementById("parallel");
const MARGIN = 16;

function mark(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function write(text, at, parent, room = Infinity) {
  const element = mark("text", at, parent);
  const most = Math.max(3, Math.floor(room / 6.6));
  element.textContent = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  if (text.length > most) mark("title", {}, element).textContent = text;
  return element;
}

/** Position from 0 to 1 on a scale of numbers. */
function scale(values, bend = (value) => value) {
  const known = values.filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const reach = bend(high) - bend(low);
  return (value) => (reach > 0 ? (bend(value) - bend(low)) / reach : 0.5);
}

/** The column that the runs are compared by: the one sorted by, else the first of numbers. */
function comparedColumn() {
  const heads = [...board.tHead.rows[0].cells];
  const sorted = heads.find((head) => head.ariaSort && !head.classList.contains("words"));
  return sorted ?? heads.find((head) => head.dataset.best && !head.classList.contains("words"));
}

function comparedRuns(head) {
  return study.names
    .map((name, run) => {
      const cell = rows.get(run).cells[head.cellIndex];
      const text = cell.firstChild?.textContent.trim() ?? "";
      return { run, name, text, value: cell.dataset.value === "" ? NaN : Number(cell.dataset.value) };
    })
    .filter(({ run, value }) => visible[run] && Number.isFinite(value));
}

/** Axes as { title, place(run), ticks: [[position, text, value]] }, positions from 0 to 1. */
function namedAxis(axis, place, ordered) {
  const seen = axis.choices.filter((choice) => ordered.some(({ run }) => axis.values[run] === choice));
  const position = new Map();
  seen.forEach((choice, index) => {
    const own = ordered.filter(({ run }) => axis.values[run] === choice);
    own.forEach(({ run }, rank) => {
      const within = own.length > 1 ? rank / (own.length - 1) - 0.5 : 0;
      position.set(run, (index + 0.5 + 0.6 * within) / seen.length);
    });
  });
  const ticks = seen.map((choice, index) => [(index + 0.5) / seen.length, choice || "–", choice]);
  return { title: axis.key, place, ticks, at: (run) => position.get(run), room: 1 / seen.length };
}

function numberAxis(axis, place, ordered) {
  const values = ordered.map(({ run }) => parseFloat(axis.values[run])).filter(Number.isFinite);
  const far = Math.min(...values) > 0 && Math.max(...values) > 50 * Math.min(...values);
  const at = scale(values, far ? Math.log : undefined); // such as a learning rate
  const known = axis.choices.filter((choice) => ordered.some(({ run }) => axis.values[run] === choice));
  const step = Math.max(1, Math.ceil((known.length - 1) / 3));
  const shown = known.filter((_, index) => index % step === 0 || index === known.length - 1);
  const ticks = shown.filter(Boolean).map((choice) => [at(parseFloat(choice)), choice, null]);
  return { title: axis.key, place, ticks, at: (run) => at(parseFloat(axis.values[run])), room: 0.25 };
}

function metricAxis(head, ordered) {
  const at = scale(ordered.map(({ value }) => value));
  const better = head.dataset.best === "ascending" ? (value) => 1 - at(value) : at;
  const ends = [ordered[0], ordered[ordered.length - 1]];
  const values = new Map(ordered.map(({ run, value }) => [run, better(value)]));
  const ticks = ends.map(({ value, text }) => [better(value), text, null]);
  const title = head.querySelector("button").textContent;
  return { title, place: -1, ticks, at: (run) => values.get(run), room: 0.5 };
}

function drawParallel() {
  if (!parallel) return;
  const head = comparedColumn();
  const runs = head ? comparedRuns(head) : [];
  parallel.replaceChildren();
  const said = document.getElementById("parallel-said");
  said.textContent = runs.length ? "" : "No run that is shown has a value to compare by.";
  if (!runs.length) return;
  const sign = head.dataset.best === "ascending" ? -1 : 1;
  const ordered = runs.sort((a, b) => sign * (a.value - b.value)); // the best last, on top
  const axes = study.axes
    .map((axis, place) => (axis.numeric ? numberAxis : namedAxis)(axis, place, ordered))
    .concat(metricAxis(head, ordered));
  const width = parallel.clientWidth;
  const upright = width / axes.length >= 118;
  const layout = upright ? uprightLayout(axes, width) : stackedLayout(axes, width);
  const svg = mark("svg", { width, height: layout.height, role: "img" }, parallel);
  svg.setAttribute("aria-label", `${runs.length} runs by their settings and ${axes.at(-1).title}`);
  for (const line of ordered) drawLine(svg, line, axes, layout, said);
  axes.forEach((axis, index) => layout.axis(svg, axis, index));
}

function drawLine(svg, { run, name, text }, axes, layout, said) {
  const goodness = 100 * axes.at(-1).at(run);
  const path = mark("path", { d: layout.path((axis) => axis.at(run)), class: "run" }, svg);
  path.style.stroke = `color-mix(in oklab, var(--worst), var(--best) ${goodness.toFixed(0)}%)`;
  path.classList.toggle("chosen", chosen.size <= 20 && chosen.has(run));
  const title = axes.at(-1).title;
  path.addEventListener("pointerenter", () => {
    said.textContent = `${name}: ${title} ${text}`;
    path.classList.add("lit");
  });
  path.addEventListener("pointerleave", () => path.classList.remove("lit"));
}

function curve(points, upright) {
  const known = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  return known
    .map(([x, y], index) => {
      if (index === 0) return `M${x.toFixed(1)},${y.toFixed(1)}`;
      const [left, top] = known[index - 1];
      const bend = upright
        ? [(left + x) / 2, top, (left + x) / 2, y]
        : [left, (top + y) / 2, x, (top + y) / 2];
      return `C${bend.map((value) => value.toFixed(1)).join(",")},${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join("");
}

/** A value on an axis, in a box of its own so that it can be read among the lines. */
function tickText(svg, [, text, value], axis, { x, y }, room) {
  const group = mark("g", { class: value === null ? "tick" : "tick named" }, svg);
  const box = mark("rect", {}, group);
  const label = write(text, { x, y, "text-anchor": "middle" }, group, room);
  const half = label.getComputedTextLength() / 2 + 6;
  const inside = Math.min(Math.max(x, half), svg.clientWidth - half);
  label.setAttribute("x", inside);
  const sides = { x: inside - half, y: y - 14, width: 2 * half, height: 20, rx: 10 };
  for (const [key, side] of Object.entries(sides)) box.setAttribute(key, side);
  if (value !== null) group.addEventListener("click", () => toggleValue(axis.place, value));
}

/** Axes side by side, the best at the top. */
function uprightLayout(axes, width) {
  const [top, height, margin] = [52, 340, 64];
  const x = (index) => margin + (index * (width - 2 * margin)) / (axes.length - 1);
  const y = (position) => height - MARGIN - position * (height - MARGIN - top);
  const spacing = x(1) - x(0);
  return {
    height,
    path: (at) => curve(axes.map((axis, index) => [x(index), y(at(axis))]), true),
    axis: (svg, axis, index) => {
      mark("line", { x1: x(index), x2: x(index), y1: y(0), y2: y(1), class: "axis" }, svg);
      const last = index === axes.length - 1;
      const title = { x: last ? width : x(index), y: 16, class: "title" };
      title["text-anchor"] = last ? "end" : index ? "middle" : "start";
      if (!index) title.x = 0;
      write(axis.title, title, svg, spacing - 8);
      for (const tick of axis.ticks) {
        tickText(svg, tick, axis, { x: x(index), y: y(tick[0]) + 4 }, spacing - 24);
      }
    },
  };
}

/** Axes one below the other, for a narrow screen; the best at the right. */
function stackedLayout(axes, width) {
  const spacing = 78;
  const x = (position) => MARGIN + position * (width - 2 * MARGIN);
  const y = (index) => 38 + index * spacing;
  return {
    height: y(axes.length - 1) + 20,
    path: (at) => curve(axes.map((axis, index) => [x(at(axis)), y(index)]), false),
    axis: (svg, axis, index) => {
      mark("line", { x1: x(0), x2: x(1), y1: y(index), y2: y(index), class: "axis" }, svg);
      write(axis.title, { x: MARGIN, y: y(index) - 16, class: "title" }, svg, width - 2 * MARGIN);
      const room = axis.room * (width - 2 * MARGIN) - 6;
      for (const tick of axis.ticks) {
        tickText(svg, tick, axis, { x: x(tick[0]), y: y(index) + 4 }, room - 14);
      }
    },
  };
}

if (parallel) {
  let width = parallel.clientWidth;
  new ResizeObserver(() => {
    if (parallel.clientWidth === width) return;
    width = parallel.clientWidth;
    drawParallel();
  }).observe(parallel);
}
