// The interpolation rail: one large digit, a strip of frames, a scrubber, log p(z) along the way and, for a plane, a
// map, all answering at the speed of the hand. Every picture is a frame that came from Python; none is blended.
import { PIXELS, inkTable, onThemeChange, paintDigit, sizeCanvas } from "./ink.js";
import { debounce, fromBase64 } from "./wire.js";
import { keep, recall } from "./held.js";
import { axis, drawing, fixed, nearestPoint, positionAt, routeMap, stripStops, svg } from "./rail.js";

const ONE_WAY_MS = 3000;
const STILL_MS = 400; // between frames, where the visitor wants little movement
const AFTER_MS = 120;
const TOP = 16; // the chart's margins
const FOOT = 20;
const NARROW = 640;
const ICONS = { play: "M1 0L11 6L1 12Z", pause: "M1 0H4.5V12H1ZM7.5 0H11V12H7.5Z" };
const SCAFFOLD = `
  <div class="stage">
    <figure class="large"><canvas role="img"></canvas></figure>
    <figure class="map"></figure>
    <div class="readings">
      <dl class="numbers">
        <dt><i>t</i></dt><dd class="t"></dd>
        <dt class="math">log <i>p</i>(<i>z</i>)</dt><dd class="p"></dd>
        <dt class="z-name"><i>z</i></dt><dd class="z"></dd>
        <dt>frame</dt><dd class="frame"></dd>
      </dl>
      <button type="button" class="play"></button>
    </div>
  </div>
  <div class="strip"></div>
  <div class="scrub"><input type="range" step="1" min="0" aria-label="place on the path"></div>
  <div class="ends small"><span></span><span></span></div>
  <figure class="chart"></figure>`;

