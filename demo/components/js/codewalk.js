// A walk through a latent space without a plane: between two codes, along the directions in which the decoder changes
// most, or one coordinate at a time. The digit, log p(z) and log p(x|z) of a pinned x follow the hand; decodes in the
// browser. Knows nothing of where codes, directions and x come from.
import { movesOf, MARKUP } from "./codewalkmarkup.js";
import { KINDS, byKl, latentAt, lengthOf, messageOf, placeAt, placeBack, placeOf, samePlace, walkInWords } from "./codewalkplace.js";
import { SAMPLES, drawProfile } from "./codewalkprofile.js";
import { REACH, enlarger } from "./enlarge.js";
import { Line } from "./explorerline.js";
import { jointTerms } from "./explorerpin.js";
import { keep, recall } from "./held.js";
import { fitted, inkTable, onThemeChange, paintDigit, pixelsOf, rgb, sizeCanvas, tellShape } from "./ink.js";
import { written } from "./latent.js";
import { sigmoid } from "./logits.js";
import { fromShelf } from "./shelf.js";
import { inSlices } from "./slices.js";
import { debounce, fromBase64, unpackBits } from "./wire.js";

const AFTER_MS = 200; // a pause of the keys, after which the server hears of them
const REST_MS = 120; // a hand that rests so long is worth new pictures at the ends
const SPEAK_MS = 600;
const MOST_STEPS = 200; // that can be undone
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };

