// The live figure of waiting lanes. Same arithmetic as nncourse.figures.lanes.numbers: binomial counts by
// their distribution function, drawn with mulberry32.

const SVG = "http://www.w3.org/2000/svg";
const DRAWN_LANES = 12, DRAWN_GROUPS = 5, SIMULATED_GROUPS = 400;
const ROW = 15, GAP = 3, LEFT = 56, RIGHT = 8, TOP = 24, BOTTOM = 26;
const PLAY_MILLISECONDS = 60;
const SHOWN = {
  ideal: "Ideal speed-up",
  speedup: "Speed-up",
  share: "Share of the ideal",
  waiting: "Waiting, in the picture",
};

// What the readers see.
export function measure(lanes, density, group, depth, seed) {
  const below = distribution(group, density);
  let cycles = 0;
  if (depth === 1) {
    for (const chance of below) cycles += 1 - chance ** lanes;
  } else {
    const drawn = work(lanes, SIMULATED_GROUPS, group, density, seed);
    cycles = schedule(drawn, lanes, depth).time / SIMULATED_GROUPS;
  }
  const shown = Math.min(lanes, DRAWN_LANES);
  const counts = work(shown, DRAWN_GROUPS, group, density, seed);
  const picture = schedule(counts, shown, depth);
  const busy = counts.reduce((sum, count) => sum + count, 0);
  const speedup = group / cycles;
  return {
    ideal: 1 / density,
    speedup,
    share: speedup * density,
    waiting: picture.time ? 1 - busy / (picture.time * shown) : 0,
    picture,
  };
}

// Binomial distribution function at 0 .. group - 1, summed from logarithms that do not underflow.
function distribution(group, density) {
  const below = new Float64Array(group);
  if (density >= 1) return below;
  let sum = 0, logCombinations = 0;
  for (let k = 0; k < group; k++) {
    sum += Math.exp(logCombinations + k * Math.log(density) + (group - k) * Math.log1p(-density));
    below[k] = Math.min(sum, 1);
    logCombinations += Math.log(group - k) - Math.log(k + 1);
  }
  return below;
}

export function work(lanes, groups, group, density, seed) {
  const below = distribution(group, density);
  const counts = new Int32Array(lanes * groups);
  let state = seed >>> 0;
  for (let i = 0; i < counts.length; i++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    const uniform = (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 4294967296;
    let low = 0, high = group;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (below[middle] < uniform) low = middle + 1;
      else high = middle;
    }
    counts[i] = density >= 1 ? group : low;
  }
  return counts;
}

// When each lane works on each group, and when the last one is done.
function schedule(counts, lanes, depth) {
  const groups = counts.length / lanes;
  const finished = new Float64Array(lanes), done = [], spans = [];
  for (let item = 0; item < groups; item++) {
    const entered = item >= depth ? done[item - depth] : 0;
    let slowest = item > 0 ? done[item - 1] : 0;
    for (let lane = 0; lane < lanes; lane++) {
      const start = Math.max(finished[lane], entered), stop = start + counts[item * lanes + lane];
      spans.push({ lane, item, start, stop });
      finished[lane] = stop;
      slowest = Math.max(slowest, stop);
    }
    done.push(slowest);
  }
  return { time: done[groups - 1] ?? 0, lanes, spans, done };
}

function render({ model, el }) {
  const choices = model.get("choices");
  const root = add(el, "div", { class: "nnlanes", role: "group", "aria-label": "Lanes that wait for each other" });
  const controls = addControls(root, choices);
  const svg = add(root, "svg:svg", { role: "img", class: "nnlanes-plot" });
  const player = addPlayer(root);
  const readout = addReadout(root);
  let width = 0, time = 0, timer = null;

  function draw() {
    const names = ["lanes", "density", "group", "queue_depth", "seed"];
    const [lanes, density, group, depth, seed] = names.map((name) => model.get(name));
    const result = measure(lanes, density, group, depth, seed);
    time = result.picture.time;
    const cycle = model.get("cycle") || time;
    showControls(controls, choices, { lanes, density, group, queue_depth: depth });
    player.input.max = time;
    player.input.value = Math.min(cycle, time);
    player.shown.textContent = `${Math.min(cycle, time)} of ${time}`;
    drawLanes(svg, width, result.picture, Math.min(cycle, time), depth, lanes);
    showNumbers(readout, result);
  }
  const watcher = new ResizeObserver(() => {
    const present = Math.round(svg.getBoundingClientRect().width);
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
  const stop = () => {
    clearInterval(timer);
    timer = null;
    player.button.textContent = "Play";
  };
  for (const name of ["lanes", "group", "queue_depth"]) {
    controls[name].input.addEventListener("input", (event) => {
      const chosen = choices[name][Number(event.target.value)]; // drawing sets the slider back
      stop();
      set("cycle", 0);
      set(name, chosen);
    });
  }
  controls.density.input.addEventListener("input", (event) => {
    const chosen = Number(event.target.value) / 100;
    stop();
    set("cycle", 0);
    set("density", chosen);
  });
  player.input.addEventListener("input", (event) => {
    stop();
    set("cycle", Number(event.target.value));
  });
  player.again.addEventListener("click", () => {
    stop();
    set("cycle", 0);
    set("seed", (model.get("seed") % 2147483646) + 1);
  });
  player.button.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return set("cycle", 0);
    set("cycle", 1);
    player.button.textContent = "Stop";
    timer = setInterval(() => {
      const next = (model.get("cycle") || time) + 1;
      if (next > time) stop();
      else set("cycle", next);
    }, PLAY_MILLISECONDS);
  });
  const changes = ["lanes", "density", "group", "queue_depth", "seed", "cycle"].map((name) => `change:${name}`);
  for (const change of changes) model.on(change, draw);

  return () => {
    stop();
    watcher.disconnect();
    for (const change of changes) model.off(change, draw);
  };
}