class Player {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element player";
    this.root.innerHTML = SCAFFOLD;
    const at = (selector) => this.root.querySelector(selector);
    this.parts = { stage: at(".stage"), large: at(".large canvas"), map: at(".map"), play: at(".play"),
      strip: at(".strip"), scrub: at(".scrub input"), ends: this.root.querySelectorAll(".ends span"), chart: at(".chart"),
      t: at(".t"), p: at(".p"), z: at(".z"), zName: at(".z-name"), frame: at(".frame") };
    this.later = debounce(() => this.tell(), AFTER_MS);
    this.listen();
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.root);
    this.unwatch = onThemeChange(this.root, () => this.paint());
  }

  listen() {
    const { play, scrub, strip, chart, map } = this.parts;
    play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
    scrub.addEventListener("input", () => { this.halt(); this.show(Number(scrub.value)); });
    scrub.addEventListener("change", () => this.later());
    strip.addEventListener("click", (event) => {
      const stop = event.target.closest("button");
      if (stop) this.jump(Number(stop.value));
    });
    const along = (event) => {
      const box = chart.getBoundingClientRect();
      this.halt();
      this.show(Math.round(((event.clientX - box.left - this.chartInset) / (box.width - 2 * this.chartInset)) * (this.n - 1)));
    };
    chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); this.held = true; along(event); });
    chart.addEventListener("pointermove", (event) => { if (this.held) along(event); });
    for (const end of ["pointerup", "pointercancel"]) chart.addEventListener(end, () => { this.held = false; this.later(); });
    map.addEventListener("click", (event) => {
      const box = map.getBoundingClientRect();
      const z = this.map.toPlane(event.clientX - box.left, event.clientY - box.top);
      this.jump(nearestPoint(this.data.path, z));
    });
  }

  update(data, send) {
    this.send = send;
    const first = this.data === undefined;
    const renewed = first || data.number !== this.data.number;
    this.data = data;
    this.frames = fromBase64(data.frames);
    this.n = this.frames.length / PIXELS;
    const { scrub, ends, stage, map } = this.parts;
    scrub.max = this.n - 1;
    data.labels.forEach((label, i) => { ends[i].textContent = label; });
    stage.classList.toggle("no-map", !data.path);
    map.hidden = !data.path;
    this.parts.z.hidden = this.parts.zName.hidden = !data.path;
    if (renewed && !this.playing) {
      this.later.cancel();
      this.t = first ? recall(data.slot, data.number, data.base) : data.base;
    }
    this.width = 0;
    this.layOut();
  }

  // Everything that depends on the width alone.
  layOut() {
    const width = this.root.clientWidth;
    if (!width || width === this.width || !this.data) return;
    this.width = width;
    const narrow = width <= NARROW;
    const two = Boolean(this.data.path);
    this.side = narrow ? Math.min(252, Math.floor(two ? (width - 16) / 2 : width * 0.5)) : 280;
    sizeCanvas(this.parts.large, this.side);
    const count = Math.min(this.n, width < 440 ? 9 : 11);
    const tile = Math.floor(width / count);
    const inset = (width - tile * count) / 2;
    this.half = inset + tile / 2;
    this.root.style.setProperty("--half", `${this.half}px`);
    this.parts.strip.style.paddingInline = `${inset}px`;
    this.stops = stripStops(this.n, count);
    const thumb = Math.min(84, tile - 4);
    this.parts.strip.replaceChildren(...this.stops.map((frame) => {
      const stop = document.createElement("button");
      Object.assign(stop, { type: "button", value: frame, tabIndex: -1 });
      stop.setAttribute("aria-label", `go to t = ${fixed(frame / (this.n - 1))}`);
      stop.style.width = `${tile}px`;
      sizeCanvas(stop.appendChild(document.createElement("canvas")), thumb);
      return stop;
    }));
    this.drawChart();
    if (two) this.drawMap();
    this.paint();
  }

  // Beneath the rail, on the rail's axis of t; where there is no map and room, in its place.
  drawChart() {
    const { chart, stage } = this.parts;
    const raised = !this.data.path && this.width > NARROW;
    (raised ? stage : this.root).append(chart);
    const height = raised ? this.side - 36 : 124;
    const width = raised ? this.width - this.side - 260 : this.width;
    this.chartInset = raised ? 8 : this.half;
    const values = this.data.log_p_z;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const { low, high, ticks, decimals } = axis(least, most);
    const x = (i) => this.chartInset + (i / (this.n - 1)) * (width - 2 * this.chartInset);
    const y = (value) => TOP + ((high - value) / (high - low)) * (height - TOP - FOOT);
    const lines = ticks.map((tick) => svg("path", { class: "grid-line", d: `M${x(0)} ${y(tick)}H${x(this.n - 1)}` }));
    const clear = (end) => Math.min(...ticks.map((tick) => Math.abs(values[end] - tick)));
    const right = clear(this.n - 1) > clear(0); // the ticks' names stand where the curve keeps clear of them
    const names = ticks.map((tick) => svg("text", { class: "halo numbers", x: x(right ? this.n - 1 : 0), y: y(tick) - 4,
      "text-anchor": right ? "end" : "start" }, fixed(tick, decimals)));
    if (names.length) names[names.length - 1].textContent += " nats";
    const feet = [[0, "t = 0", "start"], [0.5, "0.5", "middle"], [1, "1", "end"]].map(([t, text, anchor]) =>
      svg("text", { x: x(t * (this.n - 1)), y: height - 4, "text-anchor": anchor }, text));
    const curve = svg("path", { class: "curve", d: drawing(values.map((value, i) => [x(i), y(value)])) });
    this.hair = svg("path", { class: "hair", d: `M0 0V${height - FOOT}` });
    this.dot = svg("circle", { class: "dot", r: 5.5 });
    const title = svg("title", {}, `log p(z) along the path, from ${fixed(least)} to ${fixed(most)} nats`);
    const caption = document.createElement("figcaption");
    caption.className = "small faint";
    caption.innerHTML = '<span class="math">log <i>p</i>(<i>z</i>)</span> along the path';
    caption.style.paddingLeft = `${this.chartInset}px`;
    chart.replaceChildren(caption,
      svg("svg", { width, height, role: "img" }, title, ...lines, curve, ...names, ...feet, this.hair, this.dot));
    this.onChart = (i) => [x(i), y(values[i])];
  }

  drawMap() {
    const codes = this.data.background && new Float32Array(fromBase64(this.data.background).buffer);
    this.map = routeMap(this.data.path, codes, this.side);
    this.parts.map.replaceChildren(this.map.picture);
  }

  paint() {
    if (!this.stops) return;
    this.table = inkTable(this.root);
    const dark = (this.table[255] & 255) > (this.table[0] & 255);
    this.root.style.setProperty("--c-prior", this.data.prior[Number(dark)]);
    [...this.parts.strip.children].forEach((stop, k) => paintDigit(stop.firstChild, this.picture(this.stops[k]), this.table, 1));
    this.at = null;
    this.show(positionAt(this.t, this.n));
  }

  picture(frame) {
    return this.frames.subarray(frame * PIXELS, (frame + 1) * PIXELS);
  }

  // Shows a frame everywhere at once.
  show(frame) {
    frame = Math.max(0, Math.min(this.n - 1, frame));
    if (!this.playing) this.t = frame / (this.n - 1);
    if (frame === this.at) return;
    this.at = frame;
    const { large, scrub, strip, t, p, z, frame: count } = this.parts;
    const place = fixed(frame / (this.n - 1));
    const density = `${fixed(this.data.log_p_z[frame])} nats`;
    paintDigit(large, this.picture(frame), this.table, 1);
    large.setAttribute("aria-label", `decoded digit at t = ${place}`);
    t.textContent = place;
    p.textContent = density;
    count.textContent = `${frame + 1} of ${this.n}`;
    scrub.value = frame;
    scrub.setAttribute("aria-valuetext", `t = ${place}, log p(z) = ${density}`);
    const near = nearestPoint(this.stops.map((stop) => [stop, 0]), [frame, 0]);
    [...strip.children].forEach((stop, k) => stop.setAttribute("aria-current", String(k === near)));
    const [x, y] = this.onChart(frame);
    this.hair.setAttribute("transform", `translate(${x} 0)`);
    this.dot.setAttribute("transform", `translate(${x} ${y})`);
    if (!this.data.path) return;
    const point = this.data.path[frame];
    z.textContent = `(${fixed(point[0])}, ${fixed(point[1])})`;
    this.map.mark(point);
  }

  jump(frame) {
    this.halt();
    this.show(frame);
    this.later();
  }

  start() {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.playing = true;
    this.way = this.t >= 1 ? -1 : this.way ?? 1;
    this.phase = Math.acos(1 - 2 * this.t) / Math.PI; // t = (1 − cos π·phase)/2
    let last = performance.now();
    const step = (now) => {
      const passed = now - last;
      if (!still || passed >= STILL_MS) {
        last = now;
        this.phase += this.way * (still ? 0 : Math.min(passed, 50) / ONE_WAY_MS);
        this.t = still ? this.t + this.way / (this.n - 1) : (1 - Math.cos(Math.PI * this.phase)) / 2;
        const past = still ? this.t : this.phase;
        if (past >= 1) [this.way, this.phase, this.t] = [-1, 1, 1];
        if (past <= 0) [this.way, this.phase, this.t] = [1, 0, 0];
        this.show(positionAt(this.t, this.n));
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
    this.show(positionAt(this.t, this.n));
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
    if (this.told === `${number} ${this.t}`) return;
    this.told = `${number} ${this.t}`;
    this.send("held", keep(slot, number, this.t));
  }

  close() {
    this.later.now();
    cancelAnimationFrame(this.tick);
    this.watch.disconnect();
    this.unwatch();
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const player = (parentElement.player ??= new Player(parentElement));
  player.label();
  player.update(data[0], setStateValue);
  return () => {
    player.close();
    parentElement.player = null;
  };
}
