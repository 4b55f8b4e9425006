// The mosaic of decoded digits behind the plane: tiles for the view, coarse ones first where it moved, from the centre
// out, a few milliseconds a frame; until they come, the picture of the view before is carried along.
// Knows nothing of pointers, codes or likelihoods.
import { WHOLE, carried, pointAt } from "./explorercamera.js";
import { PIXELS, SIDE, putDigit } from "./ink.js";
import { fromCentre } from "./latent.js";
import { sigmoid } from "./logits.js";

const BUDGET = 6.5; // ms a frame of the 8 that a mosaic may take: one tile more may have begun
const REST = 90; // ms without a new view before tiles are decoded for it
const WIDE = 3; // a coarse tile covers 3 × 3

// The tiles in the order of drawing: { row, column, span } of n × n, a coarse round of spans before the fine one.
export function roundsOf(n, coarse) {
  const fine = fromCentre(n).map(([row, column]) => ({ row, column, span: 1 }));
  if (!coarse) return fine;
  const wide = fromCentre(n / WIDE).map(([row, column]) => ({ row: row * WIDE, column: column * WIDE, span: WIDE }));
  return [...wide, ...fine];
}

// `said(done)` hears of the first tile of a view and of the last.
export class Mosaic {
  constructor(canvas, said) {
    Object.assign(this, { canvas, said, context: canvas.getContext("2d"), tile: document.createElement("canvas") });
    this.tile.width = this.tile.height = SIDE;
    this.ink = this.tile.getContext("2d");
    this.image = this.ink.createImageData(SIDE, SIDE);
    this.logits = new Float32Array(PIXELS);
    this.spare = document.createElement("canvas");
    this.view = this.drawn = WHOLE;
    this.rounds = [];
    this.done = this.frame = this.timer = 0;
  }

  // Starts anew with a decoder and n × n tiles; n is a multiple of 3.
  begin(decoder, n) {
    Object.assign(this, { decoder, n, drawn: this.view });
    this.canvas.width = this.canvas.height = n * SIDE;
    this.canvas.style.transform = "";
    this.decodeAll(false);
  }

  // Brings another view: at once as the picture there is, moved; as new tiles once the view rests.
  show(view) {
    this.view = view;
    if (!this.decoder) return;
    this.halt();
    this.said(false);
    const { across, down, scale } = carried(this.drawn, view);
    this.canvas.style.transform = `translate(${100 * across}%, ${100 * down}%) scale(${scale})`;
    this.timer = setTimeout(() => {
      const side = this.canvas.width;
      this.spare.width = this.spare.height = side;
      this.spare.getContext("2d").drawImage(this.canvas, 0, 0);
      this.context.clearRect(0, 0, side, side);
      this.context.drawImage(this.spare, across * side, down * side, scale * side, scale * side);
      this.canvas.style.transform = "";
      this.drawn = view;
      this.decodeAll(true);
    }, REST);
  }

  decodeAll(coarse) {
    this.halt();
    this.rounds = roundsOf(this.n, coarse);
    this.done = 0;
    this.known = new Map(); // row · n + column → ink of 784 pixels, 0 to 255
    this.said(false);
    this.frame = requestAnimationFrame(() => this.go());
  }

  go() {
    const until = performance.now() + BUDGET;
    while (this.done < this.rounds.length && performance.now() < until) this.put(this.rounds[this.done++]);
    if (this.done < this.rounds.length) this.frame = requestAnimationFrame(() => this.go());
    else this.said(true);
  }

  // The middle of a coarse tile is the middle of the fine one in its midst: it is decoded once.
  inkAt(row, column) {
    const place = row * this.n + column;
    if (!this.known.has(place)) {
      this.decoder.decode(pointAt(this.drawn, [(column + 0.5) / this.n, (row + 0.5) / this.n]), this.logits);
      this.known.set(place, Uint8Array.from(this.logits, (logit) => Math.round(255 * sigmoid(logit))));
    }
    return this.known.get(place);
  }

  put({ row, column, span }) {
    const middle = (span - 1) / 2;
    putDigit(this.image, this.inkAt(row + middle, column + middle), this.table, 0, 0, 1);
    if (span === 1) return this.context.putImageData(this.image, column * SIDE, row * SIDE);
    this.ink.putImageData(this.image, 0, 0);
    this.context.drawImage(this.tile, column * SIDE, row * SIDE, span * SIDE, span * SIDE);
  }

  // Paints what was decoded in other colours.
  repaint(table) {
    this.table = table;
    for (let i = 0; i < this.done; i++) this.put(this.rounds[i]);
  }

  halt() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }
}
