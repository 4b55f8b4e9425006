// The pure parts of gallery, player and pad: shapes, keys, axes, bytes.
import assert from "node:assert/strict";
import { test } from "node:test";

import { gridShape, movedBy } from "../../demo/components/js/gallery.js";
import { keep, recall } from "../../demo/components/js/held.js";
import { cellMoved } from "../../demo/components/js/pad.js";
import { axis, classCentres, fixed, nearestPoint, positionAt, stripStops } from "../../demo/components/js/rail.js";
import { debounce, fromBase64, packBits, toBase64, unpackBits } from "../../demo/components/js/wire.js";

test("tiles are never smaller than a finger and never wider than the page", () => {
  for (let n = 1; n <= 100; n++) {
    for (const width of [328, 358, 520, 700, 1080]) {
      const { columns, tile } = gridShape(n, width);
      assert.ok(tile >= 44 && columns * tile <= width, `${n} digits in ${width}`);
    }
  }
  assert.deepEqual(gridShape(100, 700), { columns: 10, tile: 70 });
  assert.deepEqual(gridShape(25, 358), { columns: 5, tile: 71 });
  assert.equal(gridShape(16, 1080).columns, 4);
});

test("keys move the pick within the grid and leave other keys alone", () => {
  assert.equal(movedBy("ArrowRight", 3, 10, 4), 4);
  assert.equal(movedBy("ArrowDown", 3, 10, 4), 7);
  assert.equal(movedBy("ArrowDown", 7, 10, 4), 7, "no row below");
  assert.equal(movedBy("ArrowLeft", 0, 10, 4), 0);
  assert.equal(movedBy("End", 0, 10, 4), 9);
  for (const key of ["r", "c", "Escape", "Tab"]) assert.equal(movedBy(key, 3, 10, 4), null);
});

test("the cell cursor stays on the pad", () => {
  assert.deepEqual(cellMoved("ArrowUp", [5, 0]), [5, 0]);
  assert.deepEqual(cellMoved("ArrowRight", [26, 3]), [27, 3]);
  assert.equal(cellMoved("r", [5, 5]), null);
});

test("an axis holds its values and at least one round tick, two where there is room", () => {
  for (const [low, high] of [[-4.9, -1.9], [-36, -31], [-2, -2], [-1000, -3], [0, 0.5], [-7.31, -7.3]]) {
    const found = axis(low, high);
    assert.ok(found.low <= low && found.high >= high && found.high - found.low >= 2 - 1e-9);
    assert.ok(found.ticks.length >= 1 && found.ticks.length <= 4, `${found.ticks}`);
    for (const tick of found.ticks) {
      assert.ok(tick >= found.low - 1e-6 && tick <= found.high + 1e-6);
      assert.ok(Math.abs(Number(tick.toFixed(found.decimals)) - tick) < 1e-9);
    }
  }
});

test("numbers have a true minus and no minus zero", () => {
  assert.equal(fixed(-2.314), "−2.31");
  assert.equal(fixed(-0.001), "0.00");
});

test("frames and stops", () => {
  assert.equal(positionAt(0.42, 61), 25);
  assert.equal(positionAt(1, 61), 60);
  assert.deepEqual(stripStops(61, 11), [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60]);
  assert.deepEqual(stripStops(2, 2), [0, 1]);
  assert.equal(nearestPoint([[0, 0], [1, 1], [2, 0]], [1.2, 0.8]), 1);
});

test("a class stands at the median of its codes", () => {
  const rows = [0, 0, 7, 2, 2, 7, 1, 9, 7, 5, 5, 3];
  assert.deepEqual(classCentres(rows), [[5, 5, 3], [1, 2, 7]]);
});

test("bits and bytes survive the journey, the first bit in the highest place", () => {
  const bits = Uint8Array.from({ length: 784 }, (_, i) => (i * i) % 3 === 1);
  assert.deepEqual(unpackBits(fromBase64(toBase64(packBits(bits)))), bits);
  assert.equal(packBits([1, 0, 0, 0, 0, 0, 0, 1, 1])[0], 129);
  assert.equal(packBits([1, 0, 0, 0, 0, 0, 0, 1, 1])[1], 128);
  assert.equal(toBase64(new Uint8Array(98)).length, 132);
});

test("a value is recalled only under its own number", () => {
  assert.deepEqual(keep("slot", 3, "hand"), { number: 3, value: "hand" });
  assert.equal(recall("slot", 3, "page"), "hand");
  assert.equal(recall("slot", 4, "page"), "page");
  assert.equal(recall("other", 3, "page"), "page");
});

test("many calls are one, and can be had at once or not at all", async () => {
  let calls = 0;
  const later = debounce(() => calls++, 5);
  later(); later(); later();
  await new Promise((done) => setTimeout(done, 30));
  assert.equal(calls, 1);
  later(); later.now(); later.now();
  assert.equal(calls, 2);
  later(); later.cancel();
  await new Promise((done) => setTimeout(done, 30));
  assert.equal(calls, 2);
});
