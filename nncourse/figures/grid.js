// The live figure of the uniform grid. Same arithmetic as nncourse.figures.grid.numbers: float32 through
// Math.fround, ties to the even code, sums in float64.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 14, BAR_PIXELS = 5;
const PLOT = { height: 232, top: 8, base: 200 };
const CURVE = { height: 128, top: 30, base: 98 };
const REACHES = Array.from({ length: 39 }, (_, i) => 0.05 + 0.025 * i);
const SHOWN = {
  step: "Step",
  levels: "Levels in use",
  clipped: "Clipped",
  error: "Mean squared error",
  sqnr_db: "Signal to noise",
  bytes: "Bytes",
};

// What the readers see; `values` is a Float32Array, ascending; `count` is the size of the stored layer.
export function measure(values, count, bits, reach, scheme) {
  const grid = gridOf(values, bits, reach, scheme);
  const { qmin, qmax, zero, scale } = grid;
  const inverse = Math.fround(1 / scale);
  const counts = new Float64Array(qmax - qmin + 1);
  const lowest = (qmin - zero) * scale - scale / 2;
  const highest = (qmax - zero) * scale + scale / 2;
  let error = 0, power = 0, clipped = 0;
  for (const x of values) {
    const code = Math.min(Math.max(rint(Math.fround(x * inverse)) + zero, qmin), qmax);
    const distance = x - Math.fround((code - zero) * scale);
    error += distance * distance;
    power += x * x;
    clipped += x < lowest || x > highest ? 1 : 0;
    counts[code - qmin] += 1;
  }
  return {
    grid,
    counts,
    step: scale,
    levels: counts.reduce((sum, n) => sum + (n > 0 ? 1 : 0), 0),
    clipped: clipped / values.length,
    error: error / values.length,
    sqnr_db: 10 * Math.log10(power / error),
    bytes: Math.ceil((count * bits) / 8) + (scheme === "symmetric" ? 4 : 6),
  };
}

function gridOf(values, bits, reach, scheme) {
  const low = reach * Math.min(values[0], 0);
  const high = reach * Math.max(values[values.length - 1], 0);
  if (scheme === "symmetric") {
    const qmax = 2 ** (bits - 1) - 1;
    return { qmin: -qmax, qmax, zero: 0, scale: Math.fround(Math.max(-low, high) / qmax) };
  }
  const qmax = 2 ** bits - 1;
  const scale = Math.fround((high - low) / qmax);
  return { qmin: 0, qmax, zero: Math.min(Math.max(rint(-low / scale), 0), qmax), scale };
}

function rint(x) {
  const up = Math.round(x);
  return Math.abs(x % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function render({ model, el }) {
  const values = floats(model.get("data"));
  const count = model.get("count");
  const label = model.get("label");
  const largest = Math.max(-values[0], values[values.length - 1]);
  const errorsOf = remembered((bits, scheme) =>
    REACHES.map((reach) => measure(values, count, bits, reach, scheme).error));

  const root = add(el, "div", { class: "nngrid", role: "group", "aria-label": `Uniform grid on ${label}` });
  const controls = addControls(root);
  addKey(root, label, values.length, count);
  const plot = addPicture(root, PLOT.height);
  const curve = addPicture(root, CURVE.height);
  const readout = addReadout(root);

  let width = 0;
  function draw() {
    const [bits, reach, scheme] = ["bits", "reach", "scheme"].map((name) => model.get(name));
    const result = measure(values, count, bits, reach, scheme);
    showControls(controls, bits, reach, scheme);
    drawGrid(plot, width, values, largest, label, result);
    drawCurve(curve, width, errorsOf(bits, scheme), reach, result.error);
    showNumbers(readout, result);
  }
  // Pictures are drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const present = Math.round(plot.getBoundingClientRect().width);
    if (present > 0 && present !== width) {
      width = present;
      draw();
    }
  });
  watcher.observe(root);

  const set = (name, value) => {
    model.set(name, value); // the change listener draws
    model.save_changes();
  };
  controls.bits.input.addEventListener("input", (event) => set("bits", Number(event.target.value)));
  controls.reach.input.addEventListener("input", (event) => set("reach", Number(event.target.value) / 100));
  controls.scheme.addEventListener("change", (event) => set("scheme", event.target.value));
  const changes = ["change:bits", "change:reach", "change:scheme"];
  for (const change of changes) model.on(change, draw);

  return () => {
    watcher.disconnect();
    for (const change of changes) model.off(change, draw);
  };
}

