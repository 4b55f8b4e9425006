// The arithmetic of the explorer and the file of tables. Run: node --test tests/js
import assert from "node:assert/strict";
import { test } from "node:test";

import { REACH, enlargement, enlarger } from "../../demo/components/js/enlarge.js";
import * as latent from "../../demo/components/js/latent.js";
import { parseTables } from "../../demo/components/js/tables.js";

test("z stays in the box, with the four decimals of a link, without a negative zero", () => {
  assert.deepEqual(latent.inBox([5, -5]), [3, -3]);
  assert.deepEqual(latent.inBox([0.123456, -0.98763]), [0.1235, -0.9876]);
  assert.ok(Object.is(latent.inBox([-0.00001, 0])[0], 0));
});

test("the nearest node is the nearest of all nodes", () => {
  const axis = Float64Array.from({ length: 61 }, (_, i) => -3 + i * 0.1);
  for (let value = -4; value <= 4; value += 0.0137) {
    const found = latent.nearestNode(axis, value);
    const least = Math.min(...axis.map((node) => Math.abs(node - value)));
    assert.ok(Math.abs(Math.abs(axis[found] - value) - least) < 1e-9);
  }
});

test("log p(z) is that of a standard normal", () => {
  assert.ok(Math.abs(latent.logPrior([0, 0]) + Math.log(2 * Math.PI)) < 1e-12);
  assert.ok(Math.abs(latent.logPrior([0.4, -0.7]) - (-Math.log(2 * Math.PI) - (0.16 + 0.49) / 2)) < 1e-12);
});

test("tiles come from the centre out, each once", () => {
  const tiles = latent.fromCentre(21);
  assert.deepEqual(tiles[0], [10, 10]);
  assert.equal(new Set(tiles.map(String)).size, 441);
  const far = tiles.map(([row, column]) => Math.hypot(row - 10, column - 10));
  assert.ok(far.every((distance, i) => i === 0 || distance >= far[i - 1] - 1e-9));
});

test("arrows step 0.05, with Shift 0.5, Home leads to the origin, other keys are not ours", () => {
  assert.deepEqual(latent.afterKey([0, 0], "ArrowRight", false), [0.05, 0]);
  assert.deepEqual(latent.afterKey([0, 0], "ArrowUp", true), [0, 0.5]);
  assert.deepEqual(latent.afterKey([-2.9, 0], "ArrowLeft", true), [-3, 0]);
  assert.deepEqual(latent.afterKey([1, 1], "ArrowDown", false), [1, 0.95]);
  assert.deepEqual(latent.afterKey([1, 1], "Home", false), [0, 0]);
  for (const key of ["r", "c", "p", "0", "+", "-", "Escape", "Tab", "Enter", "toString"]) assert.equal(latent.afterKey([0, 0], key, false), null);
});

test("the tour starts where z is, moves slowly and stays within the box", () => {
  assert.deepEqual(latent.tourPoint(0, [2, -1]), [2, -1]);
  let last = latent.tourPoint(0, [2, -1]);
  for (let seconds = 1 / 60; seconds < 120; seconds += 1 / 60) {
    const now = latent.tourPoint(seconds, [2, -1]);
    assert.ok(Math.hypot(now[0] - last[0], now[1] - last[1]) < 0.03, "no leap");
    assert.ok(now.every((value) => Math.abs(value) <= latent.BOX));
    last = now;
  }
});

test("numbers are written with a minus sign and never as minus zero", () => {
  assert.equal(latent.written(-134.913), "−134.91");
  assert.equal(latent.written(3.7), "3.70");
  assert.equal(latent.written(-0.001), "0.00");
  assert.equal(latent.written(-50, 0), "−50");
  assert.equal(latent.sentence([0.4, -0.7], "", null), "z = (0.40, −0.70), log p(z) = −2.16 nats");
  assert.equal(
    latent.sentence([0.4, -0.7], "looks like a 3", { name: "x", value: -81.5 }),
    "z = (0.40, −0.70), looks like a 3, log p(z) = −2.16 nats, log p(x) = −81.50 nats",
  );
});

test("the lens holds the gap and does not flicker", () => {
  for (const gap of [0, 0.3, 4, 9, 9.1, 40, 230, 899]) assert.ok(latent.lensWidth(gap) >= gap);
  assert.equal(latent.lensWidth(4), 10);
  assert.equal(latent.lensWidth(12), 20);
  assert.equal(latent.lensWidth(8, 20), 20, "kept while one size too wide and nearly needed");
  assert.equal(latent.lensWidth(4, 20), 10);
  assert.equal(latent.lensWidth(4, 100), 10);
});

