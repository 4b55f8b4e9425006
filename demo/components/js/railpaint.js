// Pictures of latents on canvases: decoded a few milliseconds a frame, painted anew when colours or sizes change. Knows
// nothing of what a canvas is for.
import { paintDigit, pixelsOf } from "./ink.js";
import { sigmoid } from "./logits.js";

const SLICE = 6; // ms a frame

export class Painter {
  constructor() {
    this.shown = new Map(); // canvas → z
    this.due = new Set();
  }

  // All pictures anew, with this decoder (null until it is there), of this shape and in these colours.
  begin(decoder, shape, table) {
    Object.assign(this, { decoder, shape, table });
    if (this.levels?.length !== pixelsOf(shape)) this.levels = new Uint8Array(pixelsOf(shape));
    for (const canvas of this.shown.keys()) this.due.add(canvas);
    this.go();
  }

  // Soon, in the order of asking.
  soon(canvas, z) {
    this.shown.set(canvas, z);
    this.due.add(canvas);
    this.go();
  }

  // Within this call, for what moves under the hand.
  now(canvas, z) {
    this.shown.set(canvas, z);
    if (this.decoder && this.table) this.paint(canvas);
  }

  forget(canvas) {
    this.shown.delete(canvas);
    this.due.delete(canvas);
  }

  go() {
    if (this.decoder && this.table) this.frame ||= requestAnimationFrame(() => this.work());
  }

  work() {
    this.frame = 0;
    const until = performance.now() + SLICE;
    for (const canvas of this.due) {
      if (performance.now() >= until) return this.go();
      this.paint(canvas);
    }
  }

  // A pixel's level is its chance of ink in 255 steps, as the server rounds it for the film.
  paint(canvas) {
    this.due.delete(canvas);
    const logits = this.decoder.decode(this.shown.get(canvas));
    for (let i = 0; i < this.levels.length; i++) this.levels[i] = Math.round(255 * sigmoid(logits[i]));
    paintDigit(canvas, this.levels, this.shape, this.table, 1);
    canvas.dataset.painted = "";
  }

  // Forgets all.
  halt() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.decoder = null;
    this.shown.clear();
    this.due.clear();
  }
}