export default { render };

function addControls(root, choices) {
  const row = add(root, "div", { class: "nnlanes-controls" });
  const last = (name) => choices[name].length - 1;
  return {
    lanes: addSlider(row, "lanes", "Lanes", 0, last("lanes")),
    density: addSlider(row, "density", "Weights kept", 2, 100),
    group: addSlider(row, "group", "Inputs between barriers", 0, last("group")),
    queue_depth: addSlider(row, "queue_depth", "Queue depth", 0, last("queue_depth")),
  };
}

function addSlider(row, name, text, min, max) {
  const box = add(row, "div", { class: "nnlanes-control" });
  const id = `${name}-${Math.random().toString(36).slice(2, 9)}`;
  const line = add(box, "div", { class: "nnlanes-line" });
  add(line, "label", { for: id }, text);
  const shown = add(line, "span", { class: "nnlanes-value", "aria-hidden": "true" });
  const input = add(box, "input", { type: "range", id, min, max, step: 1, "data-control": name });
  return { shown, input };
}

function showControls(controls, choices, state) {
  for (const name of ["lanes", "group", "queue_depth"]) {
    controls[name].input.value = choices[name].indexOf(state[name]);
    const barrier = name === "queue_depth" && state[name] === 1;
    say(controls[name], barrier ? "1 (barrier)" : String(state[name]));
  }
  controls.density.input.value = Math.round(100 * state.density);
  say(controls.density, `${Math.round(100 * state.density)}%`);
}

function say({ shown, input }, text) {
  shown.textContent = text;
  input.setAttribute("aria-valuetext", text);
}

function addPlayer(root) {
  const row = add(root, "div", { class: "nnlanes-player" });
  const button = add(row, "button", { type: "button", "data-control": "play" }, "Play");
  const again = add(row, "button", { type: "button", "data-control": "again" }, "Other zeros");
  return { button, again, ...addSlider(row, "cycle", "Cycle", 1, 1) };
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nnlanes-readout", "aria-live": "polite" });
  const numbers = {};
  for (const [name, text] of Object.entries(SHOWN)) {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    numbers[name] = add(box, "dd", { "data-number": name });
  }
  return numbers;
}

function showNumbers(numbers, result) {
  numbers.ideal.textContent = `${result.ideal.toFixed(2)}×`;
  numbers.speedup.textContent = `${result.speedup.toFixed(2)}×`;
  numbers.share.textContent = `${(100 * result.share).toFixed(1)}%`;
  numbers.waiting.textContent = `${(100 * result.waiting).toFixed(1)}%`;
}

function drawLanes(svg, width, { time, lanes, spans, done }, cycle, depth, all) {
  const height = TOP + lanes * (ROW + GAP) + BOTTOM;
  svg.setAttribute("height", height);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const drawn = lanes < all ? `the first ${lanes} of ${all} lanes` : `${lanes} lanes`;
  svg.setAttribute(
    "aria-label",
    `Time line of ${drawn} over ${done.length} groups of inputs, ${cycle} of ${time} cycles: ` +
      `filled where a lane multiplies, empty where it waits.`,
  );
  const x = (at) => LEFT + (Math.min(at, cycle) / Math.max(time, 1)) * (width - LEFT - RIGHT);
  write(svg, LEFT, 14, "start", lanes < all ? `cycles of ${drawn}` : "cycles");
  for (let lane = 0; lane < lanes; lane++) {
    const y = TOP + lane * (ROW + GAP);
    write(svg, LEFT - 8, y + ROW - 3, "end", `lane ${lane + 1}`);
    rectangle(svg, x(0), y, x(cycle) - x(0), "nnlanes-wait");
  }
  for (const { lane, item, start, stop } of spans) {
    if (start >= cycle || stop === start) continue;
    const y = TOP + lane * (ROW + GAP);
    rectangle(svg, x(start), y, x(stop) - x(start), item % 2 ? "nnlanes-odd" : "nnlanes-even");
  }
  const foot = TOP + lanes * (ROW + GAP);
  if (depth === 1) {
    for (const at of done) {
      if (at > cycle) break;
      add(svg, "svg:line", { x1: x(at), x2: x(at), y1: TOP - 4, y2: foot, class: "nnlanes-barrier" });
    }
  }
  write(svg, LEFT, foot + 17, "start", "0");
  write(svg, width - RIGHT, foot + 17, "end", String(time));
}

function rectangle(svg, x, y, width, kind) {
  add(svg, "svg:rect", { x, y, width: Math.max(width, 0), height: ROW, class: kind });
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

function write(svg, x, y, anchor, text) {
  add(svg, "svg:text", { x, y, "text-anchor": anchor, class: "nnlanes-label" }, text);
}
