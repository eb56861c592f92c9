// The live figure of a Huffman tree. Same arithmetic as nncourse.figures.prefix_tree.

const SVG = "http://www.w3.org/2000/svg";
const SYMBOLS = ["a", "b", "c", "d", "e", "f"];
const MOST = 64;
const TREE = { top: 22, level: 44, leaf: 15, knot: 15, margin: 24, height: 282 };
const SHOWN = {
  mean: "Mean codeword",
  entropy: "Entropy",
  above: "Above the entropy",
  fixed: "Fixed length",
  longest: "Longest codeword",
  kraft: "Kraft sum",
};

// The two nodes of each join, the rarer first; leaves are numbered by symbol, joins on from there.
export function joinsOf(counts) {
  const waiting = counts.map((count, node) => ({ count, node }));
  const joins = [];
  const rarest = () => {
    let best = 0;
    waiting.forEach((one, i) => {
      const other = waiting[best];
      if (one.count < other.count || (one.count === other.count && one.node < other.node)) best = i;
    });
    return waiting.splice(best, 1)[0];
  };
  while (waiting.length > 1) {
    const first = rarest(), second = rarest();
    waiting.push({ count: first.count + second.count, node: counts.length + joins.length });
    joins.push([first.node, second.node]);
  }
  return joins;
}

// The path to every node from the root: 0 to the more frequent side, 1 to the rarer one.
function pathsOf(joins, size) {
  const paths = { [size + joins.length - 1]: "" };
  for (let join = joins.length - 1; join >= 0; join -= 1) {
    const [rarer, other] = joins[join], path = paths[size + join];
    paths[other] = `${path}0`;
    paths[rarer] = `${path}1`;
  }
  return paths;
}

// Canonical codewords: by length, among equals by symbol, counting up.
function wordsOf(lengths) {
  const words = [];
  let word = 0, before = 0;
  const order = lengths.map((_, symbol) => symbol).sort((a, b) => lengths[a] - lengths[b] || a - b);
  for (const symbol of order) {
    word *= 2 ** (lengths[symbol] - before);
    before = lengths[symbol];
    words[symbol] = word.toString(2).padStart(before, "0");
    word += 1;
  }
  return words;
}

export function codeTable(counts) {
  const paths = pathsOf(joinsOf(counts), counts.length);
  const words = wordsOf(counts.map((_, symbol) => paths[symbol].length));
  return counts.map((count, symbol) => ({
    symbol: SYMBOLS[symbol], count, length: paths[symbol].length, path: paths[symbol], word: words[symbol],
  }));
}

// What the readers see, for one row of frequencies.
export function measure(counts) {
  const table = codeTable(counts), total = counts.reduce((sum, count) => sum + count, 0);
  const sum = (value) => table.reduce((all, row) => all + value(row), 0);
  const mean = sum((row) => row.count * row.length) / total;
  const entropy = sum((row) => (row.count / total) * Math.log2(total / row.count));
  return {
    mean, entropy, above: mean - entropy,
    fixed: Math.ceil(Math.log2(counts.length)),
    longest: Math.max(...table.map((row) => row.length)),
    kraft: sum((row) => 2 ** -row.length),
  };
}

