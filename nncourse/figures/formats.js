// The live figure of storage forms. Same arithmetic as nncourse.figures.formats.

const SVG = "http://www.w3.org/2000/svg";
const CHART = { height: 320, top: 12, base: 268, left: 44, right: 14 };
const DENSITY_TICKS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const BIT_TICKS = [0.0625, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];
const CURVE_POINTS = 120;
const POINTER_BITS = 32;
const SETTINGS = ["density", "value_bits", "index_bits", "gap_bits", "columns"];
const SPARSE = ["bitmask", "csr", "runlength"];
const NAMES = {
  dense: "dense", bitmask: "bitmask", csr: "compressed rows", runlength: "run length", least: "no code of the positions gets below",
};
const SHOWN = {
  bitmask: "Bitmask, bits a weight",
  csr: "Compressed rows",
  runlength: "Run length",
  pays_bitmask: "Bitmask pays below",
  pays_csr: "Compressed rows below",
  pays_runlength: "Run length below",
};

// What the readers see, for one setting.
export function measure(settings) {
  const sizes = Object.fromEntries(["dense", ...SPARSE, "least"].map((form) => [form, bitsOf(form, settings)]));
  const pays = Object.fromEntries(SPARSE.map((form) => [`pays_${form}`, paysBelow(form, settings)]));
  return { ...sizes, ...pays };
}

// Bits a weight of one form.
export function bitsOf(form, { density, value_bits, index_bits, gap_bits, columns }) {
  if (form === "dense") return value_bits;
  if (form === "bitmask") return 1 + density * value_bits;
  if (form === "csr") {
    const stripes = Math.ceil(columns / 2 ** index_bits);
    return density * (value_bits + index_bits) + (POINTER_BITS * stripes) / columns;
  }
  if (form === "runlength") return ((value_bits + gap_bits) * density) / (1 - (1 - density) ** (2 ** gap_bits));
  return binaryEntropy(density) + density * value_bits;
}

function binaryEntropy(share) {
  if (share <= 0 || share >= 1) return 0;
  return -(share * Math.log2(share) + (1 - share) * Math.log2(1 - share));
}

// The density below which a sparse form takes fewer bits than the dense one; 0 if it never does.
export function paysBelow(form, settings) {
  const saves = (density) => bitsOf(form, { ...settings, density }) < settings.value_bits;
  let low = 0, high = 1; // at a density of 1, no sparse form saves
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (saves(middle)) low = middle;
    else high = middle;
  }
  return low > 1e-9 ? low : 0;
}

function render({ model, el }) {
  const choices = model.get("choices");
  const settings = () => Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));

  const root = add(el, "div", { class: "nnfigure nnformats", role: "group", "aria-label": "Density and the size of what is stored" });
  const controls = addControls(root, choices);
  add(root, "p", { class: "nnformats-caption" }, "Bits a weight against density; both axes logarithmic. Rings: as large as dense");
  const chart = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", height: CHART.height, "data-part": "chart" });
  addKey(root);
  const now = add(root, "p", { class: "nnformats-now", "data-part": "now", "aria-live": "polite" });
  const readout = addReadout(root);
  let width = 0;

  function draw() {
    const chosen = settings(), result = measure(chosen);
    showControls(controls, choices, chosen);
    drawChart(chart, width, chosen, result);
    now.textContent = told(chosen, result);
    showNumbers(readout, result);
  }
  for (const name of SETTINGS) {
    controls[name].input.addEventListener("input", (event) => {
      model.set(name, choices[name][Number(event.target.value)]);
      model.save_changes();
      draw();
    });
  }

  // The chart is drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const pixels = Math.round(chart.getBoundingClientRect().width);
    if (pixels > 0 && pixels !== width) {
      width = pixels;
      draw();
    }
  });
  watcher.observe(root);
  const changes = SETTINGS.map((name) => `change:${name}`);
  for (const change of changes) model.on(change, draw);
  return () => {
    watcher.disconnect();
    for (const change of changes) model.off(change, draw);
  };
}

export default { render };

function addControls(root, choices) {
  const row = add(root, "div", { class: "nnformats-controls" });
  const slider = (name, text) => addSlider(row, name, text, choices[name].length - 1);
  return {
    density: slider("density", "Weights kept"),
    value_bits: slider("value_bits", "Value"),
    index_bits: slider("index_bits", "Column index"),
    gap_bits: slider("gap_bits", "Gap"),
    columns: slider("columns", "Columns"),
  };
}

function addSlider(parent, name, text, last) {
  const id = `${name}-${Math.random().toString(36).slice(2, 9)}`;
  const box = add(parent, "div");
  const line = add(box, "div", { class: "nnfigure-line" });
  add(line, "label", { for: id }, text);
  const shown = add(line, "span", { class: "nnfigure-value", "aria-hidden": "true" });
  const range = { type: "range", id, min: 0, max: last, step: 1, "data-control": name };
  return { shown, input: add(box, "input", range) };
}

