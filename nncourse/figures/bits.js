// The live figure of the bits of a number. Same arithmetic as nncourse.figures.bits.numbers: every step is
// a power of two, so float64 holds all of it exactly.

const SVG = "http://www.w3.org/2000/svg";
const LINE = { height: 78, margin: 16, base: 40, reach: 8.5 };
const SHOWN = {
  value: "Value",
  error: "Error of storing",
  step: "Step here",
  relative_step: "Step / value",
  below: "Next below",
  above: "Next above",
};

// The bits nearest to a finite number: ties to the even neighbor, saturating.
export function encode(number, format) {
  if (!format.exponent) {
    const whole = Math.min(Math.max(rint(number), -format.max), format.max);
    return whole < 0 ? whole + 2 ** format.bits : whole;
  }
  const lowest = smallestExponent(format);
  const spacing = 2 ** (Math.max(exponentOf(Math.abs(number)), lowest) - format.mantissa);
  const size = Math.min(rint(Math.abs(number) / spacing) * spacing, format.max);
  const exponent = Math.max(exponentOf(size), lowest);
  const negative = number < 0 || Object.is(number, -0);
  return (negative ? 2 ** (format.bits - 1) : 0)
    + (exponent - lowest) * 2 ** format.mantissa + size / 2 ** (exponent - format.mantissa);
}

// What the readers see of the bits `code`; null where there is no such thing.
export function measure(code, format) {
  if (!format.exponent) {
    const value = code - (code >= 2 ** (format.bits - 1) ? 2 ** format.bits : 0);
    return {
      value, exponent: null, significand: null, step: 1,
      relative_step: value ? 1 / Math.abs(value) : null,
      below: value > -format.max ? value - 1 : null,
      above: value < format.max ? value + 1 : null,
    };
  }
  const magnitude = code % 2 ** (format.bits - 1);
  const negative = code !== magnitude;
  const size = sizeOf(magnitude, format);
  const value = negative ? -size : size;
  if (!Number.isFinite(size)) {
    return { value, exponent: null, significand: null, step: null, relative_step: null, below: null, above: null };
  }
  const exponent = exponentAt(magnitude, format);
  const step = 2 ** (exponent - format.mantissa);
  const rank = negative ? -magnitude : magnitude;
  return {
    value, exponent, significand: size / 2 ** exponent, step,
    relative_step: size ? step / size : null,
    below: ranked(rank - 1, format),
    above: ranked(rank + 1, format),
  };
}

function smallestExponent(format) {
  return 2 - 2 ** (format.exponent - 1);
}

function exponentAt(magnitude, format) {
  return Math.max(Math.floor(magnitude / 2 ** format.mantissa) - 1, 0) + smallestExponent(format);
}

function sizeOf(magnitude, format) {
  const field = Math.floor(magnitude / 2 ** format.mantissa);
  const fraction = magnitude % 2 ** format.mantissa;
  if (format.infinity && field === 2 ** format.exponent - 1) return fraction ? NaN : Infinity;
  const units = fraction + (field ? 2 ** format.mantissa : 0);
  const size = units * 2 ** (exponentAt(magnitude, format) - format.mantissa);
  return size <= format.max ? size : NaN;
}

function ranked(rank, format) {
  const size = sizeOf(Math.abs(rank), format);
  return Number.isNaN(size) ? null : rank < 0 ? -size : size;
}

