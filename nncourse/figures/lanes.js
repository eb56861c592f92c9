// The live figure of lanes that wait for each other. Same arithmetic as nncourse.figures.lanes: the closed
// form behind a barrier, and for queues a simulation whose random numbers both sides make alike.

const SVG = "http://www.w3.org/2000/svg";
const GROUPS_SIMULATED = 256, LANES_DRAWN = 16, MIN_GROUPS_DRAWN = 3, CYCLES_DRAWN = 60;
const MARGIN = 14;
const PICTURE = { row: 13, gap: 2, top: 6, foot: 22 };
const CHART = { height: 250, top: 12, base: 206, left: 40, right: 14 };
const FEWER = [1, 2, 3, 5, 10, 20];
const DENSITIES = Array.from({ length: 25 }, (_, i) => 0.05 * 20 ** (i / 24));
const STEP_MILLISECONDS = 130;
const SETTINGS = ["lanes", "density", "group", "queue_depth", "seed"];
const SHOWN = {
  speedup: "Speed-up",
  ideal: "Operations, fewer by",
  share: "Share of the ideal",
  work: "Kept in a group, average",
  cycles: "Cycles a group takes",
  waiting: "Waiting, in the picture",
};

// What the readers see, for one setting.
export function measure(settings) {
  const { group, density } = settings;
  const cycles = cyclesOfGroup(settings);
  return {
    speedup: group / cycles, ideal: 1 / density, share: (density * group) / cycles,
    work: density * group, cycles, waiting: picture(settings).waiting,
  };
}

function cyclesOfGroup(settings) {
  const { lanes, group, queue_depth, density } = settings;
  if (queue_depth === 1) return expectedMax(lanes, group, density);
  return simulate(settings).done.at(-1) / GROUPS_SIMULATED;
}

// Expected largest of `lanes` binomial counts: sum over k of 1 - F(k)^lanes.
export function expectedMax(lanes, group, density) {
  return below(group, density).slice(0, -1).reduce((sum, share) => sum + 1 - share ** lanes, 0);
}

// Chances of at most 0, 1, ... `group` kept of `group`; in logarithms, where the first underflow.
function below(group, density) {
  if (density >= 1) return Array.from({ length: group + 1 }, (_, k) => (k < group ? 0 : 1));
  const shares = [];
  let sum = 0, logarithm = group * Math.log1p(-density);
  for (let k = 0; k < group; k += 1) {
    sum += Math.exp(logarithm);
    shares.push(Math.min(sum, 1));
    logarithm += Math.log(((group - k) * density) / ((k + 1) * (1 - density)));
  }
  return [...shares, 1];
}

// A number in (0, 1) for each place of the stream of a seed: the finalizer of MurmurHash3 on a counter.
export function uniform(seed, place) {
  return (mixed((mixed(seed) + place) >>> 0) + 0.5) / 2 ** 32;
}

function mixed(word) {
  let h = word >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
  return (h ^ (h >>> 16)) >>> 0;
}

// When the work of each lane in each group begins and ends, and when the slowest lane is done.
function simulate({ lanes, group, queue_depth, density, seed }) {
  const shares = below(group, density);
  const start = [], finish = [], done = [];
  let free = new Array(lanes).fill(0), slowest = 0;
  for (let item = 0; item < GROUPS_SIMULATED; item += 1) {
    const entered = item >= queue_depth ? done[item - queue_depth] : 0;
    const begin = free.map((at) => Math.max(at, entered));
    free = begin.map((at, lane) => at + quantile(shares, uniform(seed, item * lanes + lane)));
    for (const end of free) slowest = Math.max(slowest, end);
    start.push(begin);
    finish.push(free);
    done.push(slowest);
  }
  return { start, finish, done };
}

function quantile(shares, chance) {
  let low = 0, high = shares.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shares[middle] >= chance) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The groups that fit the picture, its length in cycles, and the share of it that lanes wait.
export function picture(settings) {
  const run = simulate(settings);
  const groups = Math.max(MIN_GROUPS_DRAWN, run.done.filter((cycle) => cycle <= CYCLES_DRAWN).length);
  const cycles = Math.max(run.done[groups - 1], 1);
  let worked = 0;
  run.start.forEach((begins, item) => begins.forEach((begin, lane) => {
    worked += Math.min(run.finish[item][lane], cycles) - Math.min(begin, cycles);
  }));
  return { ...run, groups, cycles, waiting: 1 - worked / (settings.lanes * cycles) };
}