test("the ruler ends at multiples of 50 around all values", () => {
  assert.deepEqual(latent.rulerEnds([-155.3, -28.4]), [-200, 0]);
  assert.deepEqual(latent.rulerEnds([-150, -50]), [-150, -50]);
});

test("enlarging keeps what is flat and the middle of an edge", () => {
  const words = Uint32Array.from({ length: 2 * REACH * 64 }, (_, i) => i);
  for (const [rows, columns] of [[28, 28], [8, 8], [12, 20], [20, 12]]) {
    const { width, height, into } = enlarger([rows, columns]);
    const [times, middle] = [enlargement([rows, columns]), columns / 2];
    assert.deepEqual([width, height], [columns * times, rows * times]);
    const image = { data: new Uint8ClampedArray(4 * width * height) };
    const out = new Uint32Array(image.data.buffer);
    into(image, new Float32Array(rows * columns).fill(2), words);
    assert.ok(out.every((level) => Math.abs(level - (2 + REACH) * 64) <= 1));
    into(image, Float32Array.from({ length: rows * columns }, (_, i) => (i % columns < middle ? -4 : 4)), words);
    const row = out.subarray(100 * width, 101 * width);
    const edge = middle * times;
    assert.ok(Math.abs((row[edge - 1] + row[edge]) / 2 - REACH * 64) < 2, "the edge lies between the pixels");
    assert.ok(row.every((level, x) => (x < edge ? level < REACH * 64 : level >= REACH * 64)));
  }
  assert.deepEqual([enlargement([28, 28]), enlargement([8, 8]), enlargement([256, 3])], [8, 28, 1]);
});

test("a file of tables is read, a broken one refused", () => {
  const file = (header, payload) => {
    let text = JSON.stringify(header);
    text += " ".repeat((4 - (text.length % 4)) % 4);
    const bytes = new Uint8Array(4 + text.length + payload.length);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(new TextEncoder().encode(text), 4);
    bytes.set(payload, 4 + text.length);
    return bytes;
  };
  const payload = new Uint8Array(16);
  new DataView(payload.buffer).setFloat64(0, -3, true);
  new DataView(payload.buffer).setInt16(8, -13491, true);
  payload[12] = 7;
  const arrays = [
    { name: "axis", dtype: "float64", shape: [1], offset: 0, unit: 1 },
    { name: "elbo", dtype: "int16", shape: [1, 1], offset: 8, unit: 0.01 },
    { name: "label", dtype: "uint8", shape: [1], offset: 12, unit: 1 },
  ];
  const { id, arrays: read } = parseTables(file({ id: "t", arrays }, payload));
  assert.equal(id, "t");
  assert.deepEqual([read.axis.values[0], read.elbo.values[0].toFixed(2), read.label.values[0]], [-3, "-134.91", 7]);
  const broken = (change) => file({ id: "t", arrays: [{ ...arrays[1], ...change }] }, payload);
  assert.throws(() => parseTables(broken({ dtype: "int64" })), /unknown type/);
  assert.throws(() => parseTables(broken({ shape: [9, 9] })), /outside the file/);
  assert.throws(() => parseTables(broken({ offset: undefined })), /outside the file/);
  assert.throws(() => parseTables(file({ id: "t" }, payload)), /no tables/);
});

test("enlarging leaves out what is paper, and nothing else", () => {
  const words = Uint32Array.from({ length: 2 * REACH * 64 }, (_, i) => i);
  const enlarge = (logits) => {
    const { width, height, into } = enlarger([28, 28]);
    const image = { data: new Uint8ClampedArray(4 * width * height).fill(77) };
    into(image, logits, words);
    return new Uint32Array(image.data.buffer);
  };
  const blank = new Float64Array(784).fill(-REACH);
  assert.ok(enlarge(blank).every((level) => level === 0), "blank paper");
  for (const [row, column] of [[0, 0], [13, 5], [27, 27], [3, 26]]) {
    const one = blank.slice();
    one[row * 28 + column] = REACH;
    // Ink in two far corners, faint beyond sight, makes the bounds those of the whole sheet.
    const whole = one.slice();
    for (const corner of [0, 783]) whole[corner] = Math.max(whole[corner], -REACH + 1e-6);
    assert.deepEqual(enlarge(one), enlarge(whole));
  }
});
