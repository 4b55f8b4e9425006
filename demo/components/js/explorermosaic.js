// The mosaic of decoded digits behind the plane: tiles for the view, coarse ones first where it moved, from the centre
// out, a few milliseconds a frame; until they come, the picture of the view before is carried along.
// Knows nothing of pointers, codes or likelihoods.
import { WHOLE, carried, pointAt } from "./explorercamera.js";
import { pixelsOf, putDigit } from "./ink.js";
import { fromCentre } from "./latent.js";
import { sigmoid } from "./logits.js";

const BUDGET = 6.5; // ms a frame of the 8 that a mosaic may take: one tile more may have begun
const REST = 90; // ms without a new view before tiles are decoded for it
const WIDE = 3; // a coarse tile covers 3 × 3
const LEAST = 24; // dots of a tile's side: smaller pictures are drawn with several dots a pixel, to stay sharp

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
    this.ink = this.tile.getContext("2d");
    this.spare = document.createElement("canvas");
    this.view = this.drawn = WHOLE;
    this.rounds = [];
    this.done = this.frame = this.timer = 0;
  }

  // A tile is the square around a picture of this shape.
  useShape(shape) {
    this.halt();
    const longer = Math.max(...shape);
    this.shape = shape;
    this.tile.width = this.tile.height = longer;
    this.image = this.ink.createImageData(longer, longer);
    this.logits = new Float32Array(pixelsOf(shape));
    this.dots = Math.ceil(LEAST / longer); // a pixel's side
    this.side = longer * this.dots;
    this.rounds = [];
    this.done = 0;
    this.decoder = null;
  }

  // Starts anew with a decoder and n × n tiles; n is a multiple of 3.
  begin(decoder, n) {
    Object.assign(this, { decoder, n, drawn: this.view });
    this.canvas.width = this.canvas.height = n * this.side;
    this.context.imageSmoothingEnabled = this.dots === 1;
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
    this.known = new Map(); // row · n + column → ink of each pixel, 0 to 255
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
    const { image, shape, side } = this;
    const [down, across] = shape.map((length) => (image.width - length) >> 1);
    putDigit(image, this.inkAt(row + middle, column + middle), shape, this.table, across, down, 1);
    if (span * this.dots === 1) return this.context.putImageData(image, column * side, row * side);
    this.ink.putImageData(image, 0, 0);
    this.context.clearRect(column * side, row * side, span * side, span * side);
    this.context.drawImage(this.tile, column * side, row * side, span * side, span * side);
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