function render({ model, el }) {
  const presets = model.get("presets");
  const root = add(el, "div", { class: "nnfigure nntree", role: "group", "aria-label": "A Huffman tree" });
  const chooser = addChooser(root, presets);
  const sliders = addSliders(root);
  add(root, "p", { class: "nntree-caption" }, "The tree: the two rarest are joined, again and again. A step to the left is 0, to the right 1");
  const drawing = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", height: TREE.height, "data-part": "tree" });
  const player = addPlayer(root);
  const now = add(root, "p", { class: "nntree-now", "data-part": "now", "aria-live": "polite" });
  const rows = addTable(root);
  const readout = addReadout(root);
  const last = SYMBOLS.length - 1;
  let width = 0, updating = false;

  function draw() {
    const counts = model.get("counts"), joins = joinsOf(counts), at = model.get("joins") ?? last;
    chooser.value = Object.keys(presets).find((name) => presets[name].every((count, i) => count === counts[i])) ?? "";
    SYMBOLS.forEach((symbol, i) => {
      sliders[i].input.value = counts[i];
      sliders[i].shown.textContent = counts[i];
      sliders[i].input.setAttribute("aria-valuetext", `${symbol} occurs ${counts[i]} times`);
    });
    player.joins.value = at;
    player.shown.textContent = `${at} of ${last}`;
    player.joins.setAttribute("aria-valuetext", player.shown.textContent);
    player.step.textContent = at === last ? "Start over" : "Join";
    now.textContent = told(counts, joins, at);
    drawTree(drawing, width, counts, joins, at);
    showTable(rows, codeTable(counts));
    showNumbers(readout, measure(counts));
  }
  function update(changes) {
    updating = true;
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    updating = false;
    model.save_changes();
    draw();
  }
  sliders.forEach(({ input }, i) => input.addEventListener("input", () =>
    update({ counts: model.get("counts").map((count, j) => (j === i ? Number(input.value) : count)) })));
  chooser.addEventListener("change", () => presets[chooser.value] && update({ counts: [...presets[chooser.value]] }));
  player.joins.addEventListener("input", () => update({ joins: Number(player.joins.value) }));
  player.step.addEventListener("click", () => update({ joins: ((model.get("joins") ?? last) + 1) % (last + 1) }));

  // The tree is drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const pixels = Math.round(drawing.getBoundingClientRect().width);
    if (pixels > 0 && pixels !== width) {
      width = pixels;
      draw();
    }
  });
  watcher.observe(root);
  const changed = () => updating || draw();
  const changes = ["change:counts", "change:joins"];
  for (const change of changes) model.on(change, changed);
  return () => {
    watcher.disconnect();
    for (const change of changes) model.off(change, changed);
  };
}

export default { render };

function addChooser(root, presets) {
  const id = `preset-${Math.random().toString(36).slice(2, 9)}`;
  const line = add(root, "div", { class: "nntree-chooser" });
  add(line, "label", { for: id }, "Frequencies of");
  const select = add(line, "select", { id, "data-control": "preset" });
  add(select, "option", { value: "" }, "your own");
  for (const name of Object.keys(presets)) add(select, "option", { value: name }, name);
  return select;
}

function addSliders(root) {
  const grid = add(root, "div", { class: "nntree-controls" });
  return SYMBOLS.map((symbol) => addSlider(grid, symbol, symbol, { min: 1, max: MOST, step: 1 }));
}

function addSlider(parent, name, text, range) {
  const id = `${name}-${Math.random().toString(36).slice(2, 9)}`;
  const box = add(parent, "div");
  const line = add(box, "div", { class: "nnfigure-line" });
  add(line, "label", { for: id }, text);
  const shown = add(line, "span", { class: "nnfigure-value", "aria-hidden": "true" });
  return { box, shown, input: add(box, "input", { type: "range", id, ...range, "data-control": name }) };
}

function addPlayer(root) {
  const row = add(root, "div", { class: "nntree-player" });
  const step = add(row, "button", { type: "button", "data-control": "step" });
  const { shown, input } = addSlider(row, "joins", "Joins", { min: 0, max: SYMBOLS.length - 1, step: 1 });
  return { step, joins: input, shown };
}

function addTable(root) {
  const table = add(root, "table", { class: "nntree-table" });
  add(table, "caption", {}, "The code: only the lengths come from the tree, the words are dealt out in order");
  const head = add(add(table, "thead"), "tr");
  for (const text of ["Symbol", "Count", "Length", "Path", "Codeword"]) add(head, "th", { scope: "col" }, text);
  const body = add(table, "tbody");
  return SYMBOLS.map((symbol) => {
    const row = add(body, "tr", { "data-symbol": symbol });
    add(row, "th", { scope: "row" }, symbol);
    return Object.fromEntries(["count", "length", "path", "word"].map((name) => [name, add(row, "td", { "data-cell": name })]));
  });
}

