// A digit enlarged between its pixels, for the eye. Knows nothing of pages or models.
import { SIDE } from "./ink.js";

export const ENLARGED = 8;
export const REACH = 9; // logits beyond ±9 are paper or ink to the eye

// Catmull-Rom weights of the four pixels around each of the ENLARGED places within a pixel.
const PLACES = Array.from({ length: ENLARGED }, (_, phase) => {
  const t = ((phase + 0.5) / ENLARGED + 0.5) % 1;
  return [
    ((2 - t) * t - 1) * t / 2,
    ((3 * t - 5) * t * t + 2) / 2,
    ((4 - 3 * t) * t + 1) * t / 2,
    ((t - 1) * t * t) / 2,
  ];
});

// Interpolates the logits, not the probabilities, so that strokes keep the sharp edge of the sigmoid.
// `words` is the ink table by logit: 64 entries a unit from -REACH to REACH.
export function enlargeInto(image, logits, words, rows) {
  const wide = SIDE * ENLARGED;
  const at = (i) => Math.min(SIDE - 1, Math.max(0, i));
  for (let x = 0; x < wide; x++) {
    const phase = x % ENLARGED;
    const left = Math.floor((x + 0.5) / ENLARGED - 0.5);
    const [a, b, c, d] = PLACES[phase];
    const [i, j, k, l] = [at(left - 1), at(left), at(left + 1), at(left + 2)];
    for (let row = 0; row < SIDE; row++) {
      const o = row * SIDE;
      rows[row * wide + x] = a * logits[o + i] + b * logits[o + j] + c * logits[o + k] + d * logits[o + l];
    }
  }
  const out = new Uint32Array(image.data.buffer);
  const top = words.length - 1;
  for (let y = 0; y < wide; y++) {
    const above = Math.floor((y + 0.5) / ENLARGED - 0.5);
    const [a, b, c, d] = PLACES[y % ENLARGED];
    const [i, j, k, l] = [at(above - 1) * wide, at(above) * wide, at(above + 1) * wide, at(above + 2) * wide];
    for (let x = 0; x < wide; x++) {
      const logit = a * rows[i + x] + b * rows[j + x] + c * rows[k + x] + d * rows[l + x];
      const level = (logit + REACH) * 64;
      out[y * wide + x] = words[level <= 0 ? 0 : level >= top ? top : level | 0];
    }
  }
}
