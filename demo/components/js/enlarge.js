// A digit enlarged between its pixels, for the eye. Knows nothing of pages or models.
export const REACH = 9; // logits beyond ±9 are paper or ink to the eye
const LARGE = 224; // dots of the longer side, about

// Dots a pixel of a picture of that shape.
export function enlargement(shape) {
  return Math.max(1, Math.round(LARGE / Math.max(...shape)));
}

// Catmull-Rom weights of the four pixels around each of `times` places within a pixel.
function placesOf(times) {
  return Array.from({ length: times }, (_, phase) => {
    const t = ((phase + 0.5) / times + 0.5) % 1;
    return [
      ((2 - t) * t - 1) * t / 2,
      ((3 * t - 5) * t * t + 2) / 2,
      ((4 - 3 * t) * t + 1) * t / 2,
      ((t - 1) * t * t) / 2,
    ];
  });
}

// Rows and columns of paper all around: the first and the last + 1 of those with any ink.
function inked(logits, rows, columns) {
  let [top, bottom, left, right] = [rows, 0, columns, 0];
  for (let i = 0; i < rows * columns; i++) {
    if (logits[i] <= -REACH) continue;
    const row = (i / columns) | 0;
    const column = i - row * columns;
    if (row < top) top = row;
    bottom = row + 1;
    if (column < left) left = column;
    if (column >= right) right = column + 1;
  }
  return { top, bottom, left, right };
}

// Enlarges digits of one shape: { width, height, into(image, logits, words) }, its buffers made once.
//
// Interpolates the logits, not the probabilities, so that strokes keep the sharp edge of the sigmoid.
// `words` is the ink table by logit: 64 entries a unit from -REACH to REACH;
// logits must lie between those. What lies two pixels off all ink is paper, and only filled.
export function enlarger(shape) {
  const [rows, columns] = shape;
  const times = enlargement(shape);
  const places = placesOf(times);
  const [wide, high] = [columns * times, rows * times];
  const strips = new Float32Array(rows * wide); // every row of the digit, enlarged across

  function into(image, logits, words) {
    const at = (i, count) => Math.min(count - 1, Math.max(0, i));
    const { top, bottom, left: leftmost, right: rightmost } = inked(logits, rows, columns);
    const bounds = (from, to, count) => [Math.max(0, from - 2) * times, Math.min(count, to + 2) * times];
    const [x0, x1] = bounds(leftmost, rightmost, columns);
    const [y0, y1] = bounds(top, bottom, rows);
    for (let x = x0; x < x1; x++) {
      const left = Math.floor((x + 0.5) / times - 0.5);
      const [a, b, c, d] = places[x % times];
      const [i, j, k, l] = [at(left - 1, columns), at(left, columns), at(left + 1, columns), at(left + 2, columns)];
      for (let row = at(top - 4, rows); row <= at(bottom + 3, rows); row++) {
        const o = row * columns;
        strips[row * wide + x] = a * logits[o + i] + b * logits[o + j] + c * logits[o + k] + d * logits[o + l];
      }
    }
    const out = new Uint32Array(image.data.buffer);
    const most = words.length - 1;
    out.fill(words[0]);
    for (let y = y0; y < y1; y++) {
      const above = Math.floor((y + 0.5) / times - 0.5);
      const [a, b, c, d] = places[y % times];
      const [i, j, k, l] = [at(above - 1, rows) * wide, at(above, rows) * wide, at(above + 1, rows) * wide, at(above + 2, rows) * wide];
      for (let x = x0; x < x1; x++) {
        const logit = a * strips[i + x] + b * strips[j + x] + c * strips[k + x] + d * strips[l + x];
        const level = (logit + REACH) * 64;
        out[y * wide + x] = words[level <= 0 ? 0 : level >= most ? most : level | 0];
      }
    }
  }
  return { width: wide, height: high, into };
}