function showTable(rows, table) {
  table.forEach((row, i) => {
    for (const [name, cell] of Object.entries(rows[i])) cell.textContent = row[name];
  });
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
  for (const name of ["mean", "entropy", "above"]) nodes[name].textContent = `${result[name].toFixed(3)} bits`;
  for (const name of ["fixed", "longest"]) nodes[name].textContent = `${result[name]} bits`;
  nodes.kraft.textContent = `${result.kraft}`;
}

// The symbols below a node, in their order.
function leavesOf(node, joins, size) {
  if (node < size) return [node];
  return joins[node - size].flatMap((child) => leavesOf(child, joins, size)).sort((a, b) => a - b);
}

function countsOf(counts, joins) {
  const found = [...counts];
  for (const [one, other] of joins) found.push(found[one] + found[other]);
  return found;
}

function told(counts, joins, at) {
  const size = counts.length, sums = countsOf(counts, joins);
  const name = (node) => `${leavesOf(node, joins, size).map((leaf) => SYMBOLS[leaf]).join("")} (${sums[node]})`;
  if (at === 0) return `No join yet. The two rarest: ${name(joins[0][0])} and ${name(joins[0][1])}`;
  const [one, other] = joins[at - 1];
  const rest = joins.length - at;
  return `Join ${at} of ${joins.length}: ${name(one)} and ${name(other)} become ${sums[size + at - 1]}. `
    + (rest ? `${rest + 1} trees are left` : "One tree is left");
}

function drawTree(svg, width, counts, joins, at) {
  const size = counts.length, paths = pathsOf(joins, size), sums = countsOf(counts, joins);
  const order = counts.map((_, symbol) => symbol).sort((a, b) => (paths[a] < paths[b] ? -1 : 1));
  const x = [], y = [];
  const step = (width - 2 * TREE.margin) / (size - 1);
  order.forEach((symbol, place) => { x[symbol] = TREE.margin + place * step; });
  joins.forEach(([rarer, other], join) => { x[size + join] = (x[rarer] + x[other]) / 2; });
  for (let node = 0; node < size + joins.length; node += 1) y[node] = TREE.top + paths[node].length * TREE.level;
  fresh(svg, width, TREE.height, `Huffman tree after ${at} of ${joins.length} joins. `
    + order.map((symbol) => `${SYMBOLS[symbol]} occurs ${counts[symbol]} times, depth ${paths[symbol].length}`).join("; "));
  const drawn = size + at;
  const next = new Set(at < joins.length ? joins[at] : []);
  for (let node = size; node < drawn; node += 1) {
    joins[node - size].forEach((child, side) => {
      add(svg, "svg:line", { x1: x[node], y1: y[node], x2: x[child], y2: y[child], class: "nntree-edge" });
      // The rarer child, first in the join, lies to the right.
      write(svg, (x[node] + x[child]) / 2 + (side === 0 ? 9 : -9), (y[node] + y[child]) / 2 - 3, side === 0 ? "1" : "0", "nnfigure-label");
    });
  }
  for (let node = 0; node < drawn; node += 1) {
    const shade = `nntree-${node < size ? "leaf" : "knot"}${next.has(node) ? " nntree-next" : ""}`;
    if (node < size) {
      add(svg, "svg:rect", {
        x: x[node] - TREE.leaf, y: y[node] - TREE.leaf, width: 2 * TREE.leaf, height: 2 * TREE.leaf, rx: 4, class: shade, "data-node": node,
      });
      write(svg, x[node], y[node] + 5, SYMBOLS[node], "nntree-letter");
      write(svg, x[node], y[node] + TREE.leaf + 14, `${counts[node]}`, "nnfigure-label");
    } else {
      add(svg, "svg:circle", { cx: x[node], cy: y[node], r: TREE.knot, class: shade, "data-node": node });
      write(svg, x[node], y[node] + 5, `${sums[node]}`, "nntree-sum");
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

function write(svg, x, y, text, shade) {
  add(svg, "svg:text", { x, y, "text-anchor": "middle", class: shade }, text);
}
