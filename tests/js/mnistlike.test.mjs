// Drawings made MNIST-like: what must hold for any ink. tests/test_components.py checks the same functions with NumPy.
import assert from "node:assert/strict";
import { test } from "node:test";

import { asDrawn, centreOfMass, fitInk, inkBox, likeData, resample, threshold } from "../../demo/components/js/mnistlike.js";

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
  assert.equal(fitInk(paint(), SIZE, SIZE), null);
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
    const fitted = fitInk(paint([40, 40, 40 + w, 40 + h]), SIZE, SIZE);
    assert.deepEqual([fitted.columns, fitted.rows], [columns, rows]);
  }
});

test("the centre of mass lands within half a pixel of (14, 14), wherever and however large the drawing was", () => {
  for (const [dx, dy, scale] of [[0, 0, 1], [60, 10, 1], [5, 90, 0.5], [150, 150, 0.5]]) {
    const box = (x0, y0, x1, y1) => [dx + x0 * scale, dy + y0 * scale, dx + x1 * scale, dy + y1 * scale];
    const grey = paint(box(0, 0, 100, 20), box(80, 20, 100, 160));
    const [x, y] = centreOfMass(likeData(grey, SIZE, SIZE), 28, 28);
    assert.ok(Math.abs(x - 14) <= 0.5 && Math.abs(y - 14) <= 0.5, `${x}, ${y}`);
  }
});

test("where it was drawn does not matter", () => {
  const here = likeData(paint([20, 30, 120, 60], [90, 60, 110, 190]), SIZE, SIZE);
  const there = likeData(paint([97, 71, 197, 101], [167, 101, 187, 231]), SIZE, SIZE);
  assert.ok(here.every((g, i) => Math.abs(g - there[i]) < 1e-5));
});

test("as drawn, each pixel is the mean of its own 100 dots", () => {
  const grey = asDrawn(paint([10, 20, 25, 30]), SIZE, SIZE);
  assert.ok(Math.abs(grey[2 * 28 + 1] - 1) < 1e-6);
  assert.ok(Math.abs(grey[2 * 28 + 2] - 0.5) < 1e-6);
  assert.ok(Math.abs(mass(grey) - 1.5) < 1e-5);
});

test("blank stays blank; one half is ink", () => {
  assert.equal(mass(likeData(paint(), SIZE, SIZE)), 0);
  assert.deepEqual([...threshold([0, 0.49, 0.5, 1])], [0, 0, 1, 1]);
});

test("other data have another box and centre, and none of the ink is moved past the edge", () => {
  const frame = { shape: [12, 20], fit: [10, 16], centre: [5, 9], kept: true };
  const [width, height] = [20 * 14, 12 * 14];
  const wide = new Float32Array(width * height);
  for (let y = 20; y < 40; y++) wide.fill(1, y * width + 30, y * width + 130); // 100 × 20 dots
  const fitted = fitInk(wide, width, height, frame);
  assert.deepEqual([fitted.columns, fitted.rows], [16, 3]);
  const grey = likeData(wide, width, height, frame);
  assert.equal(grey.length, 240);
  const [x, y] = centreOfMass(grey, 20, 12);
  assert.ok(Math.abs(x - 9) <= 0.5 && Math.abs(y - 5) <= 0.5, `${x}, ${y}`);
  assert.ok(Math.abs(mass(grey) - 48) < 1e-3, "all its ink is there");
  const tall = new Float32Array(width * height);
  for (let y = 0; y < height; y++) tall.fill(1, y * width, y * width + (y < 30 ? 100 : 14)); // heavy above: a 7 turned over
  const kept = { ...frame, fit: [12, 20], centre: [0, 0] };
  const all = fitInk(tall, width, height, kept);
  assert.ok(Math.abs(mass(likeData(tall, width, height, kept)) - mass(all.grey)) < 1e-3);
  assert.ok(mass(likeData(tall, width, height, { ...kept, kept: false })) < mass(all.grey) - 1);
});

test("as drawn on another shape, each pixel is the mean of its own dots", () => {
  const grey = asDrawn(Float32Array.from({ length: 8 }, (_, i) => i), 4, 2, { shape: [1, 2] });
  assert.deepEqual([...grey], [(0 + 1 + 4 + 5) / 4, (2 + 3 + 6 + 7) / 4]);
});
