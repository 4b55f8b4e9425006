// A pad to draw a digit on, by pointer, touch, pen or arrow keys, with the picture that the model gets from it beside
// it: grey as MNIST has it, then binarised. Knows nothing of models.
import { fitted, inkTable, onThemeChange, paintDigit, sizeCanvas } from "./ink.js";
import { debounce, fromBase64, packBits, toBase64, unpackBits } from "./wire.js";
import { asDrawn, likeData, threshold } from "./mnistlike.js";
import { pictureIn, readPicture } from "./picture.js";
import { Drawing } from "./strokes.js";

const LARGEST = 308; // beside its pictures, and above them
const LARGEST_NARROW = 360;
const AFTER_KEYS_MS = 150;
const SCAFFOLD = `
  <div class="sheet">
    <canvas tabindex="0" role="application" aria-roledescription="drawing pad"
      aria-label="Draw a digit with a pointer, or with keys: arrows move, Space paints, Shift and arrows draw a line"></canvas>
    <span class="hint faint" aria-hidden="true">draw a digit</span>
    <span class="cell" aria-hidden="true"></span>
  </div>
  <div class="tools">
    <button type="button" class="small erase" aria-pressed="false">Eraser</button>
    <button type="button" class="small undo">Undo</button>
    <button type="button" class="small clear">Clear</button>
    <button type="button" class="small picture" title="or paste one, or drop one on the sheet">Picture…</button>
    <input type="file" accept="image/*" hidden>
    <label class="small"><input type="checkbox" checked><span class="like"></span></label>
  </div>
  <p class="fault small" role="alert" hidden></p>
  <div class="beside">
    <figure><canvas class="grey" role="img"></canvas>
      <figcaption class="small faint size"></figcaption></figure>
    <figure><canvas class="x" role="img"></canvas>
      <figcaption class="small faint"><i>x</i>, binarised at ½</figcaption></figure>
  </div>
  <span class="spoken" aria-live="polite"></span>`;

// The strokes of a pad that left the page, by slot: they are shown again if the page still wants the x they gave.
const last = new Map();

// Where a key moves the cell cursor on a picture of that shape, or null where the key is not ours.
export function cellMoved(key, [column, row], [rows, columns]) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  const within = (i, count) => Math.max(0, Math.min(count - 1, i));
  return step ? [within(column + step[0], columns), within(row + step[1], rows)] : null;
}

class Pad {
  constructor(parent) {
    this.root = parent.appendChild(document.createElement("div"));
    this.root.className = "element pad";
    this.root.innerHTML = SCAFFOLD;
    const at = (selector) => this.root.querySelector(selector);
    this.parts = { sheet: at(".sheet"), canvas: at(".sheet canvas"), hint: at(".hint"), cell: at(".cell"), grey: at(".grey"),
      x: at(".x"), erase: at(".erase"), undo: at(".undo"), clear: at(".clear"), centre: at("[type=checkbox]"), spoken: at(".spoken"),
      like: at(".like"), size: at(".size"), picture: at(".picture"), file: at("[type=file]"), fault: at(".fault") };
    this.later = debounce(() => this.tell(), AFTER_KEYS_MS);
    this.listen();
    this.watch = new ResizeObserver(() => this.layOut());
    this.watch.observe(this.root);
    this.unwatch = onThemeChange(this.root, () => this.layOut());
  }

