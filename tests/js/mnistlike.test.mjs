// Drawings made MNIST-like: what must hold for any ink. tests/test_components.py checks the same functions with NumPy.
import assert from "node:assert/strict";
import { test } from "node:test";

import { asDrawn, centreOfMass, fit20, inkBox, likeMnist, resample, threshold } from "../../demo/components/js/mnistlike.js";

const SIZE = 280;
const paint = (...boxes) => {
  const grey = new Float32Array(SIZE * SIZE);
  for (const [x0, y0, x1, y1] of boxes) {
    for (let y = y0; y < y1; y++) grey.fill(1, y * SIZE + x0, y * SIZE + x1);
  }
  return grey;
};
const mass = (grey) => grey.reduce((sum, g) => sum + g, 0);

test("the box holds all ink, and there is none without ink", () => {
  assert.deepEqual(inkBox(paint([30, 50, 31, 60], [100, 70, 120, 75]), SIZE, SIZE), { x0: 30, y0: 50, x1: 120, y1: 75 });
  assert.equal(inkBox(paint(), SIZE, SIZE), null);
  assert.equal(inkBox(paint().fill(0.05), SIZE, SIZE), null, "the faintest rim is no ink");
  assert.equal(fit20(paint(), SIZE, SIZE), null);
});

test("resampling keeps the mass, shrinking or growing, on any box", () => {
  const grey = Float32Array.from({ length: 15 }, (_, i) => (7 * i) % 11);
  for (const [columns, rows] of [[2, 2], [5, 3], [3, 2], [13, 8], [1, 1]]) {
    const out = resample(grey, 5, { x0: 0, y0: 0, x1: 5, y1: 3 }, columns, rows);
    assert.ok(Math.abs((mass(out) * 15) / (columns * rows) - mass(grey)) < 1e-4, `${columns} × ${rows}`);
  }
  const same = resample(grey, 5, { x0: 1, y0: 1, x1: 4, y1: 3 }, 3, 2);
  assert.deepEqual([...same], [...grey.slice(6, 9), ...grey.slice(11, 14)]);
});

test("the longer side becomes 20 and the shape is kept", () => {
  for (const [w, h, columns, rows] of [[100, 200, 10, 20], [200, 50, 20, 5], [30, 30, 20, 20], [3, 200, 1, 20]]) {
    const fitted = fit20(paint([40, 40, 40 + w, 40 + h]), SIZE, SIZE);
    assert.deepEqual([fitted.columns, fitted.rows], [columns, rows]);
  }
});

test("the centre of mass lands within half a pixel of (14, 14), wherever and however large the drawing was", () => {
  for (const [dx, dy, scale] of [[0, 0, 1], [60, 10, 1], [5, 90, 0.5], [150, 150, 0.5]]) {
    const box = (x0, y0, x1, y1) => [dx + x0 * scale, dy + y0 * scale, dx + x1 * scale, dy + y1 * scale];
    const grey = paint(box(0, 0, 100, 20), box(80, 20, 100, 160));
    const [x, y] = centreOfMass(likeMnist(grey, SIZE, SIZE), 28, 28);
    assert.ok(Math.abs(x - 14) <= 0.5 && Math.abs(y - 14) <= 0.5, `${x}, ${y}`);
  }
});

test("where it was drawn does not matter", () => {
  const here = likeMnist(paint([20, 30, 120, 60], [90, 60, 110, 190]), SIZE, SIZE);
  const there = likeMnist(paint([97, 71, 197, 101], [167, 101, 187, 231]), SIZE, SIZE);
  assert.ok(here.every((g, i) => Math.abs(g - there[i]) < 1e-5));
});

test("as drawn, each pixel is the mean of its own 100 dots", () => {
  const grey = asDrawn(paint([10, 20, 25, 30]), SIZE, SIZE);
  assert.ok(Math.abs(grey[2 * 28 + 1] - 1) < 1e-6);
  assert.ok(Math.abs(grey[2 * 28 + 2] - 0.5) < 1e-6);
  assert.ok(Math.abs(mass(grey) - 1.5) < 1e-5);
});

test("blank stays blank; one half is ink", () => {
  assert.equal(mass(likeMnist(paint(), SIZE, SIZE)), 0);
  assert.deepEqual([...threshold([0, 0.49, 0.5, 1])], [0, 0, 1, 1]);
});
