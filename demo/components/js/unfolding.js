// A plane of digits that unfolds as its model is trained: one sheet of planes, scrubbed by slider, curve, keys or play.
// Every picture is one that came from Python; none is blended.
import { inkTable, onThemeChange, sizeCanvas } from "./ink.js";
import { debounce } from "./wire.js";
import { keep, recall } from "./held.js";
import { axis, drawing, fixed, svg } from "./rail.js";

const DIGIT = 28;
const MOMENT_MS = 170;
const STILL_MS = 600; // where the visitor wants little movement
const AFTER_MS = 120;
const NARROW = 720;
const GUTTER = 24;
const INSET = 10; // half the slider's thumb
const TOP = 18; // the chart's margins
const FOOT = 22;
const ICONS = { play: "M1 0L11 6L1 12Z", pause: "M1 0H4.5V12H1ZM7.5 0H11V12H7.5Z" };
const SCAFFOLD = `
  <figure class="plane"><canvas role="img"></canvas><figcaption class="small faint"></figcaption></figure>
  <dl class="numbers">
    <div><dt>training steps</dt><dd class="step"></dd></div>
    <div><dt>digits seen</dt><dd class="seen"></dd></div>
    <div class="evidence"><dt>log <i>p</i>(<i>x</i>), nats</dt><dd></dd></div>
    <div class="elbo"><dt>ELBO</dt><dd></dd></div>
    <div class="gap"><dt>gap</dt><dd></dd></div>
  </dl>
  <figure class="chart"></figure>
  <div class="hand">
    <button type="button" class="play"></button>
    <div class="scrub"><input type="range" step="1" min="0" aria-label="moment of the training"></div>
  </div>`;

// Where a step lies among the moments, as a fractional index: on a logarithmic axis from the second moment on.
export function indexOf(step, steps) {
  if (step <= steps[0]) return 0;
  let i = 1;
  while (i < steps.length - 1 && steps[i + 1] <= step) i++;
  if (step < steps[1]) return (step - steps[0]) / (steps[1] - steps[0]);
  if (i === steps.length - 1) return i;
  return i + Math.log(step / steps[i]) / Math.log(steps[i + 1] / steps[i]);
}

// The steps that are named below the axis: 0, powers of ten, and the last unless a power is too near to it.
export function namedSteps(steps) {
  const last = steps[steps.length - 1];
  const powers = [];
  for (let power = 10; power < last; power *= 10) if (power >= steps[1]) powers.push(power);
  const near = (power) => indexOf(power, steps) > 0.88 * (steps.length - 1);
  return [steps[0], ...powers.filter((power) => !near(power)), last];
}

// The bytes of one plane, 0 (paper) to 255 (ink), from RGBA words of the sheet.
export function inkOf(words) {
  return Uint8Array.from(words, (word) => word & 255);
}

const counted = (n) => n.toLocaleString("en-US");

