// A grid of digits of which one is picked: by pointer, touch or arrow keys. Knows nothing of where digits come from.
import { fitted, inkTable, onThemeChange, paintDigit, pixelsOf, sizeCanvas } from "./ink.js";
import { debounce, fromBase64 } from "./wire.js";
import { keep, recall } from "./held.js";

const SMALLEST = 44; // a finger's width
const LARGEST = 104;
const PHONE = 480; // up to here the grid takes the whole width
const INKING_MS = 180;
const AFTER_KEYS_MS = 150;

// As square a grid as the width allows: { columns, tile } in CSS pixels.
export function gridShape(n, width) {
  const columns = Math.max(1, Math.min(Math.ceil(Math.sqrt(n)), Math.floor(width / SMALLEST)));
  const tile = Math.floor(width / columns);
  return { columns, tile: width <= PHONE && n > 1 ? tile : Math.min(tile, n === 1 ? 2 * LARGEST : LARGEST) };
}

// Where a key takes the pick, or null where the key is not ours.
export function movedBy(key, picked, n, columns) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (step !== undefined) return picked + step >= 0 && picked + step < n ? picked + step : picked;
  return { Home: 0, End: n - 1 }[key] ?? null;
}

class Gallery {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element gallery";
    this.box = this.root.appendChild(document.createElement("div"));
    this.box.className = "grid";
    this.box.setAttribute("role", "listbox");
    this.box.tabIndex = 0;
    this.spoken = this.root.appendChild(document.createElement("div"));
    this.spoken.className = "spoken";
    this.spoken.setAttribute("aria-live", "polite");
    this.tiles = [];
    this.shown = new Float32Array(0);
    this.later = debounce(() => this.tell(), AFTER_KEYS_MS);
    this.box.addEventListener("click", (event) => this.click(event));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => this.later.now());
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.root);
    this.unwatch = onThemeChange(this.root, () => {
      this.table = inkTable(this.root);
      this.paintAll();
    });
  }

  update(data, send) {
    this.send = send;
    const first = this.data === undefined;
    const renewed = first || data.number !== this.data.number;
    this.data = data;
    this.table = inkTable(this.root);
    this.box.setAttribute("aria-label", data.label);
    const images = fromBase64(data.images);
    this.pixels = pixelsOf(data.shape);
    this.n = images.length / this.pixels;
    this.build();
    if (renewed) {
      this.later.cancel();
      this.picked = first ? recall(data.slot, data.number, data.base) : data.base;
    }
    this.mark();
    this.layOut();
    this.inkIn(images);
  }

  build() {
    while (this.tiles.length > this.n) this.tiles.pop().option.remove();
    while (this.tiles.length < this.n) {
      const option = this.box.appendChild(document.createElement("div"));
      option.setAttribute("role", "option");
      option.id = `option-${this.tiles.length}`;
      const canvas = option.appendChild(document.createElement("canvas"));
      canvas.setAttribute("aria-hidden", "true");
      const caption = option.appendChild(document.createElement("span"));
      caption.className = "caption numbers";
      this.tiles.push({ option, canvas, caption });
    }
    this.tiles.forEach(({ option, caption }, i) => {
      const text = this.data.captions?.[i] ?? "";
      caption.textContent = text;
      option.setAttribute("aria-label", `${this.data.noun} ${i + 1}${text && `, ${text}`}`);
    });
  }

  layOut() {
    const width = this.root.clientWidth;
    if (!width || !this.n) return;
    const { columns, tile } = gridShape(this.n, width);
    const grid = `${columns} ${tile} ${devicePixelRatio}`;
    if (grid !== this.grid) {
      this.grid = grid;
      this.columns = columns;
      this.box.style.gridTemplateColumns = `repeat(${columns}, ${tile}px)`;
    }
    const margin = 2 * Math.max(4, Math.round(tile / 14));
    const size = fitted(this.data.shape, tile - margin);
    this.box.style.gridAutoRows = `minmax(${Math.max(SMALLEST, size[1] + margin)}px, auto)`;
    for (const { canvas } of this.tiles) sizeCanvas(canvas, ...size);
    if (this.inked === this.pixels) this.paintAll();
  }

  // Ink flows from the digits that were there to the new ones; without movement where the visitor wants none.
  inkIn(images) {
    cancelAnimationFrame(this.frame);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const from = new Float32Array(images.length);
    if (this.inked === this.pixels) from.set(this.shown.subarray(0, from.length)); // not from pictures of another size
    this.inked = this.pixels;
    this.shown = Float32Array.from(images);
    const changed = from.some((value, i) => value !== images[i]);
    if (still || !changed) return this.paintAll();
    const start = performance.now();
    const step = (now) => {
      const done = Math.min(1, Math.max(0, (now - start) / INKING_MS));
      for (let i = 0; i < from.length; i++) this.shown[i] = from[i] + (images[i] - from[i]) * done;
      this.paintAll();
      if (done < 1) this.frame = requestAnimationFrame(step);
    };
    step(start);
  }

  paintAll() {
    const { pixels, data } = this;
    this.tiles.forEach(({ canvas }, i) =>
      paintDigit(canvas, this.shown.subarray(i * pixels, (i + 1) * pixels), data.shape, this.table, 1));
  }

  mark() {
    this.tiles.forEach(({ option }, i) => option.setAttribute("aria-selected", String(i === this.picked)));
    this.box.setAttribute("aria-activedescendant", `option-${this.picked}`);
  }

  pick(i) {
    if (i === this.picked) return;
    this.picked = i;
    this.mark();
    this.spoken.textContent = `${this.tiles[i].option.getAttribute("aria-label")} of ${this.n} is picked`;
    this.later();
  }

  click(event) {
    const option = event.target.closest('[role="option"]');
    if (!option) return;
    this.pick(this.tiles.findIndex((tile) => tile.option === option));
    this.later.now();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = event.key === "Enter" || event.key === " ";
    const to = chosen ? this.picked : movedBy(event.key, this.picked, this.n, this.columns);
    if (to === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.pick(to);
    if (chosen) this.later.now();
    else this.tiles[to].option.scrollIntoView({ block: "nearest" });
  }

  tell() {
    this.send("held", keep(this.data.slot, this.data.number, this.picked));
  }

  close() {
    this.later.now();
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    this.unwatch();
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const gallery = (parentElement.gallery ??= new Gallery(parentElement));
  gallery.update(data[0], setStateValue);
  return () => {
    gallery.close();
    parentElement.gallery = null;
  };
}