class Codewalk {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element codewalk";
    this.root.innerHTML = MARKUP;
    this.at = (selector) => this.root.querySelector(selector);
    this.large = this.at(".digit canvas").getContext("2d");
    this.line = new Line(this.root);
    this.line.begin(null, true);
    this.past = [];
    this.idle = {};
    this.later = debounce(() => this.tell(), AFTER_MS);
    this.rest = debounce(() => this.paintEnds(), REST_MS);
    this.speak = debounce(() => this.say(), SPEAK_MS);
    this.listen();
    this.watch = new ResizeObserver(() => this.rest());
    this.watch.observe(this.root);
    this.stops = [onThemeChange(this.root, () => this.colour())];
  }

  // --- From the page ------------------------------------------------------------------------------------------------
  update(data, send) {
    const last = this.data;
    this.send = send;
    this.data = data;
    const renewed = !last || data.number !== last.number;
    if (String(data.shape) !== String(last?.shape)) this.shape(data.shape);
    if (!last || data.walk !== last.walk) {
      this.past = [];
      this.begin(data);
    }
    if (renewed && !this.pressed) {
      this.later.cancel();
      const start = last ? data.base : recall(data.slot, data.number, data.base);
      this.place = placeOf(start);
      this.told = `${data.number} ${start}`;
      this.burst = null;
    }
    if (!last || data.model !== last.model) {
      this.stop?.();
      this.decoder = null;
      this.stop = fromShelf(`decoder:${data.model}`, (decoder) => {
        if (decoder.latentDim !== this.data.a.length || decoder.pixels !== pixelsOf(this.data.shape)) return;
        this.decoder = decoder;
        this.request();
        this.rest();
      });
    }
    this.colour();
  }

  // Buffers of the drawing, for pictures of one shape.
  shape(shape) {
    this.enlarger = enlarger(shape);
    const { width, height } = this.enlarger;
    Object.assign(this.large.canvas, { width, height });
    this.image = this.large.createImageData(width, height);
    this.logits = new Float64Array(pixelsOf(shape));
    this.chances = new Float32Array(pixelsOf(shape));
    tellShape(this.root, shape);
  }

  begin(data) {
    this.x = unpackBits(fromBase64(data.x), pixelsOf(data.shape));
    this.at(".x-name").textContent = data.x_name;
    this.root.dataset.mode = data.mode;
    this.at(".moves").innerHTML = movesOf(data, byKl(data.kl));
    this.at(".ends")?.querySelectorAll("span:not(.math)").forEach((end, i) => (end.textContent = data.names[i]));
    this.sliders = [...this.root.querySelectorAll("input")].map((input) => {
      const row = input.closest(".row");
      return { input, row, kind: input.dataset.kind, number: Number(input.dataset.number), words: row.querySelector(".amount")?.appendChild(new Text()) };
    });
    this.thumbs = [...this.root.querySelectorAll(".thumb")];
    this.tWords = this.at(".t-value")?.appendChild(new Text());
    this.profile = this.at(".profile");
    this.now = this.at(".now");
  }

  colour() {
    if (!this.data) return;
    this.table = inkTable(this.root);
    this.byLogit = Uint32Array.from({ length: 2 * REACH * 64 }, (_, i) => this.table[Math.round(255 * sigmoid(i / 64 - REACH))]);
    const [r, g, b] = rgb(getComputedStyle(this.root).getPropertyValue("--paper").trim() || "#ffffff");
    const dark = Number(r + g + b < 384);
    for (const [name, pair] of Object.entries(this.data.colours)) this.root.style.setProperty(`--c-${name}`, pair[dark]);
    const example = this.at(".example canvas");
    sizeCanvas(example, ...fitted(this.data.shape, 56));
    paintDigit(example, this.x, this.data.shape, this.table);
    this.request();
    this.rest();
  }

  // --- Once a frame -------------------------------------------------------------------------------------------------
  request(time = performance.now()) {
    this.asked ??= time;
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = null;
    const { data, decoder, logits, line, place } = this;
    const z = latentAt(data, place);
    line.write("norm-value", written(lengthOf(z)));
    this.showSliders(z);
    this.log = null;
    if (decoder) {
      decoder.decode(z, logits);
      this.log = jointTerms(this.x, z, logits);
      const sum = line.joint(this.log.logPz, this.log.logPxGivenZ);
      this.root.classList.toggle("beyond", sum < line.ends[0]);
      for (let i = 0; i < logits.length; i++) logits[i] = Math.max(-REACH, Math.min(REACH, logits[i]));
      this.enlarger.into(this.image, logits, this.byLogit);
      this.large.putImageData(this.image, 0, 0);
    }
    this.z = z;
    const detail = { z: [...z], place: messageOf(place), log: this.log, waited: performance.now() - this.asked };
    this.asked = null;
    if (decoder) this.root.dispatchEvent(new CustomEvent("drawn", { detail }));
    this.speak();
  }

  showSliders(z) {
    const { place, data } = this;
    for (const slider of this.sliders) {
      const { input, kind, number, words, row } = slider;
      const value = kind === "t" ? place.t : kind === "along" ? place.along.get(number) ?? 0 : z[number - 1];
      if (slider.value === value) continue;
      slider.value = value;
      input.value = value;
      const text = written(value);
      input.setAttribute("aria-valuetext", text);
      if (words) words.data = text;
      row.classList.toggle("off", kind !== "t" && place[kind].has(number));
    }
    if (this.tWords) {
      this.tWords.data = place.t.toFixed(2);
      this.now.style.left = `${100 * place.t}%`;
    }
    const home = samePlace(place, placeBack(place, { kind: KINDS[data.mode] }));
    for (const [name, idle] of [["undo", this.past.length === 0], ["back", home]]) {
      if (this.idle[name] === idle) continue;
      this.idle[name] = idle;
      this.at(`.${name}`).setAttribute("aria-disabled", String(idle));
    }
  }

  // What lies at the end of each slider, or along the way, a few milliseconds a frame while the hand rests.
  async paintEnds() {
    const { decoder, table, chances, data } = this;
    if (!decoder || !table) return;
    this.painting?.abort();
    const painting = (this.painting = new AbortController());
    const place = this.place;
    const paint = function* (thumbs) {
      for (const button of thumbs) {
        const { kind, number, value } = button.dataset;
        const z = latentAt(data, placeAt(place, { kind, number: Number(number) }, Number(value)));
        decoder.decode(z).forEach((logit, i) => (chances[i] = sigmoid(logit)));
        const canvas = button.firstElementChild;
        sizeCanvas(canvas, ...fitted(data.shape, canvas.parentElement.clientWidth || 40));
        paintDigit(canvas, chances, data.shape, table);
        yield;
      }
    };
    try {
      await inSlices(paint(this.thumbs), { budget: 5, signal: painting.signal });
      if (this.profile) await this.paintProfile(painting.signal);
      this.root.dataset.painted = String(messageOf(place));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  // The logarithms along the whole way, once for each way.
  async paintProfile(signal) {
    const { data, decoder, profile, x } = this;
    const way = `${data.walk} ${decoder.model}`;
    if (profile.dataset.way === way) return;
    const logits = new Float64Array(decoder.pixels);
    const walk = function* () {
      const terms = [];
      for (let i = 0; i < SAMPLES; i++) {
        const z = latentAt(data, { t: i / (SAMPLES - 1) });
        decoder.decode(z, logits);
        terms.push(jointTerms(x, z, logits));
        yield;
      }
      return terms;
    };
    drawProfile(profile, await inSlices(walk(), { budget: 5, signal }));
    profile.dataset.way = way;
  }

  // --- The hand -----------------------------------------------------------------------------------------------------
  listen() {
    const { root } = this;
    const sliderOf = (event) => this.sliders?.find(({ input }) => input === event.target);
    root.addEventListener("input", (event) => {
      const slider = sliderOf(event);
      if (slider) this.go(slider, placeAt(this.place, slider, Number(slider.input.value)), event.timeStamp);
    });
    root.addEventListener("change", (event) => { if (sliderOf(event)) this.later(); });
    root.addEventListener("pointerdown", (event) => { if (sliderOf(event)) this.pressed = true; });
    this.release = () => {
      if (!this.pressed) return;
      this.pressed = false;
      this.burst = null;
    };
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, this.release, true);
    root.addEventListener("focusout", () => {
      this.burst = null;
      this.later.now();
    });
    root.addEventListener("keydown", (event) => this.key(sliderOf(event), event));
    root.addEventListener("click", (event) => {
      const thumb = event.target.closest(".thumb");
      if (thumb) {
        const { kind, number, value } = thumb.dataset;
        this.jump(placeAt(this.place, { kind, number: Number(number) }, Number(value)));
      }
    });
    this.at(".undo").addEventListener("click", () => this.undo());
    this.at(".back").addEventListener("click", () => this.jump(placeBack(this.place, { kind: KINDS[this.data.mode] })));
  }

  key(slider, event) {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      this.undo();
      return;
    }
    if (!slider || event.ctrlKey || event.altKey || event.metaKey) return;
    const [small, large] = slider.kind === "t" ? [0.01, 0.1] : [0.05, 0.5];
    const sign = KEYS[event.key];
    const leap = { PageUp: large, PageDown: -large }[event.key];
    if (sign || leap) {
      const value = Math.round((slider.value + (leap ?? sign * (event.shiftKey ? large : small))) * 1000) / 1000;
      this.go(slider, placeAt(this.place, slider, value), event.timeStamp);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.burst = null;
      this.go(slider, placeBack(this.place, slider), event.timeStamp);
    } else return;
    event.preventDefault();
    this.later();
  }

  go(slider, place, time) {
    if (samePlace(place, this.place)) return;
    if (this.burst !== slider) this.remember();
    this.burst = slider;
    this.show(place, time);
  }

  show(place, time) {
    this.place = place;
    this.painting?.abort();
    this.request(time);
    this.rest();
  }

  remember() {
    this.past.push(this.place);
    if (this.past.length > MOST_STEPS) this.past.shift();
  }

  jump(place) {
    if (samePlace(place, this.place)) return;
    this.remember();
    this.burst = null;
    this.show(place);
    this.tell();
  }

  undo() {
    const before = this.past.pop();
    if (before === undefined || this.pressed) return;
    this.burst = null;
    this.show(before);
    this.tell();
  }

  say() {
    if (this.z) this.at(".spoken").textContent = walkInWords(this.data, this.place, this.z, this.log);
  }

  tell() {
    this.later.cancel();
    this.burst = null; // what the server heard is a step of its own
    const { slot, number } = this.data;
    const value = messageOf(this.place);
    const message = `${number} ${value}`;
    if (message === this.told) return;
    this.told = message;
    this.send("held", keep(slot, number, value));
  }

  close() {
    this.later.now();
    [this.rest, this.speak].forEach((timer) => timer.cancel());
    this.painting?.abort();
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    for (const name of ["pointerup", "pointercancel"]) removeEventListener(name, this.release, true);
    [...this.stops, this.stop].forEach((stop) => stop?.());
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  parentElement.codewalk ??= new Codewalk(parentElement);
  parentElement.codewalk.update(data[0], setStateValue);
  return () => {
    parentElement.codewalk?.close();
    parentElement.codewalk = null;
  };
}
