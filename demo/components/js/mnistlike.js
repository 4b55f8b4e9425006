// Makes a drawing look as a data set's pictures do. MNIST's digits were made thus: the box of the ink fitted into 20×20
// with its shape kept and its edges grey, then moved by whole pixels so that its centre of mass falls on pixel (14, 14)
// of 28×28. Other data have another frame (demo/framing.py): { shape, fit, centre, kept }, rows before columns.
// Measured on the 10,000 test digits: the longer side is 20 in 9,997 of them, the centre of mass is (14.0, 14.0) ± 0.5.
// Pure functions of arrays, row by row; grey is 0 (paper) to 1 (ink). Knows nothing of canvases or of the page.

export const MNIST = { shape: [28, 28], fit: [20, 20], centre: [14, 14], kept: false };
const FAINTEST = 0.1; // what is fainter is the soft rim of a stroke or what an eraser left

// The smallest box that holds all ink, as { x0, y0, x1, y1 } with x1 and y1 just past it, or null for blank paper.
export function inkBox(grey, width, height) {
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (grey[y * width + x] <= FAINTEST) continue;
      if (x < x0) x0 = x;
      if (x >= x1) x1 = x + 1;
      if (y < y0) y0 = y;
      y1 = y + 1;
    }
  }
  return x1 ? { x0, y0, x1, y1 } : null;
}

// For each of `count` equal slices of [from, to): the cells it touches and the share of the slice that each one holds.
function slices(from, to, count) {
  const step = (to - from) / count;
  return Array.from({ length: count }, (_, k) => {
    const [start, stop] = [from + k * step, from + (k + 1) * step];
    const parts = [];
    for (let cell = Math.floor(start); cell < stop - 1e-9; cell++) {
      parts.push([cell, (Math.min(stop, cell + 1) - Math.max(start, cell)) / step]);
    }
    return parts;
  });
}

// The mean grey over each cell of a columns×rows grid laid over the box: exact area averages, up or down in size.
export function resample(grey, width, box, columns, rows) {
  const across = slices(box.x0, box.x1, columns);
  const down = slices(box.y0, box.y1, rows);
  const strips = new Map(); // a row of the drawing, already averaged across
  const strip = (y) => {
    if (!strips.has(y)) {
      strips.set(y, across.map((parts) => {
        let sum = 0;
        for (const [x, share] of parts) sum += share * grey[y * width + x];
        return sum;
      }));
    }
    return strips.get(y);
  };
  const out = new Float32Array(columns * rows);
  down.forEach((parts, row) => {
    for (const [y, share] of parts) {
      const line = strip(y);
      for (let column = 0; column < columns; column++) out[row * columns + column] += share * line[column];
    }
  });
  return out;
}

// The ink fitted into the frame's box, which one side fills: { grey, columns, rows }, or null for blank paper.
export function fitInk(grey, width, height, { fit } = MNIST) {
  const box = inkBox(grey, width, height);
  if (!box) return null;
  const [w, h] = [box.x1 - box.x0, box.y1 - box.y0];
  const scale = Math.min(fit[0] / h, fit[1] / w);
  const columns = Math.max(1, Math.round(w * scale));
  const rows = Math.max(1, Math.round(h * scale));
  return { grey: resample(grey, width, box, columns, rows), columns, rows };
}

// [x, y] in pixels, 0 at the middle of the first pixel.
export function centreOfMass(grey, columns, rows) {
  let [mass, x, y] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const m = grey[row * columns + column];
      mass += m;
      x += m * column;
      y += m * row;
    }
  }
  return [x / mass, y / mass];
}

// A drawing [width × height] as the data would hold it: the greys of a picture. What is moved past the edge is lost, as
// paper is, unless the frame keeps it.
export function likeData(grey, width, height, frame = MNIST) {
  const [high, wide] = frame.shape;
  const field = new Float32Array(high * wide);
  const fitted = fitInk(grey, width, height, frame);
  if (!fitted) return field;
  const [x, y] = centreOfMass(fitted.grey, fitted.columns, fitted.rows);
  const within = (shift, room) => (frame.kept ? Math.max(0, Math.min(room, shift)) : shift);
  const right = within(Math.round(frame.centre[1] - x), wide - fitted.columns);
  const down = within(Math.round(frame.centre[0] - y), high - fitted.rows);
  for (let row = 0; row < fitted.rows; row++) {
    for (let column = 0; column < fitted.columns; column++) {
      const [to, on] = [column + right, row + down];
      if (to < 0 || to >= wide || on < 0 || on >= high) continue;
      field[on * wide + to] = fitted.grey[row * fitted.columns + column];
    }
  }
  return field;
}

// The whole drawing averaged onto a picture of the frame's shape, where it stands.
export function asDrawn(grey, width, height, { shape: [rows, columns] } = MNIST) {
  return resample(grey, width, { x0: 0, y0: 0, x1: width, y1: height }, columns, rows);
}

// Binarised at one half: 1 where the ink covers at least half of the pixel.
export function threshold(grey) {
  return Uint8Array.from(grey, (g) => (g >= 0.5 ? 1 : 0));
}