// floor(log2(size)), exact; what lies below float64's own normal numbers lies below every format here.
function exponentOf(size) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, size);
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function rint(x) {
  const up = Math.round(x);
  return Math.abs(x % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

function render({ model, el }) {
  const formats = model.get("formats");
  const root = add(el, "div", { class: "nnbits", role: "group", "aria-label": "The bits of a number" });
  const controls = addControls(root, Object.keys(formats));
  const fields = add(root, "div", { class: "nnbits-fields" });
  add(root, "p", { class: "nnbits-hint" }, "Flip a bit: click it, or go to it with the arrow keys and press Space.");
  const formula = add(root, "p", { class: "nnbits-formula", "data-part": "formula" });
  const kind = add(root, "p", { class: "nnbits-kind", "data-part": "kind", "aria-live": "polite" });
  const line = add(root, "svg:svg", { role: "img", class: "nnbits-line", height: LINE.height });
  const readout = addReadout(root);

  let bits = [], laid = "", width = 0;
  function draw() {
    const name = model.get("format"), format = formats[name];
    const number = model.get("number"), set = model.get("code");
    const code = (set ?? encode(number, format)) % 2 ** format.bits;
    const result = measure(code, format);
    const error = set === null ? result.value - number : null;
    if (laid !== name) {
      bits = layBits(fields, name, format, flip);
      laid = name;
    }
    showBits(bits, code, format);
    controls.format.value = name;
    if (document.activeElement !== controls.number) {
      controls.number.value = Number.isFinite(result.value) && set !== null ? result.value : number;
    }
    showFormula(formula, code, format, result);
    kind.textContent = kindOf(code, format, result);
    drawLine(line, width, format, result, set === null ? number : null);
    showNumbers(readout, { ...result, error });
  }
  function flip(place) {
    const format = formats[model.get("format")];
    const code = (model.get("code") ?? encode(model.get("number"), format)) % 2 ** format.bits;
    const set = Math.floor(code / 2 ** place) % 2;
    const flipped = code + (set ? -1 : 1) * 2 ** place;
    const { value } = measure(flipped, format);
    update({ code: flipped, ...(Number.isFinite(value) && { number: value }) });
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

  controls.format.addEventListener("change", (event) => update({ format: event.target.value, code: null }));
  controls.number.addEventListener("input", (event) => {
    const typed = event.target.value.trim().replace("\u2212", "-");
    const number = Number(typed);
    const valid = typed !== "" && Number.isFinite(number);
    event.target.setAttribute("aria-invalid", String(!valid));
    if (valid) update({ number, code: null });
  });
  controls.number.addEventListener("blur", (event) => {
    event.target.setAttribute("aria-invalid", "false");
    draw();
  });

  // The number line is drawn in the pixels of the page, so that text stays readable on a phone.
  const watcher = new ResizeObserver(() => {
    const present = Math.round(line.getBoundingClientRect().width);
    if (present > 0 && present !== width) {
      width = present;
      draw();
    }
  });
  watcher.observe(root);
  const changes = ["change:format", "change:number", "change:code"];
  for (const change of changes) model.on(change, changed);
  return () => {
    watcher.disconnect();
    for (const change of changes) model.off(change, changed);
  };
}

export default { render };

function addControls(root, names) {
  const unique = Math.random().toString(36).slice(2, 9);
  const row = add(root, "div", { class: "nnbits-controls" });
  const control = (name, text, tag, attributes) => {
    const box = add(row, "div", { class: "nnbits-control" });
    add(box, "label", { for: `${name}-${unique}` }, text);
    return add(box, tag, { id: `${name}-${unique}`, "data-control": name, ...attributes });
  };
  const format = control("format", "Format", "select", {});
  for (const name of names) add(format, "option", { value: name }, name);
  const number = control("number", "Number to store", "input", {
    type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false",
  });
  return { format, number };
}

// One button a bit, most significant first; returns them so. One is in the order of Tab, arrows move on.
function layBits(box, name, format, flip) {
  box.replaceChildren();
  box.setAttribute("aria-label", `${format.bits} bits of ${name}`);
  box.setAttribute("role", "group");
  const parts = format.exponent
    ? [["sign", 1], ["exponent", format.exponent], ["fraction", format.mantissa]]
    : [["sign", 1], ["magnitude", format.bits - 1]];
  const buttons = [];
  for (const [part, count] of parts) {
    const field = add(box, "div", { class: `nnbits-field nnbits-${part}` });
    const row = add(field, "div", { class: "nnbits-row" });
    for (let i = 0; i < count; i += 1) {
      const place = format.bits - 1 - buttons.length;
      const button = add(row, "button", {
        type: "button", role: "switch", class: "nnbits-bit", "data-bit": place,
        tabindex: buttons.length ? -1 : 0, title: worth(place, part, format),
      });
      button.addEventListener("click", () => flip(place));
      buttons.push(button);
    }
    const label = part === "magnitude" ? "two’s complement" : part;
    add(field, "div", { class: "nnbits-name" }, count > 1 ? `${label}, ${count} bits` : label);
  }
  box.onkeydown = (event) => {
    const at = buttons.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  };
  box.onfocusin = (event) => {
    for (const button of buttons) button.tabIndex = button === event.target ? 0 : -1;
  };
  return buttons;
}

function worth(place, part, format) {
  if (part === "sign") return format.exponent ? "sign" : `sign, worth ${typeset(-(2 ** place))}`;
  if (part === "magnitude") return `worth ${2 ** place}`;
  if (part === "exponent") return `exponent, worth ${2 ** (place - format.mantissa)}`;
  return `fraction, worth 1/${2 ** (format.mantissa - place)}`;
}

function showBits(buttons, code, format) {
  buttons.forEach((button, i) => {
    const place = format.bits - 1 - i;
    const set = Math.floor(code / 2 ** place) % 2;
    button.textContent = set;
    button.setAttribute("aria-checked", String(set === 1));
    button.setAttribute("aria-label", `bit ${place}, ${button.title}`);
  });
}

function showFormula(node, code, format, { value, significand }) {
  node.replaceChildren();
  if (!format.exponent) {
    const terms = [];
    for (let place = format.bits - 1; place >= 0; place -= 1) {
      if (Math.floor(code / 2 ** place) % 2) terms.push(place === format.bits - 1 ? -(2 ** place) : 2 ** place);
    }
    node.append(`${typeset(terms.join(" + ") || "0")} = ${typeset(value)}`);
    return;
  }
  const negative = code >= 2 ** (format.bits - 1) ? 1 : 0;
  if (significand === null) {
    node.append(Number.isNaN(value) ? "NaN" : typeset(value).replace("Infinity", "∞"));
    return;
  }
  const field = Math.floor((code % 2 ** (format.bits - 1)) / 2 ** format.mantissa);
  const bias = 2 ** (format.exponent - 1) - 1;
  node.append("(\u22121)");
  add(node, "sup", {}, negative);
  node.append(" × 2");
  const power = add(node, "sup");
  add(power, "span", { "data-number": "field" }, Math.max(field, 1));
  power.append(`\u2212${bias}`);
  node.append(" × ");
  add(node, "span", { "data-number": "significand" }, significand);
  node.append(" = ");
  append(node, value);
}

function kindOf(code, format, { value, exponent }) {
  if (!format.exponent) {
    if (value < -format.max) return `Left out: without ${typeset(value)} the grid is symmetric around 0.`;
    return "An integer. Its step is 1 everywhere; a scale kept outside says what 1 is worth.";
  }
  if (Number.isNaN(value)) return "Not a number: a pattern that stands for no value.";
  if (!Number.isFinite(value)) return "Infinity: the exponent is all ones, the fraction all zeros.";
  if (value === 0) return "Zero: all bits but the sign are 0, so it exists twice.";
  const field = Math.floor((code % 2 ** (format.bits - 1)) / 2 ** format.mantissa);
  if (field === 0) return `Subnormal: the exponent field is 0, the exponent stays at ${typeset(exponent)}, and no hidden 1 is added.`;
  if (Math.abs(value) === format.max) return "Normal, and the largest there is.";
  return "Normal: a hidden 1 stands before the fraction.";
}

// The values of the format around the present one, and the number that was to be stored.
function drawLine(svg, width, format, { value, step }, number) {
  svg.setAttribute("viewBox", `0 0 ${width} ${LINE.height}`);
  svg.replaceChildren();
  if (step === null) {
    svg.setAttribute("aria-label", "No number line: these bits stand for no finite value.");
    return;
  }
  const low = value - LINE.reach * step, high = value + LINE.reach * step;
  const marks = [value];
  for (const way of ["below", "above"]) {
    let next = measureAt(value, format)[way];
    while (next !== null && next >= low && next <= high) {
      marks.push(next);
      next = measureAt(next, format)[way];
    }
  }
  svg.setAttribute("aria-label",
    `Number line with the ${marks.length} values of the format from ${Math.min(...marks)} to ${Math.max(...marks)}; the present one is ${value}.`);
  const x = (at) => LINE.margin + ((at - low) / (high - low)) * (width - 2 * LINE.margin);
  add(svg, "svg:line", { x1: LINE.margin, x2: width - LINE.margin, y1: LINE.base, y2: LINE.base, class: "nnbits-axis" });
  for (const mark of marks) {
    const here = mark === value;
    add(svg, "svg:line", { x1: x(mark), x2: x(mark), y1: LINE.base - (here ? 22 : 11), y2: LINE.base + (here ? 4 : 0), class: here ? "nnbits-here" : "nnbits-mark" });
  }
  if (number !== null && number >= low && number <= high) {
    const at = x(number);
    add(svg, "svg:path", { d: `M${at - 6} ${LINE.base - 34}h12l-6 9z`, class: "nnbits-wanted" });
  }
  // As many digits as it takes to tell one mark from the next.
  const digits = value === 0 ? 3 : Math.max(3, Math.ceil(Math.log10(Math.abs(value) / step)) + 1);
  const label = (at, anchor, mark) =>
    write(svg, at, LINE.height - 8, anchor, typeset(Number(mark.toPrecision(digits))));
  label(LINE.margin, "start", Math.min(...marks));
  label(width / 2, "middle", value);
  label(width - LINE.margin, "end", Math.max(...marks));
}

function measureAt(value, format) {
  return measure(encode(value, format), format);
}

function addReadout(root) {
  const list = add(root, "dl", { class: "nnbits-readout" });
  const numbers = {};
  for (const [name, text] of Object.entries(SHOWN)) {
    const box = add(list, "div");
    add(box, "dt", {}, text);
    numbers[name] = add(box, "dd", { "data-number": name });
  }
  numbers.value.setAttribute("aria-live", "polite");
  return numbers;
}

function showNumbers(nodes, result) {
  for (const name of Object.keys(SHOWN)) {
    const number = result[name];
    nodes[name].replaceChildren();
    if (number === null) nodes[name].append("none");
    else if (name === "relative_step") append(nodes[name], Number((100 * number).toPrecision(3)), "%");
    else if (name === "error") append(nodes[name], Number(number.toPrecision(6)));
    else append(nodes[name], number);
  }
}

// Every digit that tells the number from its float64 neighbors, the power of ten raised.
function append(node, number, unit = "") {
  const [digits, power] = String(number).replace("Infinity", "∞").split("e");
  node.append(typeset(digits));
  if (power !== undefined) {
    node.append(" × 10");
    add(node, "sup", {}, typeset(Number(power)));
  }
  if (unit) node.append(unit);
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
  add(svg, "svg:text", { x, y, "text-anchor": anchor, class: "nnbits-label" }, text);
}

function typeset(number) {
  return String(number).replaceAll("-", "\u2212").replaceAll("+ \u2212", "\u2212 ");
}