class Unfolding {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element unfolding";
    this.root.innerHTML = SCAFFOLD;
    const at = (selector) => this.root.querySelector(selector);
    this.parts = { canvas: at("canvas"), caption: at("figcaption"), step: at(".step"), seen: at(".seen"),
      evidence: at(".evidence dd"), elbo: at(".elbo dd"), gap: at(".gap dd"), chart: at(".chart"), play: at(".play"),
      scrub: at("input") };
    this.later = debounce(() => this.tell(), AFTER_MS);
    this.listen();
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.root);
    this.unwatch = onThemeChange(this.root, () => this.paint());
  }

  listen() {
    const { play, scrub, chart } = this.parts;
    play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
    scrub.addEventListener("input", () => { this.halt(); this.show(Number(scrub.value)); });
    scrub.addEventListener("change", () => this.later());
    const along = (event) => {
      const box = chart.getBoundingClientRect();
      this.halt();
      this.show(Math.round(((event.clientX - box.left - INSET) / (box.width - 2 * INSET)) * (this.n - 1)));
    };
    chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); this.held = true; along(event); });
    chart.addEventListener("pointermove", (event) => { if (this.held) along(event); });
    for (const end of ["pointerup", "pointercancel"]) {
      chart.addEventListener(end, () => { if (this.held) { this.held = false; this.later(); } });
    }
  }

  update(data, send) {
    this.send = send;
    const first = this.data === undefined;
    const renewed = first || data.number !== this.data.number;
    const fresh = first || data.sheet !== this.data.sheet;
    this.data = data;
    this.n = data.step.length;
    this.parts.scrub.max = this.n - 1;
    if (renewed && !this.playing) {
      this.later.cancel();
      this.at = first ? recall(data.slot, data.number, data.base) : data.base;
    }
    if (fresh) this.read(data.sheet);
    this.width = 0;
    this.layOut();
    this.label();
  }

  async read(sheet) {
    this.planes = null;
    const picture = new Image();
    picture.src = `data:image/png;base64,${sheet}`;
    try {
      await picture.decode();
    } catch {
      this.parts.caption.textContent = "The picture of the planes could not be read; reload the page.";
      return;
    }
    if (sheet !== this.data.sheet) return; // another came meanwhile
    this.picture = picture;
    this.planes = new Map();
    this.paint();
  }

  // The plane of a moment as bytes of ink, read out of the sheet when it is first shown.
  plane(moment) {
    if (!this.planes.has(moment)) {
      const side = this.data.nodes * DIGIT;
      const canvas = (this.reader ??= document.createElement("canvas"));
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      const [row, column] = [Math.floor(moment / this.data.columns), moment % this.data.columns];
      context.drawImage(this.picture, column * side, row * side, side, side, 0, 0, side, side);
      this.planes.set(moment, inkOf(new Uint32Array(context.getImageData(0, 0, side, side).data.buffer)));
    }
    return this.planes.get(moment);
  }

  layOut() {
    const width = this.root.clientWidth;
    if (!width || width === this.width || !this.data) return;
    this.width = width;
    const narrow = width <= NARROW;
    this.root.classList.toggle("narrow", narrow);
    const whole = this.data.nodes * DIGIT;
    const side = narrow ? Math.min(width, whole) : Math.min(whole, Math.floor(width * 0.5));
    this.root.style.setProperty("--side", `${side}px`);
    sizeCanvas(this.parts.canvas, side);
    this.drawChart(narrow ? width : width - side - GUTTER, narrow ? 190 : Math.max(200, side - 190));
    this.paint();
  }

  // log p(x) and ELBO at every moment, the gap between them, on the slider's axis.
  drawChart(width, height) {
    const { step, log_p_x: evidence, elbo } = this.data;
    const { low, high, ticks, decimals } = axis(Math.min(...elbo), Math.max(...evidence));
    const x = (i) => INSET + (i / (this.n - 1)) * (width - 2 * INSET);
    const y = (value) => TOP + ((high - value) / (high - low)) * (height - TOP - FOOT);
    const points = (values) => values.map((value, i) => [x(i), y(value)]);
    const lines = ticks.map((tick) => svg("path", { class: "grid-line", d: `M${x(0)} ${y(tick)}H${x(this.n - 1)}` }));
    const names = ticks.map((tick) => svg("text", { class: "halo numbers", x: x(0), y: y(tick) - 4 }, fixed(tick, decimals)));
    if (names.length) names[names.length - 1].textContent += " nats";
    const feet = namedSteps(step).map((named, k, all) => svg("text", { class: "numbers", y: height - 5,
      x: x(indexOf(named, step)), "text-anchor": k === 0 ? "start" : k === all.length - 1 ? "end" : "middle" },
      k === all.length - 1 ? `${counted(named)} steps` : counted(named)));
    const between = svg("path", { class: "between", d: `${drawing(points(evidence))}${drawing(points(elbo).reverse()).replace("M", "L")}Z` });
    const curves = [["elbo-line", elbo], ["evidence-line", evidence]].map(([name, values]) =>
      svg("path", { class: `curve ${name}`, d: drawing(points(values)) }));
    const middle = Math.round(0.62 * (this.n - 1));
    const labels = [
      svg("text", { class: "halo evidence-name", x: x(middle) - 10, y: y(evidence[middle]) - 12, "text-anchor": "end" }, "log p(x)"),
      svg("text", { class: "halo elbo-name", x: x(middle) + 10, y: y(elbo[middle]) + 24 }, "ELBO"),
    ];
    this.hair = svg("path", { class: "hair", d: `M0 ${TOP - 8}V${height - FOOT}` });
    this.dots = ["evidence-dot", "elbo-dot"].map((name) => svg("circle", { class: `dot ${name}`, r: 5 }));
    const title = svg("title", {}, `log p(x) and ELBO of held-out digits while training, from ${fixed(elbo[0], 1)} to ${fixed(evidence[this.n - 1], 1)} nats`);
    this.parts.chart.replaceChildren(svg("svg", { width, height, role: "img" }, title, ...lines, between, ...curves, ...names,
      ...labels, ...feet, this.hair, ...this.dots));
    this.onChart = (i) => [[x(i), y(evidence[i])], [x(i), y(elbo[i])]];
  }

  paint() {
    if (!this.onChart) return;
    this.table = inkTable(this.root);
    const dark = (this.table[255] & 255) > (this.table[0] & 255);
    ["evidence", "q", "posterior"].forEach((name, i) =>
      this.root.style.setProperty(`--c-${name}`, this.data.colours[Number(dark)][i]));
    this.show(this.at);
  }

  show(moment) {
    this.at = moment = Math.max(0, Math.min(this.n - 1, moment));
    const { canvas, caption, step, seen, evidence, elbo, gap, scrub } = this.parts;
    const { data } = this;
    const steps = counted(data.step[moment]);
    const [exact, bound] = [data.log_p_x[moment], data.elbo[moment]];
    step.textContent = steps;
    seen.textContent = counted(data.seen[moment]);
    evidence.textContent = fixed(exact);
    elbo.textContent = fixed(bound);
    gap.textContent = fixed(exact - bound);
    scrub.value = moment;
    scrub.setAttribute("aria-valuetext", `${steps} steps, log p(x) ${fixed(exact)}, ELBO ${fixed(bound)} nats`);
    this.onChart(moment).forEach(([x, y], i) => {
      this.dots[i].setAttribute("transform", `translate(${x} ${y})`);
      this.hair.setAttribute("transform", `translate(${x} 0)`);
    });
    if (!this.planes) return;
    this.paintPlane(canvas, this.plane(moment));
    canvas.dataset.moment = moment;
    canvas.setAttribute("aria-label", `the latent plane after ${steps} training steps, ${data.nodes} × ${data.nodes} decoded digits`);
    caption.textContent = `z₁ and z₂ from −${data.half_width} to ${data.half_width}`;
  }

  paintPlane(canvas, ink) {
    const side = this.data.nodes * DIGIT;
    const scratch = (this.scratch ??= document.createElement("canvas"));
    if (scratch.width !== side) scratch.width = scratch.height = side;
    const image = new ImageData(side, side);
    const words = new Uint32Array(image.data.buffer);
    for (let i = 0; i < words.length; i++) words[i] = this.table[ink[i]];
    scratch.getContext("2d").putImageData(image, 0, 0);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = canvas.width % side !== 0;
    context.imageSmoothingQuality = "high";
    context.drawImage(scratch, 0, 0, canvas.width, canvas.height);
  }

  start() {
    const wait = matchMedia("(prefers-reduced-motion: reduce)").matches ? STILL_MS : MOMENT_MS;
    this.playing = true;
    if (this.at >= this.n - 1) this.show(0);
    let last = performance.now();
    const step = (now) => {
      if (now - last >= wait) {
        last = now;
        this.show(this.at + 1);
        if (this.at >= this.n - 1) return this.pause();
      }
      this.tick = requestAnimationFrame(step);
    };
    this.tick = requestAnimationFrame(step);
    this.label();
  }

  halt() {
    cancelAnimationFrame(this.tick);
    this.playing = false;
    this.label();
  }

  pause() {
    this.halt();
    this.later();
  }

  label() {
    const word = this.playing ? "pause" : "play";
    if (this.parts.play.dataset.word === word) return;
    this.parts.play.dataset.word = word;
    this.parts.play.innerHTML = `<svg viewBox="0 0 12 12" aria-hidden="true"><path d="${ICONS[word]}"/></svg>${word}`;
  }

  tell() {
    const { slot, number } = this.data;
    if (this.told === `${number} ${this.at}`) return;
    this.told = `${number} ${this.at}`;
    this.send("held", keep(slot, number, this.at));
  }

  close() {
    this.later.now();
    this.halt();
    this.watch.disconnect();
    this.unwatch();
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const unfolding = (parentElement.unfolding ??= new Unfolding(parentElement));
  unfolding.update(data[0], setStateValue);
  return () => {
    unfolding.close();
    parentElement.unfolding = null;
  };
}