  listen() {
    const { canvas, erase, undo, clear, centre } = this.parts;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.showCell());
    canvas.addEventListener("blur", () => { this.showCell(); this.later.now(); });
    erase.addEventListener("click", () => {
      this.erasing = !this.erasing;
      erase.setAttribute("aria-pressed", String(this.erasing));
    });
    undo.addEventListener("click", () => { this.drawing.undo(); this.changed(); });
    clear.addEventListener("click", () => { this.drawing.add({ kind: "clear" }); this.changed(); });
    centre.addEventListener("change", () => this.changed());
    this.listenForPictures();
  }

  listenForPictures() {
    const { picture, file, sheet } = this.parts;
    picture.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      if (file.files[0]) this.take(file.files[0]);
      file.value = "";
    });
    sheet.addEventListener("dragover", (event) => event.preventDefault());
    sheet.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    this.pasted = (event) => {
      const found = pictureIn(event.clipboardData);
      if (!found) return;
      event.preventDefault();
      this.take(found);
    };
    document.addEventListener("paste", this.pasted);
  }

  // A picture becomes the drawing, to be drawn on and undone like any; a fault leaves all as it was.
  async take(file) {
    const { fault } = this.parts;
    fault.hidden = true;
    try {
      this.drawing.add({ kind: "picture", dots: await readPicture(file, this.drawing.paper) });
      this.changed();
      this.later.now();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
  }

  update(data, send) {
    this.send = send;
    const first = this.data === undefined;
    const renewed = first || data.number !== this.data.number;
    this.data = data;
    const sized = String(this.shape) !== String(data.frame.shape);
    if (sized) this.useShape(data.frame.shape);
    if (renewed || sized) this.adopt(first || sized);
    this.layOut();
  }

  // A blank sheet for pictures of this shape, and its words.
  useShape(shape) {
    const [rows, columns] = shape;
    const { like, size, grey, hint } = this.parts;
    const mnist = rows === 28 && columns === 28;
    this.shape = shape;
    this.cell = [(columns - 1) >> 1, (rows - 1) >> 1];
    this.drawing = this.stroking = undefined;
    like.textContent = mnist ? "centre like MNIST" : "centre like the data";
    size.textContent = `${rows} × ${columns}, grey`;
    grey.setAttribute("aria-label", `the drawing as ${rows} by ${columns} grey pixels`);
    hint.textContent = mnist ? "draw a digit" : "draw here";
  }

  // Shows the page's bits, or the strokes that gave them where they are still known.
  adopt(first) {
    this.later.cancel();
    const { slot, number, base } = this.data;
    const before = first ? last.get(slot) : undefined;
    const kept = String(before?.shape) === String(this.shape) ? before : undefined;
    const same = kept?.number === number;
    if (kept && (same || kept.x === base)) {
      this.drawing = new Drawing(this.shape, kept.acts);
      this.parts.centre.checked = kept.centred;
    } else if (first || this.x !== base) {
      const bits = base && unpackBits(fromBase64(base), this.shape[0] * this.shape[1]);
      const acts = this.drawing?.acts ?? [];
      this.drawing = new Drawing(this.shape, [...acts, ...(bits ? [{ kind: "bits", bits }] : acts.length ? [{ kind: "clear" }] : [])]);
    }
    this.measure();
    this.told = same ? this.x : base;
  }

  layOut() {
    const width = this.root.clientWidth;
    if (!width || !this.drawing) return;
    this.table = inkTable(this.root);
    const wide = width >= 470;
    const side = Math.min(wide ? LARGEST : LARGEST_NARROW, wide ? width - 150 : width) - 2;
    this.root.classList.toggle("wide", wide);
    const sheet = fitted(this.shape, side);
    ["--wide", "--high"].forEach((name, i) => this.root.style.setProperty(name, `${sheet[i]}px`));
    sizeCanvas(this.parts.canvas, ...sheet);
    const small = wide ? 112 : Math.min(112, Math.floor((side - 16) / 2));
    for (const canvas of [this.parts.grey, this.parts.x]) sizeCanvas(canvas, ...fitted(this.shape, small));
    this.pixel = sheet[0] / this.shape[1];
    this.paint();
  }

  // What the model gets: grey, then x; x is null while the sheet is blank.
  measure() {
    const { drawing } = this;
    if (drawing.bits) {
      this.grey = Float32Array.from(drawing.bits);
    } else {
      const { width, height } = drawing.paper;
      this.grey = (this.parts.centre.checked ? likeData : asDrawn)(drawing.grey(), width, height, this.data.frame);
    }
    this.bits = threshold(this.grey);
    this.x = this.bits.includes(1) ? toBase64(packBits(this.bits)) : null;
  }

  paint() {
    const { canvas, grey, x, hint, undo, clear } = this.parts;
    const g = canvas.getContext("2d");
    g.clearRect(0, 0, canvas.width, canvas.height);
    g.drawImage(this.drawing.canvas, 0, 0, canvas.width, canvas.height);
    g.globalCompositeOperation = "source-in";
    g.fillStyle = getComputedStyle(this.root).color;
    g.fillRect(0, 0, canvas.width, canvas.height);
    g.globalCompositeOperation = "source-over";
    paintDigit(grey, this.grey, this.shape, this.table);
    paintDigit(x, this.bits, this.shape, this.table);
    x.setAttribute("aria-label", this.x ? `x: ${this.bits.reduce((sum, bit) => sum + bit, 0)} of ${this.bits.length} pixels are ink` : "x: blank");
    hint.hidden = this.x !== null || this.stroking !== undefined;
    this.root.classList.toggle("blank", this.x === null);
    undo.disabled = this.drawing.acts.length === 0;
    clear.disabled = this.x === null;
    this.showCell();
  }

  changed() {
    this.parts.fault.hidden = true;
    this.measure();
    this.paint();
    this.later();
  }

  point(event) {
    const box = this.parts.canvas.getBoundingClientRect();
    const [rows, columns] = this.shape;
    return [((event.clientX - box.left) * columns) / box.width, ((event.clientY - box.top) * rows) / box.height];
  }

  down(event) {
    if (this.stroking !== undefined || event.button > 0) return;
    this.parts.canvas.setPointerCapture(event.pointerId);
    this.stroking = event.pointerId;
    this.parts.cell.hidden = true;
    this.drawing.add({ kind: this.erasing || event.buttons & 32 ? "erase" : "ink", points: [this.point(event)] });
    this.follow();
  }

  move(event) {
    if (event.pointerId !== this.stroking) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) this.drawing.extend(this.point(one));
    this.follow();
  }

  up(event) {
    if (event.pointerId !== this.stroking) return;
    this.stroking = undefined;
    this.changed();
    this.later.now();
  }

  // One measurement and one painting a frame, however many moves there were.
  follow() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.measure();
      this.paint();
    });
  }

  key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && this.drawing.acts.length) this.parts.undo.click();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === " " || event.key === "Enter") this.dab();
    else {
      const to = cellMoved(event.key, this.cell, this.shape);
      if (!to) return;
      if (event.shiftKey) this.dab(this.cell, to);
      this.cell = to;
      this.speak();
      this.showCell();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  // One touch of the brush on the cursor's cell, or a line between two cells.
  dab(...cells) {
    const points = (cells.length ? cells : [this.cell]).map(([column, row]) => [column + 0.5, row + 0.5]);
    this.drawing.add({ kind: this.erasing ? "erase" : "ink", points });
    this.changed();
    this.speak();
  }

  speak() {
    const [column, row] = this.cell;
    const { cell } = this.drawing.paper;
    const ink = this.drawing.context.getImageData((column + 0.5) * cell, (row + 0.5) * cell, 1, 1).data[3] > 127;
    this.parts.spoken.textContent = `row ${row + 1}, column ${column + 1}, ${ink ? "ink" : "paper"}`;
  }

  showCell() {
    const { cell, canvas } = this.parts;
    cell.hidden = this.stroking !== undefined || !canvas.matches(":focus-visible");
    const size = this.pixel;
    Object.assign(cell.style, { height: `${size}px`, width: `${size}px`,
      transform: `translate(${this.cell[0] * size}px, ${this.cell[1] * size}px)` });
  }

  tell() {
    const { slot, number } = this.data;
    last.set(slot, { number, shape: this.shape, acts: this.drawing.acts, x: this.x, centred: this.parts.centre.checked });
    if (this.x === this.told) return;
    this.told = this.x;
    this.send("held", { number, value: this.x });
  }

  close() {
    this.later.now();
    cancelAnimationFrame(this.frame);
    document.removeEventListener("paste", this.pasted);
    this.watch.disconnect();
    this.unwatch();
    this.root.remove();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const pad = (parentElement.pad ??= new Pad(parentElement));
  pad.update(data[0], setStateValue);
  return () => {
    pad.close();
    parentElement.pad = null;
  };
}
