// The interpolation rail: two ends to set, one large digit, a strip, a scrubber, log p(z) along the way and, for a plane,
// a map, all answering at the speed of the hand. Each picture is decoded here from its own z; none is blended.
import { fitted, inkTable, onThemeChange, sizeCanvas } from "./ink.js";
import { debounce } from "./wire.js";
import { keep, recall } from "./held.js";
import { logStandardNormal } from "./numerics.js";
import { drawChart } from "./railchart.js";
import { ENDS, Ends } from "./railends.js";
import { Painter } from "./railpaint.js";
import { eased, fixed, inThousandths, nearestPoint, phaseAt, routeMap, scrubbedBy, stripStops } from "./rail.js";
import { ROUTES, along } from "./routes.js";
import { fromShelf } from "./shelf.js";

const LEG_MS = 3000;
const STILL_MS = 400; // between pictures, where the visitor wants little movement
const AFTER_MS = 120;
const SPEAK_MS = 500;
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
      </dl>
      <button type="button" class="play"></button>
    </div>
  </div>
  <div class="strip"></div>
  <div class="scrub"><input type="range" step="1" min="0" max="1000" aria-label="place on the path"></div>
  <figure class="chart"></figure>
  <div class="spoken" aria-live="polite"></div>`;

class Player {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element player";
    this.painter = new Painter();
    this.ends = new Ends(this.root, this.painter, (end, item) => this.choose(end, item));
    this.root.insertAdjacentHTML("beforeend", SCAFFOLD);
    const at = (selector) => this.root.querySelector(selector);
    this.parts = { stage: at(".stage"), large: at(".large canvas"), map: at(".map"), play: at(".play"),
      strip: at(".strip"), scrub: at(".scrub input"), chart: at(".chart"), spoken: at(".spoken"),
      t: at(".t"), p: at(".p"), z: at(".z"), zName: at(".z-name") };
    this.later = debounce(() => this.tell(), AFTER_MS);
    this.speak = debounce(() => this.say(), SPEAK_MS);
    this.asked = {}; // ends that were chosen here and that the server has not answered yet: end → [kind, number]
    this.waiting = [];
    this.label();
    this.listen();
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.root);
    this.unwatch = onThemeChange(this.root, () => this.repaint());
  }

  listen() {
    const { play, scrub, strip, chart, map } = this.parts;
    play.addEventListener("click", () => (this.playing ? this.pause() : this.start()));
    scrub.addEventListener("input", () => { this.halt(); this.show(scrub.value / 1000); });
    scrub.addEventListener("change", () => this.later());
    scrub.addEventListener("keydown", (event) => {
      const t = event.ctrlKey || event.metaKey || event.altKey ? null : scrubbedBy(event.key, this.t, event.shiftKey);
      if (t === null) return;
      event.preventDefault();
      this.jump(t);
    });
    strip.addEventListener("click", (event) => {
      const stop = event.target.closest("button");
      if (stop) this.jump(inThousandths(Number(stop.value)));
    });
    const slide = (event) => {
      const box = chart.getBoundingClientRect();
      const { inset } = this.chart;
      this.halt();
      this.show((event.clientX - box.left - inset) / (box.width - 2 * inset));
    };
    chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); this.held = true; slide(event); });
    chart.addEventListener("pointermove", (event) => { if (this.held) slide(event); });
    for (const end of ["pointerup", "pointercancel"]) chart.addEventListener(end, () => { this.held = false; this.later(); });
    map.addEventListener("click", (event) => {
      const box = map.getBoundingClientRect();
      const z = this.map.toPlane(event.clientX - box.left, event.clientY - box.top);
      this.jump(inThousandths(nearestPoint(this.path, z) / (this.path.length - 1)));
    });
  }

  update(data, send) {
    this.send = send;
    const first = this.data === undefined;
    const renewed = first || data.number !== this.data.number;
    const other = first || data.model !== this.data.model || data.tray !== this.data.tray;
    const anew = first || data.session !== this.data.session; // what the server heard went with the session before
    if (anew || data.heard > this.sent) this.sent = data.heard;
    if (data.heard < this.sent && !other) data = { ...data, stops: this.data.stops, ends: this.data.ends }; // an answer to an older choice
    else this.asked = {};
    this.data = data;
    this.ends.of(data);
    if (other) {
      this.waiting.forEach((stop) => stop());
      this.decoder = this.tables = null;
      this.painter.halt(); // no latent of one model comes before the decoder of another
    } else if (this.tables) {
      this.ends.useTray(this.tables, data.drawing);
    }
    if (renewed && !this.playing && !this.held) {
      this.later.cancel();
      this.t = first ? recall(data.slot, data.number, data.base) : data.base;
    }
    this.useRoute();
    if (!other) return;
    this.waiting = [
      fromShelf(`decoder:${data.model}`, (decoder) => { this.decoder = decoder; this.repaint(); }),
      fromShelf(`tables:${data.tray}`, (tables) => { this.tables = tables; this.useTables(); }),
    ];
  }

  useTables() {
    this.ends.useTray(this.tables, this.data.drawing);
    if (this.planar && this.width) this.drawMap();
    this.refresh();
  }

  // The way past the stops, on as many points as the film has frames.
  useRoute() {
    const { stops, route, frames, ends } = this.data;
    this.legs = stops.length - 1;
    const n = this.legs * frames;
    this.zAt = (t) => along(stops, t, ROUTES[route]);
    this.path = Array.from({ length: n + 1 }, (_, i) => this.zAt(i / n));
    this.planar = stops[0].length === 2;
    const { stage, map, z, zName } = this.parts;
    stage.classList.toggle("no-map", !this.planar);
    map.hidden = z.hidden = zName.hidden = !this.planar;
    this.ends.show({
      a: { kind: ends.a[0], number: ends.a[1], z: stops[0] },
      b: { kind: ends.b[0], number: ends.b[1], z: stops[this.lastStop()] },
    });
    this.layOut(true);
  }

  // Where the second end stands: a closed tour goes on from it, back to the first.
  lastStop() {
    return this.data.stops.length - (this.data.closed ? 2 : 1);
  }

  // An end was chosen here: the walk goes there at once, and the server hears of it.
  choose(end, { kind, number, z }) {
    const stops = [...this.data.stops];
    if (z.length !== stops[0].length) return; // a tile of the model before
    stops[end === "a" ? 0 : this.lastStop()] = z;
    if (end === "a" && this.data.closed) stops[stops.length - 1] = z;
    this.data = { ...this.data, stops, ends: { ...this.data.ends, [end]: [kind, number] } };
    this.asked[end] = [kind, number];
    this.sent += 1;
    this.useRoute();
    this.speak();
    this.send("chosen", { number: this.sent, ends: { ...this.asked } });
  }

  // Everything that depends on the width, and on the route where that is new.
  layOut(renewed = false) {
    const width = this.root.clientWidth;
    if (!width || !this.data || (width === this.width && !renewed)) return;
    const narrow = width <= NARROW;
    this.side = narrow ? Math.min(252, Math.floor(this.planar ? (width - 16) / 2 : width * 0.5)) : 280;
    sizeCanvas(this.parts.large, ...fitted(this.data.shape, this.side));
    this.ends.size(narrow ? 68 : 84);
    const laid = `${width} ${this.data.shape}`;
    if (laid !== this.laid) this.layOutStrip(width);
    this.laid = laid;
    this.width = width;
    const { strip, chart, stage } = this.parts;
    [...strip.children].forEach((stop, k) => this.painter.soon(stop.firstChild, this.zAt(this.stops[k])));
    const raised = !this.planar && !narrow; // beneath the rail, on its axis of t; where there is no map and room, in its place
    (raised ? stage : this.root).append(chart);
    const size = raised ? { height: this.side - 36, width: width - this.side - 260, inset: 8 } : { height: 124, width, inset: this.half };
    this.chart = drawChart(chart, this.path.map(logStandardNormal), size);
    if (this.planar) this.drawMap();
    this.repaint();
  }

  layOutStrip(width) {
    const { strip } = this.parts;
    const count = width < 440 ? 9 : 11;
    const tile = Math.floor(width / count);
    const inset = (width - tile * count) / 2;
    this.half = inset + tile / 2;
    this.root.style.setProperty("--half", `${this.half}px`);
    strip.style.paddingInline = `${inset}px`;
    this.stops = stripStops(count);
    while (strip.children.length > count) {
      this.painter.forget(strip.lastChild.firstChild);
      strip.lastChild.remove();
    }
    while (strip.children.length < count) {
      const stop = strip.appendChild(document.createElement("button"));
      Object.assign(stop, { type: "button", tabIndex: -1 }).append(document.createElement("canvas"));
    }
    [...strip.children].forEach((stop, k) => {
      stop.value = this.stops[k];
      stop.setAttribute("aria-label", `go to t = ${fixed(this.stops[k])}`);
      stop.style.width = `${tile}px`;
      sizeCanvas(stop.firstChild, ...fitted(this.data.shape, Math.min(84, tile - 4)));
    });
  }

  drawMap() {
    this.map = routeMap(this.path, this.tables?.dots?.values, this.side, this.data.stops, this.data.classes.length > 1);
    this.parts.map.replaceChildren(this.map.picture);
  }

  repaint() {
    if (!this.stops) return;
    const table = inkTable(this.root);
    const dark = (table[255] & 255) > (table[0] & 255);
    this.root.style.setProperty("--c-prior", this.data.prior[Number(dark)]);
    this.painter.begin(this.decoder, this.data.shape, table);
    this.refresh();
  }

  refresh() {
    if (!this.stops) return;
    this.at = null;
    this.show(this.t);
  }

  // Shows a place on the way everywhere at once.
  show(t) {
    t = this.playing ? t : inThousandths(t);
    this.t = t;
    if (t === this.at) return;
    this.at = t;
    const { large, scrub, strip, t: place, p, z } = this.parts;
    const point = this.zAt(t);
    const density = logStandardNormal(point);
    const words = `${fixed(density)} nats`;
    this.painter.now(large, point);
    large.setAttribute("aria-label", `decoded digit at t = ${fixed(t, 3)}`);
    place.textContent = fixed(t, 3);
    p.textContent = words;
    scrub.value = Math.round(1000 * t);
    scrub.setAttribute("aria-valuetext", `t = ${fixed(t, 3)}, log p(z) = ${words}`);
    const near = nearestPoint(this.stops.map((stop) => [stop, 0]), [t, 0]);
    [...strip.children].forEach((stop, k) => stop.setAttribute("aria-current", String(k === near)));
    this.chart.mark(t, density);
    if (!this.playing) this.speak();
    if (!this.planar) return;
    z.textContent = `(${fixed(point[0])}, ${fixed(point[1])})`;
    this.map.mark(point);
  }

  jump(t) {
    this.halt();
    this.show(t);
    this.later();
  }

  start() {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.playing = true;
    this.way = this.t >= 1 ? -1 : (this.way ?? 1);
    let phase = phaseAt(this.t, this.legs);
    let last = performance.now();
    const step = (now) => {
      const passed = now - last;
      if (!still || passed >= STILL_MS) {
        last = now;
        let t = still ? this.t + this.way / (this.stops.length - 1) : 0;
        phase += still ? 0 : (this.way * Math.min(passed, 50)) / LEG_MS;
        if (!still) t = phase <= 0 ? 0 : phase >= this.legs ? 1 : eased(phase, this.legs);
        if (t >= 1) [this.way, phase, t] = [-1, this.legs, 1];
        if (t <= 0) [this.way, phase, t] = [1, 0, 0];
        this.show(t);
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
    this.show(this.t);
    this.later();
  }

  label() {
    const word = this.playing ? "pause" : "play";
    if (this.parts.play.dataset.word === word) return;
    this.parts.play.dataset.word = word;
    this.parts.play.innerHTML = `<svg viewBox="0 0 12 12" aria-hidden="true"><path d="${ICONS[word]}"/></svg>${word}`;
  }

  say() {
    const [from, to] = ENDS.map((end) => this.ends.name(this.data.ends[end][0]));
    this.parts.spoken.textContent = `From ${from} to ${to}, t = ${fixed(this.t, 3)}, log p(z) = ${fixed(logStandardNormal(this.zAt(this.t)))} nats`;
  }

  tell() {
    const { slot, number } = this.data;
    if (this.told === `${number} ${this.t}`) return;
    this.told = `${number} ${this.t}`;
    this.send("held", keep(slot, number, this.t));
  }

  close() {
    this.later.now();
    this.speak.cancel();
    cancelAnimationFrame(this.tick);
    this.waiting.forEach((stop) => stop());
    this.ends.close();
    this.painter.halt();
    this.watch.disconnect();
    this.unwatch();
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const player = (parentElement.player ??= new Player(parentElement));
  player.update(data[0], setStateValue);
  return () => {
    player.close();
    parentElement.player = null;
  };
}
