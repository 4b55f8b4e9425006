// The contest with the encoder: a hand shifts and stretches q over the stain of the posterior, and bound, gap and score
// follow in the browser; what the server answers when the hand lets go takes the preview's place. Knows nothing of how
// the stain, log p(x) or the answers were computed.
import { fromShelf } from "./shelf.js";
import { paintStain, axisNumbers, putEllipse, stainOf } from "./ellipsemap.js";
import { gaussianOf, heightOf, orderFor, previewOf, shareOf, spread, toldOf, verdictOf, widthText } from "./ellipsescore.js";
import { HANDLES, draggedTo, grabbed, handlesOf, inLimits, keyedTo, mapOf, sameQ } from "./ellipseshape.js";
import { keep, recall } from "./held.js";
import { onThemeChange, rgb } from "./ink.js";
import { elboSteps } from "./quadrature.js";
import { fixed, svg } from "./rail.js";
import { inSlices } from "./slices.js";
import { debounce, fromBase64, unpackBits } from "./wire.js";

const STAIN_DOTS = 360;
const REST_MS = 130; // a hand that rests so long is worth a finer preview
const KEYS_MS = 400; // the server hears of keys after a pause
const SPEAK_MS = 700;
const FINER = { tolerance: 2e-3, most: 1000 }; // nats and decodings of the finer preview
const LABEL = 36; // px from one label of the bar to the next
const MOST_STEPS = 200; // that can be undone

const HANDLE_WORDS = {
  mean: "Mean of q. Arrow keys move it by a tenth of its width, with Shift by half.",
  axis1: "Width of q along z1. Arrow keys stretch it by 2 percent, with Shift by 10.",
  axis2: "Width of q along z2. Arrow keys stretch it by 2 percent, with Shift by 10.",
};
const MARKUP = `
<figure class="board">
  <div class="map">
    <canvas class="stain"></canvas>
    <svg class="shapes" aria-hidden="true"></svg>
    ${HANDLES.map((name) => `<div class="handle ${name}" data-handle="${name}" tabindex="0" role="slider" ${name === "mean" ? 'aria-roledescription="two-dimensional slider" aria-valuemin="-12" aria-valuemax="12"' : 'aria-valuemin="0.0001" aria-valuemax="8"'} aria-label="${HANDLE_WORDS[name]}"><i></i></div>`).join("")}
  </div>
  <figcaption class="small faint">Drag the cross to shift <i class="q">q</i>, a dot to stretch it: cover the stain, the posterior
    <i class="posterior">p</i>(<i>z</i>|<i>x</i>). Solid at 1σ, dotted at 2σ. <span class="how"></span></figcaption>
</figure>
<div class="bar" role="img">
  <div class="track"><b></b><s></s></div>
  <div class="mark evidence"><span>log <i>p</i>(<i>x</i>) <output></output></span></div>
  <div class="mark encoder"><span>encoder <output></output></span></div>
  <div class="mark best" hidden><span>best <i class="q">q</i> <output></output></span></div>
  <div class="you"><span>you</span></div>
</div>
<div class="panel numbers">
  <p class="score"><output class="figure"></output><span class="words"></span><span class="record small faint"></span></p>
  <dl>
    <dt>ELBO</dt><dd class="elbo"></dd>
    <dt><span class="upright">KL</span>(<i class="q">q</i>‖<i class="posterior">p</i>(<i>z</i>|<i>x</i>))</dt><dd class="gap"></dd>
    <dt class="minor">E<sub><i class="q">q</i></sub> log <i>p</i>(<i>x</i>|<i>z</i>)</dt><dd class="reconstruction minor"></dd>
    <dt class="minor"><span class="upright">KL</span>(<i class="q">q</i>‖<i class="prior">p</i>(<i>z</i>))</dt><dd class="kl minor"></dd>
    <dt class="minor">mean μ</dt><dd class="mean-text minor"></dd>
    <dt class="minor">width σ</dt><dd class="width-text minor"></dd>
  </dl>
  <div class="buttons"><button type="button" class="undo">Undo</button><button type="button" class="back">Back to the encoder’s</button></div>
</div>
<div class="spoken" aria-live="polite"></div>`;