// How many lanes multiply in a cycle, the first being 1.
function working({ start, finish }, lanes, cycle) {
  const isBusy = (lane) => start.some((begins, item) => begins[lane] < cycle && finish[item][lane] >= cycle);
  return Array.from({ length: lanes }, (_, lane) => lane).filter(isBusy).length;
}

function render({ model, el }) {
  const choices = model.get("choices");
  const settings = () => Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  const root = add(el, "div", { class: "nnfigure nnlanes", role: "group", "aria-label": "Lanes that wait for each other" });
  const controls = addControls(root, choices);
  const caption = add(root, "p", { class: "nnlanes-caption" });
  const drawing = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", "data-part": "picture" });
  addKey(root);
  const player = addPlayer(root);
  const now = add(root, "p", { class: "nnlanes-now", "data-part": "now" });
  add(root, "p", { class: "nnlanes-caption" }, "Speed-up against how many times fewer the operations are; both axes logarithmic");
  const chart = add(root, "svg:svg", { role: "img", class: "nnfigure-plot", height: CHART.height, "data-part": "chart" });
  const readout = addReadout(root);

  const curveOf = latest((chosen) =>
    DENSITIES.map((density) => chosen.group / cyclesOfGroup({ ...chosen, density })), ["lanes", "group", "queue_depth", "seed"]);
  const pictureOf = latest(picture, SETTINGS);
  const measured = latest(measure, SETTINGS);
  let width = 0, timer = null;

  function draw() {
    const chosen = settings(), shown = pictureOf(chosen), result = measured(chosen);
    const cycle = Math.min(model.get("cycle") ?? shown.cycles, shown.cycles);
    const drawn = Math.min(chosen.lanes, LANES_DRAWN);
    showControls(controls, choices, chosen);
    caption.textContent = `The first ${shown.groups} groups`
      + (drawn < chosen.lanes ? `; ${drawn} of ${chosen.lanes} lanes are drawn, all of them count` : ", one row a lane");
    drawPicture(drawing, width, chosen, shown, cycle);
    showPlayer(player, shown.cycles, cycle, timer !== null, calm.matches);
    now.setAttribute("aria-live", timer === null ? "polite" : "off");
    const busy = working(shown, chosen.lanes, cycle);
    now.textContent = cycle === 0 ? `Before the first cycle of ${shown.cycles}`
      : `Cycle ${cycle} of ${shown.cycles}: ${busy} of ${chosen.lanes} lanes multiply, ${chosen.lanes - busy} wait`;
    drawChart(chart, width, chosen, result, curveOf(chosen));
    showNumbers(readout, result);
  }
  let updating = false;
  function update(changes) {
    updating = true;
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    updating = false;
    model.save_changes();
    draw();
  }
  const changed = () => updating || draw();
  const length = () => pictureOf(settings()).cycles;
  const present = () => Math.min(model.get("cycle") ?? length(), length());

  function halt() {
    clearInterval(timer);
    timer = null;
  }
  function step() {
    const next = present() >= length() ? 1 : present() + 1;
    if (next >= length()) halt();
    update({ cycle: next });
  }
  player.play.addEventListener("click", () => {
    if (calm.matches) return step();
    if (timer !== null) {
      halt();
      return draw();
    }
    timer = setInterval(step, STEP_MILLISECONDS);
    update({ cycle: present() >= length() ? 0 : present() });
  });
  player.cycle.addEventListener("input", (event) => {
    halt();
    update({ cycle: Number(event.target.value) });
  });
  const choose = (changes) => {
    halt();
    update({ ...changes, cycle: null });
  };
  player.again.addEventListener("click", () => choose({ seed: (model.get("seed") + 1) % 1000 }));
  for (const name of Object.keys(choices)) {
    controls[name].input.addEventListener("input", (event) =>
      choose({ [name]: choices[name][Number(event.target.value)] }));
  }
  controls.density.input.addEventListener("input", (event) =>
    choose({ density: Number(event.target.value) / 100 }));

  // Pictures are drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const pixels = Math.round(chart.getBoundingClientRect().width);
    if (pixels > 0 && pixels !== width) {
      width = pixels;
      draw();
    }
  });
  watcher.observe(root);
  const changes = [...SETTINGS, "cycle"].map((name) => `change:${name}`);
  for (const change of changes) model.on(change, changed);
  calm.addEventListener("change", draw);
  return () => {
    halt();
    watcher.disconnect();
    calm.removeEventListener("change", draw);
    for (const change of changes) model.off(change, changed);
  };
}