export default { render };

function addControls(root) {
  const unique = Math.random().toString(36).slice(2, 9);
  const row = add(root, "div", { class: "nngrid-controls" });
  const slider = (name, text, min, max, step) => {
    const box = add(row, "div", { class: "nngrid-control" });
    const id = `${name}-${unique}`;
    const line = add(box, "div", { class: "nngrid-line" });
    add(line, "label", { for: id }, text);
    const shown = add(line, "span", { class: "nngrid-value", "aria-hidden": "true" });
    return { shown, input: add(box, "input", { type: "range", id, min, max, step, "data-control": name }) };
  };
  const bits = slider("bits", "Bits", 2, 8, 1);
  const reach = slider("reach", "Range", 5, 100, 0.5);
  const box = add(row, "div", { class: "nngrid-control" });
  add(add(box, "div", { class: "nngrid-line" }), "label", { for: `scheme-${unique}` }, "Scheme");
  const scheme = add(box, "select", { id: `scheme-${unique}`, "data-control": "scheme" });
  for (const name of ["symmetric", "asymmetric"]) add(scheme, "option", { value: name }, name);
  return { bits, reach, scheme };
}

function showControls({ bits, reach, scheme }, width, share, kind) {
  bits.input.value = width;
  bits.shown.textContent = width;
  reach.input.value = 100 * share;
  reach.shown.textContent = `${(100 * share).toFixed(1)}% of max`;
  reach.input.setAttribute("aria-valuetext", reach.shown.textContent);
  scheme.value = kind;
}

function addKey(root, label, drawn, count) {
  const key = add(root, "ul", { class: "nngrid-key" });
  const size = drawn === count ? count.toLocaleString("en-US")
    : `${drawn.toLocaleString("en-US")} of ${count.toLocaleString("en-US")}`;
  for (const [name, text] of [
    ["bar", `${label}: ${size}`],
    ["stem", "grid mark, as tall as it has values"],
    ["clipped", "clipped"],
  ]) {
    const item = add(key, "li");
    add(item, "span", { class: `nngrid-swatch nngrid-swatch-${name}` });
    item.append(text);
  }
}

function addPicture(root, height) {
  return add(root, "svg:svg", { role: "img", class: "nngrid-plot", height });
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nngrid-readout", "aria-live": "polite" });
  const numbers = {};
  for (const [name, text] of Object.entries(SHOWN)) {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    numbers[name] = add(box, "dd", { "data-number": name });
  }
  return numbers;
}

function showNumbers(numbers, result) {
  numbers.step.textContent = result.step.toPrecision(4);
  numbers.levels.textContent = `${result.levels} of ${result.counts.length}`;
  numbers.clipped.textContent = `${(100 * result.clipped).toFixed(2)}%`;
  const [digits, exponent] = result.error.toExponential(4).split("e");
  numbers.error.replaceChildren(`${digits} × 10`);
  add(numbers.error, "sup", {}, typeset(Number(exponent)));
  numbers.sqnr_db.textContent = result.error > 0 ? `${typeset(result.sqnr_db.toFixed(2))} dB` : "∞ dB";
  numbers.bytes.textContent = result.bytes.toLocaleString("en-US");
}

