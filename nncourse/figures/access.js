// The live figure of reading one weight of a Huffman stream. Same arithmetic as nncourse.figures.access.

const SVG = "http://www.w3.org/2000/svg";
const GROUP = 16, BURST_BITS = 512;
const STRIP = { height: 58, top: 8, bar: 22, margin: 14 };
const CHART = { height: 330, left: 56, right: 14, top: 22, middle: 138, second: 176, base: 292 };
const SHOWN = {
  bytes: "File",
  of_fixed: "Of a fixed length",
  index: "The index, of the file",
  codewords: "Codewords a read, mean",
  bits: "Bits a read, mean",
  most: "Bits of the dearest read",
};

// What the readers see; `lengths` are the bits of each codeword.
export function measure(lengths, { spacing, item, fixed_bytes, other_bytes }) {
  const count = lengths.length, step = Math.min(spacing, count) || count;
  const wanted = Math.min(item, count - 1), begins = [];
  let at = 0, sum = 0, words = 0, most = 0, touched = 0;
  for (let place = 0; place < count; place += 1) {
    if (place % step === 0) begins.push(at);
    at += lengths[place];
    const read = at - begins.at(-1);
    sum += read;
    words += (place % step) + 1;
    most = Math.max(most, read);
    if (place === wanted) touched = read;
  }
  const index = indexBytes(begins);
  const bytes = other_bytes + varintBytes(step) + varintBytes(at) + index + Math.ceil(at / 8);
  return {
    bytes, index: index / bytes, of_fixed: bytes / fixed_bytes,
    codewords: words / count, bits: sum / count, most,
    begin: Math.floor(wanted / step) * step, words: (wanted % step) + 1, touched,
  };
}

// Every 16th begin whole but the first, the others as distances from there; the width of each kind in a byte.
export function indexBytes(begins) {
  const wholes = [], inner = [];
  begins.forEach((begin, i) => {
    if (i % GROUP) inner.push(begin - begins[i - (i % GROUP)]);
    else if (i) wholes.push(begin);
  });
  return 2 + packedBytes(wholes) + packedBytes(inner);
}

function packedBytes(values) {
  const width = bitLength(values.reduce((most, value) => Math.max(most, value), 0));
  let bytes = 0;
  for (let shift = 0; shift < width; shift += 16) bytes += Math.ceil((values.length * Math.min(16, width - shift)) / 8);
  return bytes;
}

function bitLength(value) {
  return value ? value.toString(2).length : 0;
}

function varintBytes(value) {
  return Math.max(Math.ceil(bitLength(value) / 7), 1);
}

function render({ model, el }) {
  const streams = model.get("streams"), spacings = model.get("spacings");
  const data = bytesOf(model.get("data"));
  const lengths = streams.map((_, number) => {
    const first = streams.slice(0, number).reduce((sum, { count }) => sum + count, 0);
    return data.subarray(first, first + streams[number].count);
  });
  const settings = (spacing = model.get("spacing")) => ({ ...streams[model.get("stream")], item: model.get("item"), spacing });
  const curves = streams.map((about, number) => spacings.map((spacing) => measure(lengths[number], { ...about, item: 0, spacing })));

  const root = add(el, "div", { class: "nnfigure nnaccess", role: "group", "aria-label": "Reading one weight of a Huffman stream" });
  const chooser = addChooser(root, streams);
  const row = add(root, "div", { class: "nnaccess-controls" });
  const spacing = addSlider(row, "spacing", "A restart point every", { min: 0, max: spacings.length - 1, step: 1 });
  const item = addSlider(row, "item", "Weight that is read", { min: 0, step: 1 });
  add(root, "p", { class: "nnaccess-caption" }, "The codewords between two restart points, to scale in bits");
  const strip = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", height: STRIP.height, "data-part": "strip" });
  const now = add(root, "p", { class: "nnaccess-now", "data-part": "now", "aria-live": "polite" });
  const chart = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", height: CHART.height, "data-part": "chart" });
  const readout = addReadout(root);
  let width = 0, updating = false;

  function draw() {
    const number = model.get("stream"), chosen = settings(), result = measure(lengths[number], chosen);
    const wanted = Math.min(chosen.item, chosen.count - 1);
    chooser.value = number;
    spacing.input.value = spacings.indexOf(chosen.spacing);
    item.input.max = chosen.count - 1;
    item.input.value = wanted;
    say(spacing, chosen.spacing ? `${thousands(chosen.spacing)} weights` : "no index");
    say(item, `${thousands(wanted)} of ${thousands(chosen.count)}`);
    drawStrip(strip, width, lengths[number], chosen, result, wanted);
    now.textContent = told(result, wanted);
    drawChart(chart, width, spacings, curves[number], chosen.spacing);
    showNumbers(readout, result);
  }
  function update(changes) {
    updating = true;
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    updating = false;
    model.save_changes();
    draw();
  }
  chooser.addEventListener("change", () => update({ stream: Number(chooser.value) }));
  spacing.input.addEventListener("input", () => update({ spacing: spacings[Number(spacing.input.value)] }));
  item.input.addEventListener("input", () => update({ item: Number(item.input.value) }));

  // Pictures are drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const pixels = Math.round(chart.getBoundingClientRect().width);
    if (pixels > 0 && pixels !== width) {
      width = pixels;
      draw();
    }
  });
  watcher.observe(root);
  const changed = () => updating || draw();
  const changes = ["change:stream", "change:spacing", "change:item"];
  for (const change of changes) model.on(change, changed);
  return () => {
    watcher.disconnect();
    for (const change of changes) model.off(change, changed);
  };
}