export default { render };

function addControls(root, choices) {
  const row = add(root, "div", { class: "nnlanes-controls" });
  const chosen = (name, text) => addSlider(row, name, text, { min: 0, max: choices[name].length - 1, step: 1 });
  return {
    lanes: chosen("lanes", "Lanes"),
    density: addSlider(row, "density", "Weights kept", { min: 5, max: 100, step: 1 }),
    group: chosen("group", "Group"),
    queue_depth: chosen("queue_depth", "Queue"),
  };
}

function addSlider(parent, name, text, range) {
  const id = `${name}-${Math.random().toString(36).slice(2, 9)}`;
  const box = add(parent, "div");
  const line = add(box, "div", { class: "nnfigure-line" });
  add(line, "label", { for: id }, text);
  const shown = add(line, "span", { class: "nnfigure-value", "aria-hidden": "true" });
  return { box, shown, input: add(box, "input", { type: "range", id, ...range, "data-control": name }) };
}

function showControls(controls, choices, chosen) {
  const percent = Math.round(100 * chosen.density);
  const texts = {
    lanes: `${chosen.lanes}`,
    density: `${percent}%`,
    group: `${chosen.group} weights`,
    queue_depth: chosen.queue_depth === 1 ? "barrier" : `${chosen.queue_depth} groups`,
  };
  for (const [name, text] of Object.entries(texts)) {
    const { input, shown } = controls[name];
    input.value = name === "density" ? percent : choices[name].indexOf(chosen[name]);
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
  }
}

function addKey(root) {
  const key = add(root, "ul", { class: "nnfigure-key" });
  for (const [shade, text] of [
    ["nnlanes-swatch-groups", "multiplies, one shade a group"],
    ["nnlanes-wait", "waits"],
    ["nnlanes-swatch-done", "the slowest lane is done with a group"],
  ]) {
    const item = add(key, "li");
    add(item, "span", { class: `nnfigure-swatch ${shade}` });
    item.append(text);
  }
}

function addPlayer(root) {
  const row = add(root, "div", { class: "nnlanes-player" });
  const play = add(row, "button", { type: "button", "data-control": "play" });
  const { box, shown, input } = addSlider(row, "cycle", "Cycle", { min: 0, step: 1 });
  box.setAttribute("class", "nnlanes-scrub");
  const again = add(row, "button", { type: "button", "data-control": "again" }, "Other zeros");
  return { play, cycle: input, shown, again };
}

function showPlayer({ play, cycle, shown }, length, at, isPlaying, isCalm) {
  play.textContent = isCalm ? "Step" : isPlaying ? "Pause" : "Play";
  cycle.max = length;
  cycle.value = at;
  shown.textContent = `${at} of ${length}`;
  cycle.setAttribute("aria-valuetext", shown.textContent);
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nnfigure-readout" });
  const numbers = {};
  for (const [name, text] of Object.entries(SHOWN)) {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    numbers[name] = add(box, "dd", { "data-number": name });
  }
  numbers.speedup.setAttribute("aria-live", "polite");
  return numbers;
}

function showNumbers(nodes, result) {
  for (const name of ["speedup", "ideal"]) nodes[name].textContent = `${result[name].toFixed(2)}×`;
  for (const name of ["share", "waiting"]) nodes[name].textContent = `${(100 * result[name]).toFixed(1)}%`;
  for (const name of ["work", "cycles"]) nodes[name].textContent = result[name].toFixed(2);
}

