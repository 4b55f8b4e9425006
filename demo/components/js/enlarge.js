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

// Rows and columns of paper all around: the first and the last + 1 of those with any ink.
function inked(logits) {
  let [top, bottom, left, right] = [SIDE, 0, SIDE, 0];
  for (let i = 0; i < SIDE * SIDE; i++) {
    if (logits[i] <= -REACH) continue;
    const row = (i / SIDE) | 0;
    const column = i - row * SIDE;
    if (row < top) top = row;
    bottom = row + 1;
    if (column < left) left = column;
    if (column >= right) right = column + 1;
  }
  return { top, bottom, left, right };
}

// Interpolates the logits, not the probabilities, so that strokes keep the sharp edge of the sigmoid.
// `words` is the ink table by logit: 64 entries a unit from -REACH to REACH;
// logits must lie between those. What lies two pixels off all ink is paper, and only filled.
export function enlargeInto(image, logits, words, rows) {
  const wide = SIDE * ENLARGED;
  const at = (i) => Math.min(SIDE - 1, Math.max(0, i));
  const { top, bottom, left: leftmost, right: rightmost } = inked(logits);
  const bounds = (from, to) => [Math.max(0, from - 2) * ENLARGED, Math.min(SIDE, to + 2) * ENLARGED];
  const [x0, x1] = bounds(leftmost, rightmost);
  const [y0, y1] = bounds(top, bottom);
  for (let x = x0; x < x1; x++) {
    const phase = x % ENLARGED;
    const left = Math.floor((x + 0.5) / ENLARGED - 0.5);
    const [a, b, c, d] = PLACES[phase];
    const [i, j, k, l] = [at(left - 1), at(left), at(left + 1), at(left + 2)];
    for (let row = at(top - 4); row <= at(bottom + 3); row++) {
      const o = row * SIDE;
      rows[row * wide + x] = a * logits[o + i] + b * logits[o + j] + c * logits[o + k] + d * logits[o + l];
    }
  }
  const out = new Uint32Array(image.data.buffer);
  const most = words.length - 1;
  out.fill(words[0]);
  for (let y = y0; y < y1; y++) {
    const above = Math.floor((y + 0.5) / ENLARGED - 0.5);
    const [a, b, c, d] = PLACES[y % ENLARGED];
    const [i, j, k, l] = [at(above - 1) * wide, at(above) * wide, at(above + 1) * wide, at(above + 2) * wide];
    for (let x = x0; x < x1; x++) {
      const logit = a * rows[i + x] + b * rows[j + x] + c * rows[k + x] + d * rows[l + x];
      const level = (logit + REACH) * 64;
      out[y * wide + x] = words[level <= 0 ? 0 : level >= most ? most : level | 0];
    }
  }
}