function drawGrid(svg, width, values, largest, label, { grid, counts, levels }) {
  const { top, base } = PLOT;
  const x = (value) => MARGIN + ((value + largest) / (2 * largest)) * (width - 2 * MARGIN);
  const mark = (code) => (code - grid.zero) * grid.scale;
  const lowest = mark(grid.qmin), highest = mark(grid.qmax);
  fresh(svg, width, PLOT.height,
    `Histogram of ${values.length} ${label} with a grid of ${counts.length} marks, ${levels} levels in use, ` +
    `from ${lowest.toPrecision(3)} to ${highest.toPrecision(3)}.`);
  for (const [from, to] of [[-largest, lowest - grid.scale / 2], [highest + grid.scale / 2, largest]]) {
    if (to > from) {
      add(svg, "svg:rect", { x: x(from), y: top, width: x(to) - x(from), height: base - top, class: "nngrid-clipped" });
    }
  }
  const bars = histogram(values, largest, Math.round((width - 2 * MARGIN) / BAR_PIXELS));
  const barWidth = (width - 2 * MARGIN) / bars.length;
  const peak = Math.max(...bars);
  bars.forEach((n, i) => {
    const height = (base - top) * (n / peak);
    add(svg, "svg:rect", { x: MARGIN + i * barWidth, y: base - height, width: barWidth * 0.9, height, class: "nngrid-bar" });
  });
  const tallest = Math.max(...counts);
  const stroke = Math.min(3, Math.max(0.6, (x(grid.scale) - x(0)) / 3)).toFixed(2);
  counts.forEach((n, i) => {
    const at = x(mark(grid.qmin + i));
    if (at < MARGIN - 1 || at > width - MARGIN + 1) return;
    const y2 = base - (base - top) * (n / tallest);
    add(svg, "svg:line", { x1: at, x2: at, y1: base + 7, y2, "stroke-width": stroke, class: "nngrid-stem" });
  });
  add(svg, "svg:line", { x1: MARGIN, x2: width - MARGIN, y1: base, y2: base, class: "nngrid-axis" });
  write(svg, MARGIN, base + 25, "start", typeset((-largest).toPrecision(3)));
  write(svg, width / 2, base + 25, "middle", "0");
  write(svg, width - MARGIN, base + 25, "end", largest.toPrecision(3));
}

function drawCurve(svg, width, errors, reach, error) {
  // A grid that meets every value has no logarithm: it is drawn on the floor.
  const positive = [...errors, error].filter((value) => value > 0).map(Math.log10);
  const bottom = Math.min(...positive), span = Math.max(...positive) - bottom || 1;
  const x = (share) => MARGIN + ((share - 0.05) / 0.95) * (width - 2 * MARGIN);
  const y = (value) => CURVE.base - (value > 0 ? (Math.log10(value) - bottom) / span : 0) * (CURVE.base - CURVE.top);
  fresh(svg, width, CURVE.height, "Mean squared error against range, for the chosen bits and scheme.");
  write(svg, MARGIN, 16, "start", "Mean squared error against range (log scale)");
  add(svg, "svg:line", { x1: MARGIN, x2: width - MARGIN, y1: CURVE.base + 8, y2: CURVE.base + 8, class: "nngrid-axis" });
  const path = errors.map((value, i) => `${i ? "L" : "M"}${x(REACHES[i]).toFixed(1)} ${y(value).toFixed(1)}`);
  add(svg, "svg:path", { d: path.join(""), class: "nngrid-curve" });
  add(svg, "svg:circle", { cx: x(reach), cy: y(error), r: 6, class: "nngrid-dot" });
  write(svg, MARGIN, CURVE.height - 4, "start", "5%");
  write(svg, x(0.5), CURVE.height - 4, "middle", "50%");
  write(svg, width - MARGIN, CURVE.height - 4, "end", "100%");
}

function histogram(values, largest, bins) {
  const counts = new Float64Array(bins);
  for (const x of values) {
    counts[Math.min(Math.floor(((x + largest) / (2 * largest)) * bins), bins - 1)] += 1;
  }
  return counts;
}

function floats(data) {
  const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
  return new Float32Array(bytes.slice().buffer);
}

function remembered(compute) {
  const known = new Map();
  return (...key) => {
    const name = key.join(" ");
    if (!known.has(name)) known.set(name, compute(...key));
    return known.get(name);
  };
}

function add(parent, tag, attributes = {}, text) {
  const node = tag.startsWith("svg:")
    ? document.createElementNS(SVG, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  parent.appendChild(node);
  return node;
}

function fresh(svg, width, height, title) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  svg.setAttribute("aria-label", title);
}

function write(svg, x, y, anchor, text) {
  add(svg, "svg:text", { x, y, "text-anchor": anchor, class: "nngrid-label" }, text);
}

function typeset(number) {
  return String(number).replace("-", "\u2212");
}