function drawPicture(svg, width, { lanes, group, queue_depth, density }, shown, cycle) {
  const drawn = Math.min(lanes, LANES_DRAWN);
  const bottom = PICTURE.top + drawn * PICTURE.row;
  const height = bottom + PICTURE.foot;
  svg.setAttribute("height", height);
  fresh(svg, width, height,
    `${lanes} lanes, groups of ${group} weights of which ${Math.round(100 * density)}% are kept, `
    + (queue_depth === 1 ? "a barrier after every group" : `queues of ${queue_depth} groups`)
    + `: the first ${shown.groups} groups take ${shown.cycles} cycles, ${shown.groups * group} if nothing were skipped. `
    + `Lanes wait ${(100 * shown.waiting).toFixed(1)}% of the time.`);
  const x = (at) => MARGIN + (at / shown.cycles) * (width - 2 * MARGIN);
  const bar = (lane, from, to, shade) => {
    if (to <= from) return;
    add(svg, "svg:rect", {
      x: x(from), y: PICTURE.top + lane * PICTURE.row, width: x(to) - x(from), height: PICTURE.row - PICTURE.gap, class: shade,
    });
  };
  for (let lane = 0; lane < drawn; lane += 1) {
    let free = 0;
    for (let item = 0; item < shown.start.length && free < cycle; item += 1) {
      const [begin, end] = [shown.start[item][lane], shown.finish[item][lane]].map((at) => Math.min(at, cycle));
      if (end > begin) {
        bar(lane, free, begin, "nnlanes-wait");
        bar(lane, begin, end, item % 2 ? "nnlanes-odd" : "nnlanes-even");
        free = end;
      }
    }
    bar(lane, free, cycle, "nnlanes-wait");
  }
  // One mark a cycle, where a cycle is wide enough to be seen.
  if (x(1) - x(0) >= 4) {
    for (let at = 1; at < cycle; at += 1) {
      add(svg, "svg:line", { x1: x(at), x2: x(at), y1: PICTURE.top, y2: bottom - PICTURE.gap, class: "nnlanes-tick" });
    }
  }
  for (const at of shown.done.slice(0, shown.groups).filter((end) => end <= cycle)) {
    add(svg, "svg:line", { x1: x(at), x2: x(at), y1: 0, y2: bottom + 3, class: "nnlanes-done" });
  }
  if (cycle < shown.cycles) {
    add(svg, "svg:line", { x1: x(cycle), x2: x(cycle), y1: 0, y2: bottom + 3, class: "nnlanes-cursor" });
  }
  write(svg, MARGIN, height - 5, "start", "cycle 0");
  write(svg, width - MARGIN, height - 5, "end", `${shown.cycles}`);
}

function drawChart(svg, width, { density }, { speedup }, speeds) {
  const { top, base, left, right } = CHART;
  const largest = FEWER.at(-1), here = 1 / density;
  const x = (fewer) => left + (Math.log(fewer) / Math.log(largest)) * (width - left - right);
  const y = (speed) => base - (Math.log(speed) / Math.log(largest)) * (base - top);
  fresh(svg, width, CHART.height,
    `Speed-up against operations saved. With ${here.toFixed(2)} times fewer operations the lanes are `
    + `${speedup.toFixed(2)} times faster; at ${largest} times fewer, ${speeds[0].toFixed(2)} times.`);
  for (const tick of FEWER) {
    add(svg, "svg:line", { x1: x(tick), x2: x(tick), y1: top, y2: base, class: "nnlanes-gridline" });
    add(svg, "svg:line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "nnlanes-gridline" });
    write(svg, x(tick), base + 18, tick === largest ? "end" : "middle", `${tick}×`);
    write(svg, left - 8, y(tick) + 4, "end", `${tick}×`);
  }
  write(svg, (left + width - right) / 2, CHART.height - 6, "middle", "operations, fewer by");
  const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
  add(svg, "svg:path", { d: path([[1, 1], [largest, largest]]), class: "nnlanes-ideal" });
  add(svg, "svg:path", { d: path(DENSITIES.map((kept, i) => [1 / kept, speeds[i]])), class: "nnlanes-curve" });
  add(svg, "svg:line", { x1: x(here), x2: x(here), y1: y(speedup), y2: y(here), class: "nnlanes-drop" });
  add(svg, "svg:circle", { cx: x(here), cy: y(speedup), r: 6, class: "nnlanes-dot" });
  write(svg, x(7), y(7) - 8, "end", "ideal");
  // Below the curve where the label begins, which is its lowest point there.
  const reach = 80 / (width - left - right);
  const lowest = speeds[Math.min(Math.ceil(reach * (DENSITIES.length - 1)), DENSITIES.length - 1)];
  write(svg, width - right, y(lowest) + 18, "end", "these lanes");
}

// The last answer is kept: playing draws many times with the same settings.
function latest(compute, names) {
  let known = null, answer;
  return (settings) => {
    const name = names.map((one) => settings[one]).join(" ");
    if (name !== known) [known, answer] = [name, compute(settings)];
    return answer;
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
  add(svg, "svg:text", { x, y, "text-anchor": anchor, class: "nnfigure-label" }, text);
}