class Contest {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element ellipse";
    this.root.innerHTML = MARKUP;
    this.at = (selector) => this.root.querySelector(selector);
    this.board = this.at(".map");
    this.past = [];
    this.answers = new Map();
    this.order = orderFor(1);
    this.drawShapes();
    this.listen();
    this.speak = debounce(() => this.say(), SPEAK_MS);
    this.rest = debounce(() => this.refine(), REST_MS);
    this.later = debounce(() => this.tell(), KEYS_MS);
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.board);
    this.stops = [onThemeChange(this.root, () => this.colour())];
    this.waiting = [];
  }

  // Lines of one width at any size, from the faintest up.
  drawShapes() {
    const ring = (name) => svg("ellipse", { class: name });
    this.rings = Object.fromEntries(
      ["encoder one", "best one", "own body", "own two", "own one"].map((name) => [name, ring(name)]),
    );
    this.stems = { axis1: svg("path", { class: "stem" }), axis2: svg("path", { class: "stem" }) };
    this.name = svg("text", { class: "q-name" }, "q(z|x)");
    this.numbers = svg("g", { class: "axes" });
    const clip = svg("svg", { class: "clipped" }, ...Object.values(this.rings), ...Object.values(this.stems), this.name);
    this.at(".shapes").append(clip, this.numbers);
  }

  // --- From the page ----------------------------------------------------------------------------------------------
  update(data, send) {
    this.send = send;
    const last = this.data;
    const renewed = !last || data.number !== last.number;
    const other = !last || data.x !== last.x || data.model !== last.model;
    this.data = data;
    if (other) {
      this.x = unpackBits(fromBase64(data.x), data.pixels);
      this.past = [];
      this.answers.clear();
      this.previewed = this.fine = null;
    }
    if (data.exact) {
      this.answers.set(String(data.exact.q), { ...data.exact, exact: true });
      if (this.saidAbout) this.speak();
    }
    if (renewed && !this.drag) {
      this.later.cancel();
      const start = last ? data.base : recall(data.slot, data.number, data.base);
      const next = start ?? data.encoder.q;
      if (!other && this.q && !sameQ(next, this.q)) this.remember(this.q);
      this.q = next;
      this.told = `${data.number} ${start ?? null}`;
    }
    if (!last || data.tables !== last.tables || data.model !== last.model) {
      this.waiting.forEach((stop) => stop());
      this.waiting = [
        fromShelf(`decoder:${data.model}`, (decoder) => this.useDecoder(decoder)),
        fromShelf(`tables:${data.tables}`, ({ log_posterior: { values, shape } }) => {
          this.stain = stainOf(values, shape[0], STAIN_DOTS);
          this.colour();
        }),
      ];
    }
    this.colour();
    this.width = 0;
    this.layOut();
  }

  useDecoder(decoder) {
    if (decoder === this.decoder) return;
    this.decoder = decoder;
    this.logits = new Float64Array(decoder.pixels);
    this.previewed = null;
    for (let warm = 0; warm < 3; warm++) previewOf(decoder, this.x, this.q, 3, this.logits); // else the first drag is slow
    this.request();
    this.rest();
  }

  colour() {
    if (!this.data) return;
    const [r, g, b] = rgb(getComputedStyle(this.root).getPropertyValue("--paper").trim() || "#ffffff");
    const dark = Number(r + g + b < 384);
    for (const [name, pair] of Object.entries(this.data.colours)) this.root.style.setProperty(`--c-${name}`, pair[dark]);
    if (this.stain) paintStain(this.at(".stain"), this.stain, rgb(this.data.colours.posterior[dark]));
  }

  layOut() {
    const side = this.board.clientWidth;
    if (!side || !this.data || side === this.width) return;
    this.width = side;
    this.root.style.setProperty("--side", `${side}px`);
    this.map = mapOf(...this.data.window, side);
    this.numbers.replaceChildren(...axisNumbers(this.map));
    this.request();
  }

  // --- Once a frame -----------------------------------------------------------------------------------------------
  request(time = performance.now()) {
    this.asked ??= time;
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    const started = performance.now();
    const { q, map, data } = this;
    if (!map || !q) return;
    const handles = handlesOf(q, map, this.drag?.signs);
    for (const name of HANDLES) {
      const [x, y] = handles[name].at;
      this.at(`.handle.${name}`).style.transform = `translate(${x.toFixed(2)}px, ${y.toFixed(2)}px)`;
      if (name === "mean") continue;
      const [cx, cy] = handles.mean.at;
      this.stems[name].setAttribute("d", `M${cx} ${cy}L${x} ${y}`);
    }
    const arm = Math.max(3.5, Math.min(9, 0.7 * map.scale * Math.min(q[2], q[3]))); // a cross within its ellipse
    this.root.style.setProperty("--arm", `${arm.toFixed(1)}px`);
    putEllipse(this.rings["encoder one"], data.encoder.q, map, 1);
    putEllipse(this.rings["best one"], data.best.q, map, 1);
    this.rings["best one"].toggleAttribute("hidden", !data.revealed);
    for (const [name, sigmas] of [["own body", 1], ["own one", 1], ["own two", 2]]) putEllipse(this.rings[name], q, map, sigmas);
    this.putName(handles);
    this.showFigures(this.figures());
    const detail = { took: performance.now() - started, waited: performance.now() - this.asked, order: this.order };
    this.asked = null;
    this.root.dispatchEvent(new CustomEvent("drawn", { detail }));
  }

  // q(z|x) above its 2σ ellipse and its handle, or beneath them where the map ends.
  putName({ mean, axis2 }) {
    const { q, map } = this;
    const [cx, cy] = mean.at;
    const clear = (sign) => Math.max(2 * q[3] * map.scale, axis2.sign === sign ? axis2.away + 6 : 18);
    const above = cy - clear(1) - 9;
    this.name.setAttribute("x", Math.min(map.side - 30, Math.max(30, cx)));
    this.name.setAttribute("y", above > 14 ? above : Math.min(map.side - 8, cy + clear(-1) + 18));
  }

  // What is known of q: the server's figures, else a finer preview, else one that fits into a frame; null before the decoder.
  figures() {
    const answer = this.answers.get(String(this.q));
    if (answer) return answer;
    if (this.fine && sameQ(this.fine.q, this.q)) return this.fine;
    if (!this.decoder) return null;
    if (!this.previewed || !sameQ(this.previewed.q, this.q)) {
      const started = performance.now();
      this.previewed = { ...previewOf(this.decoder, this.x, this.q, this.order, this.logits), q: this.q, points: this.order ** 2, coarse: true };
      const ms = (performance.now() - started) / this.order ** 2;
      this.pace = Math.min(ms, 1.05 * (this.pace ?? ms)); // of late and undisturbed, ms a decoding
    }
    return this.previewed;
  }

  showFigures(figures) {
    const { data, q } = this;
    const { encoder, best, revealed, log_p_x: logPx, record } = data;
    this.at(".mean-text").textContent = `(${fixed(q[0])}, ${fixed(q[1])})`;
    this.at(".width-text").textContent = `(${widthText(q[2])}, ${widthText(q[3])})`;
    this.at(".undo").setAttribute("aria-disabled", String(this.past.length === 0));
    const untouched = sameQ(q, encoder.q);
    this.at(".back").setAttribute("aria-disabled", String(untouched));
    for (const name of HANDLES) this.nameValue(name);
    const put = (name, value) => (this.at(`.mark.${name} output`).textContent = fixed(value));
    put("evidence", logPx);
    put("encoder", encoder.elbo);
    put("best", best.elbo);
    this.at(".mark.best").hidden = !revealed;
    const place = (name, elbo) => this.root.style.setProperty(`--${name}`, heightOf(elbo, encoder.elbo, logPx));
    place("encoder-at", encoder.elbo);
    place("best-at", best.elbo);
    this.placeLabels();
    if (!figures) return;
    place("you-at", figures.elbo);
    const decimals = figures.coarse ? 1 : 2;
    const show = (name, value) => (this.at(`dd.${name}`).textContent = (figures.exact ? "" : "≈ ") + fixed(value, decimals));
    show("elbo", figures.elbo);
    show("gap", Math.max(0, logPx - figures.elbo));
    show("reconstruction", figures.reconstruction);
    show("kl", figures.kl);
    this.root.classList.toggle("exact", Boolean(figures.exact));
    this.verdict = verdictOf(figures.elbo, data, !untouched);
    this.at(".figure").textContent = this.verdict.figure;
    this.at(".words").textContent = this.verdict.words;
    const won = (shareOf(figures.elbo, encoder.elbo, logPx) ?? 0) > 0 && !untouched;
    this.root.classList.toggle("ahead", won);
    this.at(".record").replaceChildren(...this.records(figures, record).map((line) => {
      const span = document.createElement("span");
      span.textContent = line;
      return span;
    }));
    this.at(".bar").setAttribute("aria-label",
      `The bound, ${fixed(figures.elbo)}, below log p(x), ${fixed(logPx)} nats; the encoder’s, ${fixed(encoder.elbo)}`);
    this.at(".you").classList.toggle("off", heightOf(figures.elbo, encoder.elbo, logPx) === 0);
    this.at(".how").textContent = figures.exact ? "The figures are exact, from the server."
      : `≈ is a preview from ${figures.points} points of q.`;
  }

  // The words beside the bar, one below the other.
  placeLabels() {
    const { encoder, best, revealed, log_p_x: logPx } = this.data;
    const height = this.at(".track").clientHeight;
    const marks = [["evidence", logPx], ...(revealed ? [["best", best.elbo]] : []), ["encoder", encoder.elbo]];
    const at = marks.map(([, elbo]) => height * heightOf(elbo, encoder.elbo, logPx));
    spread(at, LABEL).forEach((label, i) => this.root.style.setProperty(`--${marks[i][0]}-shift`, `${(at[i] - label).toFixed(1)}px`));
  }

  // Lines: "your best so far: 61 %", and what the best q would reach once that was asked for.
  records(figures, record) {
    const { encoder, best, revealed, log_p_x: logPx } = this.data;
    const percent = (elbo) => Math.round(100 * (shareOf(elbo, encoder.elbo, logPx) ?? 0));
    const lines = [];
    if (record !== null && percent(record) > 0) {
      lines.push(figures.exact && figures.elbo >= record - 1e-9 ? "your best so far" : `your best so far: ${percent(record)} %`);
    }
    if (revealed) lines.push(`the best q: ${percent(best.elbo)} %`);
    return lines;
  }

  nameValue(name) {
    const handle = this.at(`.handle.${name}`);
    const [m1, m2, s1, s2] = this.q;
    const text = name === "mean" ? `z1 ${fixed(m1)}, z2 ${fixed(m2)}` : `σ ${widthText(name === "axis1" ? s1 : s2)}`;
    if (handle.getAttribute("aria-valuetext") === text) return;
    handle.setAttribute("aria-valuetext", text);
    handle.setAttribute("aria-valuenow", name === "mean" ? m1 : name === "axis1" ? s1 : s2);
  }

  // --- The hand ---------------------------------------------------------------------------------------------------
  listen() {
    const { board } = this;
    const point = (event) => {
      const box = board.getBoundingClientRect();
      return [event.clientX - box.left - board.clientLeft, event.clientY - box.top - board.clientTop];
    };
    board.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary || !this.map) return;
      const from = point(event);
      const handle = grabbed(this.q, this.map, from);
      if (handle === null) return;
      event.preventDefault();
      board.setPointerCapture(event.pointerId);
      this.root.dataset.by = "hand";
      const { axis1, axis2 } = handlesOf(this.q, this.map);
      const signs = handle === "mean" ? {} : { axis1: axis1.sign, axis2: axis2.sign };
      this.drag = { handle, from, q: this.q, signs };
      if (this.pace !== undefined) this.order = orderFor(this.pace); // kept for the whole drag: no figure jumps by it
      this.root.dataset.drag = handle;
      this.at(`.handle.${handle}`).focus({ preventScroll: true });
    });
    board.addEventListener("pointermove", (event) => {
      if (!event.isPrimary || !this.map) return;
      const at = point(event);
      if (!this.drag) {
        board.dataset.over = event.pointerType === "mouse" ? grabbed(this.q, this.map, at) ?? "" : "";
        return;
      }
      const { handle, from, q } = this.drag;
      this.show(draggedTo(q, handle, this.map, [at[0] - from[0], at[1] - from[1]]), event.timeStamp);
    });
    board.addEventListener("pointerleave", () => (board.dataset.over = ""));
    const letGo = (event) => {
      if (!this.drag || !event.isPrimary) return;
      const { q } = this.drag;
      this.drag = null;
      delete this.root.dataset.drag;
      this.request();
      if (sameQ(q, this.q)) return;
      this.remember(q);
      this.tell();
    };
    board.addEventListener("pointerup", letGo);
    board.addEventListener("pointercancel", letGo);
    for (const name of HANDLES) {
      const handle = this.at(`.handle.${name}`);
      handle.addEventListener("keydown", (event) => this.key(name, event));
      handle.addEventListener("blur", () => { this.burst = null; this.later.now(); });
    }
    this.root.addEventListener("keydown", (event) => {
      this.root.dataset.by = "keys";
      if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      event.preventDefault();
      this.undo();
    });
    this.at(".undo").addEventListener("click", () => this.undo());
    this.at(".back").addEventListener("click", () => this.jump(this.data.encoder.q));
  }

  key(name, event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.map) return;
    const next = keyedTo(this.q, name, event.key, event.shiftKey);
    if (next === null) return;
    event.preventDefault();
    if (this.burst !== name) this.remember(this.q); // what a key does again and again is undone at once
    this.burst = name;
    this.show(next, event.timeStamp);
    this.later();
  }

  show(q, time) {
    if (sameQ(q, this.q)) return;
    this.q = q;
    this.refining?.abort();
    this.request(time);
    this.rest();
    this.speak();
  }

  remember(q) {
    this.past.push(q);
    if (this.past.length > MOST_STEPS) this.past.shift();
  }

  jump(q) {
    if (sameQ(q, this.q)) return;
    this.remember(this.q);
    this.burst = null;
    this.show(q);
    this.tell();
  }

  undo() {
    const before = this.past.pop();
    if (before === undefined || this.drag) return;
    this.burst = null;
    this.show(before);
    this.request();
    this.tell();
  }

  // --- A hand at rest ---------------------------------------------------------------------------------------------
  // A finer rule, a few milliseconds a frame, until the hand moves or the server has answered.
  async refine() {
    const { q, decoder } = this;
    if (!decoder || this.answers.has(String(q)) || (this.fine && sameQ(this.fine.q, q))) return;
    this.refining?.abort();
    const refining = (this.refining = new AbortController());
    try {
      const signal = refining.signal;
      const found = await inSlices(elboSteps(decoder, this.x, gaussianOf(q), FINER), { budget: 6, signal });
      this.fine = { ...found, elbo: found.value, points: found.evaluations, coarse: !found.settled, q };
      this.request();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  say() {
    const figures = this.figures();
    this.saidAbout = !figures?.exact; // the server's figures are said too when they come
    this.at(".spoken").textContent = toldOf(this.q, figures, this.data.log_p_x, this.verdict);
  }

  tell() {
    this.later.cancel();
    const { slot, number, encoder } = this.data;
    const value = sameQ(this.q, encoder.q) ? null : inLimits(this.q);
    const message = `${number} ${value}`;
    if (message === this.told) return;
    this.told = message;
    this.send("held", keep(slot, number, value));
  }

  close() {
    this.later.now();
    [this.speak, this.rest].forEach((timer) => timer.cancel());
    this.refining?.abort();
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    [...this.stops, ...this.waiting].forEach((stop) => stop());
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  parentElement.contest ??= new Contest(parentElement);
  parentElement.contest.update(data[0], setStateValue);
  return () => {
    parentElement.contest?.close();
    parentElement.contest = null;
  };
}