function showControls(controls, choices, chosen) {
  const stripes = Math.ceil(chosen.columns / 2 ** chosen.index_bits);
  const texts = {
    density: percent(chosen.density),
    value_bits: `${chosen.value_bits} bits`,
    index_bits: `${chosen.index_bits} bits` + (stripes > 1 ? `, ${stripes} stripes` : ""),
    gap_bits: `${chosen.gap_bits} bit${chosen.gap_bits > 1 ? "s" : ""}`,
    columns: `${chosen.columns}`,
  };
  for (const [name, text] of Object.entries(texts)) {
    const { input, shown } = controls[name];
    input.value = choices[name].indexOf(chosen[name]);
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
}

function addKey(root) {
  const key = add(root, "ul", { class: "nnfigure-key" });
  for (const [form, text] of Object.entries(NAMES)) {
    const item = add(key, "li");
    const swatch = add(item, "svg:svg", { class: "nnformats-swatch", viewBox: "0 0 26 12", "aria-hidden": "true" });
    add(swatch, "svg:line", { x1: 0, x2: 26, y1: 6, y2: 6, class: `nnformats-curve nnformats-${form}` });
    item.append(text);
  }
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nnfigure-readout" });
  const numbers = {};
  for (const [name, text] of Object.entries(SHOWN)) {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    numbers[name] = add(box, "dd", { "data-number": name });
  }
  return numbers;
}

function showNumbers(nodes, result) {
  for (const name of SPARSE) {
    nodes[name].textContent = result[name].toFixed(3);
    const pays = result[`pays_${name}`];
    nodes[`pays_${name}`].textContent = `${(100 * pays).toFixed(1)}%`;
  }
}

function told(chosen, result) {
  const smallest = ["dense", ...SPARSE].reduce((best, form) => (result[form] < result[best] ? form : best));
  const times = result.dense / result[smallest];
  return `At a density of ${percent(chosen.density)} the smallest form is ${NAMES[smallest]}, `
    + (smallest === "dense" ? "with " : `${times.toFixed(2)} times smaller than dense, with `)
    + `${result[smallest].toFixed(3)} bits a weight; kept values and the entropy of their positions take ${result.least.toFixed(3)}.`;
}

function percent(share) {
  return `${Number((100 * share).toFixed(1))}%`;
}

function drawChart(svg, width, chosen, result) {
  const { top, base, left, right } = CHART;
  const [first, last] = [DENSITY_TICKS[0], 1], [low, high] = [BIT_TICKS[0], BIT_TICKS.at(-1)];
  const x = (density) => left + (Math.log(density / first) / Math.log(last / first)) * (width - left - right);
  const y = (bits) => base - (Math.log(Math.max(bits, low) / low) / Math.log(high / low)) * (base - top);
  const paying = SPARSE.map((form) => (result[`pays_${form}`] > 0
    ? `${NAMES[form]} below ${(100 * result[`pays_${form}`]).toFixed(1)}%` : `${NAMES[form]} nowhere`));
  fresh(svg, width, CHART.height, `Bits a weight against density for values of ${chosen.value_bits} bits. `
    + `Smaller than dense are ${paying.join(", ")}.`);
  for (const tick of DENSITY_TICKS) {
    add(svg, "svg:line", { x1: x(tick), x2: x(tick), y1: top, y2: base, class: "nnformats-gridline" });
    if (tick !== 0.5 || x(1) - x(tick) > 70) write(svg, x(tick), base + 18, tick === 1 ? "end" : "middle", percent(tick));
  }
  for (const tick of BIT_TICKS) {
    add(svg, "svg:line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "nnformats-gridline" });
    if (Number.isInteger(Math.log2(tick) / 2)) write(svg, left - 8, y(tick) + 4, "end", tick < 1 ? `1/${1 / tick}` : `${tick}`);
  }
  write(svg, (left + width - right) / 2, CHART.height - 8, "middle", "weights kept");
  const densities = Array.from({ length: CURVE_POINTS + 1 }, (_, i) => first * (last / first) ** (i / CURVE_POINTS));
  for (const form of ["least", "dense", ...SPARSE]) {
    const points = densities.map((density) => [x(density), y(bitsOf(form, { ...chosen, density }))]);
    const path = points.map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
    add(svg, "svg:path", { d: path, class: `nnformats-curve nnformats-${form}`, "data-form": form });
  }
  const here = x(chosen.density);
  add(svg, "svg:line", { x1: here, x2: here, y1: top, y2: base, class: "nnformats-here" });
  for (const form of ["dense", ...SPARSE]) {
    add(svg, "svg:circle", { cx: here, cy: y(result[form]), r: 4.5, class: `nnformats-dot nnformats-${form}` });
  }
  for (const form of SPARSE) {
    const pays = result[`pays_${form}`];
    if (pays >= first) {
      add(svg, "svg:circle", { cx: x(pays), cy: y(result.dense), r: 6, class: `nnformats-cross nnformats-${form}`, "data-cross": form });
    }
  }
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
  add(svg, "svg:text", { x, y, "text-anchor": anchor, class: "nnfigure-label" }, text);
}