export default { render };

function bytesOf(data) {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

function addChooser(root, streams) {
  const id = `stream-${Math.random().toString(36).slice(2, 9)}`;
  const line = add(root, "div", { class: "nnaccess-chooser" });
  add(line, "label", { for: id }, "Stream");
  const select = add(line, "select", { id, "data-control": "stream" });
  streams.forEach(({ name }, number) => add(select, "option", { value: number }, name));
  return select;
}

function addSlider(parent, name, text, range) {
  const id = `${name}-${Math.random().toString(36).slice(2, 9)}`;
  const box = add(parent, "div");
  const line = add(box, "div", { class: "nnfigure-line" });
  add(line, "label", { for: id }, text);
  const shown = add(line, "span", { class: "nnfigure-value", "aria-hidden": "true" });
  return { shown, input: add(box, "input", { type: "range", id, ...range, "data-control": name }) };
}

function say({ input, shown }, text) {
  shown.textContent = text;
  input.setAttribute("aria-valuetext", text);
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nnfigure-readout" });
  return Object.fromEntries(Object.entries(SHOWN).map(([name, text]) => {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    return [name, add(box, "dd", { "data-number": name })];
  }));
}

function showNumbers(nodes, result) {
  nodes.bytes.textContent = `${thousands(result.bytes)} bytes`;
  for (const name of ["of_fixed", "index"]) nodes[name].textContent = `${(100 * result[name]).toFixed(1)}%`;
  for (const name of ["codewords", "bits"]) nodes[name].textContent = thousands(Number(result[name].toFixed(1)));
  nodes.most.textContent = thousands(result.most);
}

function told({ begin, words, touched }, wanted) {
  const before = words === 1 ? "is decoded at once" : `needs ${thousands(words)} codewords, one after another`;
  return `Weight ${thousands(wanted)} ${before}: from weight ${thousands(begin)} on, ${thousands(touched)} bits`;
}

function drawStrip(svg, width, lengths, { spacing, count }, { begin, touched }, wanted) {
  const step = Math.min(spacing, count) || count, end = Math.min(begin + step, count);
  let total = 0;
  for (let place = begin; place < end; place += 1) total += lengths[place];
  fresh(svg, width, STRIP.height,
    `The codewords of weights ${thousands(begin)} to ${thousands(end - 1)} take ${thousands(total)} bits; `
    + `${thousands(touched)} of them, up to weight ${thousands(wanted)}, are decoded.`);
  const x = (bits) => STRIP.margin + (bits / total) * (width - 2 * STRIP.margin);
  const bar = (from, to, shade) => add(svg, "svg:rect", {
    x: x(from), y: STRIP.top, width: Math.max(x(to) - x(from), 1), height: STRIP.bar, class: shade,
  });
  bar(0, total, "nnaccess-rest");
  bar(0, touched, "nnaccess-walk");
  // One mark a codeword, where they are wide enough to be seen.
  if ((width - 2 * STRIP.margin) / (end - begin) >= 4) {
    let bits = 0;
    for (let place = begin; place < end - 1; place += 1) {
      bits += lengths[place];
      add(svg, "svg:line", { x1: x(bits), x2: x(bits), y1: STRIP.top, y2: STRIP.top + STRIP.bar, class: "nnaccess-tick" });
    }
  }
  bar(touched - lengths[wanted], touched, "nnaccess-wanted");
  const foot = STRIP.height - 8;
  write(svg, STRIP.margin, foot, "start", `${begin ? "restart at" : "begin,"} ${thousands(begin)}`);
  write(svg, width - STRIP.margin, foot, "end", end === count ? `end, ${thousands(count)}` : `restart at ${thousands(end)}`);
}

function drawChart(svg, width, spacings, curve, spacing) {
  const { left, right, top, middle, second, base } = CHART;
  const here = spacings.indexOf(spacing), last = spacings.length - 1;
  const x = (place) => left + (place / last) * (width - left - right);
  const largest = Math.max(1.1, ...curve.map(({ of_fixed }) => of_fixed));
  const size = (share) => middle - (share / largest) * (middle - top);
  const high = Math.log10(curve[last].most), low = Math.log10(4);
  const reach = (bits) => base - ((Math.log10(Math.max(bits, 4)) - low) / (high - low)) * (base - second);
  fresh(svg, width, CHART.height,
    `Two curves over the spacing of restart points. Every ${spacings[0]} weights the file has ${(100 * curve[0].of_fixed).toFixed(0)}% of the `
    + `bytes of a fixed length and a read takes ${curve[0].bits.toFixed(0)} bits; without an index `
    + `${(100 * curve[last].of_fixed).toFixed(0)}% and ${thousands(Math.round(curve[last].bits))} bits.`);
  write(svg, left, top - 9, "start", "bytes, of a fixed length");
  write(svg, left, second - 9, "start", "bits a read; dashed: the dearest");
  for (const share of [0, 0.5, 1]) level(svg, size(share), left, width - right, `${100 * share}%`, share === 1);
  for (let power = 1; power < high; power += 1) level(svg, reach(10 ** power), left, width - right, power < 3 ? `${10 ** power}` : `10${"³⁴⁵⁶⁷"[power - 3]}`, false);
  level(svg, reach(BURST_BITS), left, width - right, "", true);
  write(svg, left + 4, reach(BURST_BITS) - 4, "start", "a burst of memory");
  spacings.forEach((each, place) => {
    const isNamed = place === last || place % (width < 480 ? 4 : 2) === 0;
    if (isNamed) write(svg, x(place), base + 18, place === last ? "end" : "middle", each ? thousands(each) : "none");
  });
  write(svg, (left + width - right) / 2, CHART.height - 4, "middle", "weights between two restart points");
  const path = (value) => curve.map((each, place) => `${place ? "L" : "M"}${x(place).toFixed(1)} ${value(each).toFixed(1)}`).join("");
  add(svg, "svg:path", { d: path((each) => size(each.of_fixed)), class: "nnaccess-size" });
  add(svg, "svg:path", { d: path((each) => reach(each.most)), class: "nnaccess-most" });
  add(svg, "svg:path", { d: path((each) => reach(each.bits)), class: "nnaccess-mean" });
  add(svg, "svg:line", { x1: x(here), x2: x(here), y1: top, y2: base, class: "nnaccess-here" });
  for (const y of [size(curve[here].of_fixed), reach(curve[here].bits)]) add(svg, "svg:circle", { cx: x(here), cy: y, r: 6, class: "nnaccess-dot" });
}

function level(svg, y, from, to, text, isRule) {
  add(svg, "svg:line", { x1: from, x2: to, y1: y, y2: y, class: isRule ? "nnaccess-rule" : "nnaccess-gridline" });
  write(svg, from - 8, y + 4, "end", text);
}

function thousands(number) {
  return number.toLocaleString("en-US");
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
