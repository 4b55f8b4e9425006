// The pure parts of gallery, player and pad: shapes, keys, axes, bytes.
import assert from "node:assert/strict";
import { test } from "node:test";

import { gridShape, movedBy } from "../../demo/components/js/gallery.js";
import { fitted, putDigit } from "../../demo/components/js/ink.js";
import { keep, recall } from "../../demo/components/js/held.js";
import { cellMoved } from "../../demo/components/js/pad.js";
import { placeUnder } from "../../demo/components/js/drag.js";
import { axis, classCentres, eased, fixed, inThousandths, nearestPoint, phaseAt, scrubbedBy, stripStops } from "../../demo/components/js/rail.js";
import { candidates, nameOf, pagesOf, tileAfter } from "../../demo/components/js/railends.js";
import { paperOf } from "../../demo/components/js/strokes.js";
import { ROUTES, along } from "../../demo/components/js/routes.js";
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

test("the cell cursor stays on the pad, column by row, whatever its shape", () => {
  assert.deepEqual(cellMoved("ArrowUp", [5, 0], [28, 28]), [5, 0]);
  assert.deepEqual(cellMoved("ArrowRight", [26, 3], [28, 28]), [27, 3]);
  assert.deepEqual(cellMoved("ArrowRight", [18, 3], [12, 20]), [19, 3]);
  assert.deepEqual(cellMoved("ArrowRight", [19, 3], [12, 20]), [19, 3]);
  assert.deepEqual(cellMoved("ArrowDown", [19, 11], [12, 20]), [19, 11]);
  assert.equal(cellMoved("r", [5, 5], [28, 28]), null);
});

test("a picture keeps its shape in a square, to the pixel where it is one", () => {
  assert.deepEqual(fitted([28, 28], 84), [84, 84]);
  assert.deepEqual(fitted([8, 8], 97), [97, 97]);
  assert.deepEqual(fitted([12, 20], 100), [100, 60]);
  assert.deepEqual(fitted([20, 12], 100), [60, 100]);
  assert.deepEqual(fitted([1, 256], 40), [40, 1]);
});

// An ImageData and a table whose words say the level.
const words = Uint32Array.from({ length: 256 }, (_, level) => level);

test("a digit's pixels stand row by row, wherever it is put", () => {
  const image = { width: 7, height: 5, data: new Uint8ClampedArray(4 * 35) };
  putDigit(image, [1, 2, 3, 4, 5, 6], [2, 3], words, 3, 1, 1);
  const rows = Array.from({ length: 5 }, (_, row) => [...new Uint32Array(image.data.buffer).subarray(7 * row, 7 * row + 7)]);
  assert.deepEqual(rows[1], [0, 0, 0, 1, 2, 3, 0]);
  assert.deepEqual(rows[2], [0, 0, 0, 4, 5, 6, 0]);
  assert.ok([0, 3, 4].every((row) => rows[row].every((word) => word === 0)));
});

test("the paper has square dots, MNIST's brush for MNIST and one that inks a pixel for small pictures", () => {
  assert.deepEqual(paperOf([28, 28]), { width: 280, height: 280, cell: 10, brush: 2.4 });
  assert.deepEqual(paperOf([12, 20]), { width: 280, height: 168, cell: 14, brush: 2.4 * 20 / 28 });
  assert.deepEqual(paperOf([8, 8]), { width: 280, height: 280, cell: 35, brush: 1.4 });
  assert.equal(paperOf([256, 200]).cell, 1);
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

test("places on the way, in thousandths, and the stops of the strip", () => {
  assert.equal(inThousandths(0.12345), 0.123);
  assert.deepEqual([inThousandths(-1), inThousandths(7)], [0, 1]);
  assert.deepEqual(stripStops(5), [0, 0.25, 0.5, 0.75, 1]);
  assert.equal(nearestPoint([[0, 0], [1, 1], [2, 0]], [1.2, 0.8]), 1);
});

test("keys scrub by hundredths, with Shift by tenths, within the way, and leave other keys alone", () => {
  assert.equal(scrubbedBy("ArrowRight", 0.5, false), 0.51);
  assert.equal(scrubbedBy("ArrowDown", 0.5, true), 0.4);
  assert.equal(scrubbedBy("ArrowLeft", 0.004, false), 0);
  assert.deepEqual(["Home", "End", "PageUp"].map((key) => scrubbedBy(key, 0.95, false)), [0, 1, 1]);
  for (const key of ["r", "c", "Escape", "Tab", "Enter"]) assert.equal(scrubbedBy(key, 0.5, false), null);
});

test("play is slow out of each stop and into the next, and goes on from where it stood", () => {
  for (const legs of [1, 2, 5]) {
    let last = -1;
    for (let i = 0; i <= 200; i++) {
      const t = eased((i / 200) * legs, legs);
      assert.ok(t >= last && t >= 0 && t <= 1);
      assert.ok(Math.abs(phaseAt(t, legs) - (i / 200) * legs) < 1e-6);
      last = t;
    }
    assert.deepEqual([eased(0, legs), eased(legs, legs)], [0, 1]);
    const middle = eased(0.51, legs) - eased(0.49, legs);
    for (const stop of [0, legs - 0.02]) assert.ok(eased(stop + 0.02, legs) - eased(stop, legs) < middle / 10);
  }
});

test("the way past the stops gives each leg as much of t", () => {
  const stops = [[0, 0], [1, 0], [1, 8]];
  assert.deepEqual(along(stops, 0, ROUTES.straight), [0, 0]);
  assert.deepEqual(along(stops, 0.25, ROUTES.straight), [0.5, 0]);
  assert.deepEqual(along(stops, 0.5, ROUTES.straight), [1, 0]);
  assert.deepEqual(along(stops, 0.75, ROUTES.straight), [1, 4]);
  assert.deepEqual(along(stops, 1, ROUTES.straight), [1, 8]);
});

test("what is let go near a place falls on it, of two on the nearer", () => {
  const box = (left, right) => ({ left, right, top: 0, bottom: 50 });
  const places = [{ name: "a", box: box(0, 50) }, { name: "b", box: box(60, 110) }];
  assert.equal(placeUnder(25, 25, places), "a");
  assert.equal(placeUnder(53, 25, places), "a");
  assert.equal(placeUnder(57, 25, places), "b");
  assert.equal(placeUnder(25, 60, places), "a");
  assert.equal(placeUnder(25, 80, places), null);
  assert.equal(placeUnder(5, 5, []), null);
});

test("a page of the tray has a code of each class, draws of the prior and the drawing", () => {
  const loc = { shape: [20, 2], values: Float32Array.from({ length: 40 }, (_, i) => i) };
  const prior = { shape: [6, 2], values: Float64Array.from({ length: 12 }, (_, i) => -i) };
  assert.equal(pagesOf({ loc }), 2);
  const first = candidates({ loc, prior }, 0, null);
  assert.equal(first.length, 14);
  assert.deepEqual(first[3], { kind: "3", number: 0, z: [12, 13] });
  const second = candidates({ loc, prior }, 1, [7, 7]);
  assert.deepEqual(second.map(({ kind }) => kind), [..."0123456789", "prior", "prior", "drawing"]);
  assert.deepEqual(second[3], { kind: "3", number: 1, z: [14, 15] });
  assert.deepEqual(second[11], { kind: "prior", number: 5, z: [-10, -11] });
});

test("classes are as many as the data have, and are called what they are", () => {
  const loc = { shape: [6, 1], values: Float32Array.from([0, 1, 10, 11, 20, 21]) };
  const prior = { shape: [0, 1], values: new Float64Array(0) };
  const classes = ["0", "7", "12"];
  assert.equal(pagesOf({ loc }, classes), 2);
  assert.deepEqual(candidates({ loc, prior }, 1, null, classes).map(({ kind, z }) => [kind, z[0]]), [["0", 1], ["7", 11], ["12", 21]]);
  assert.equal(nameOf("12", classes, "a test image of class"), "a test image of class 12");
  assert.equal(nameOf("0", ["0"], "a test image"), "a test image");
  assert.equal(nameOf("prior", ["0"], "a test image"), "a draw of the prior");
  assert.equal(nameOf("3"), "a test digit 3");
});

test("keys rove within the tray", () => {
  assert.equal(tileAfter("ArrowRight", 13, 14, 7), 13);
  assert.equal(tileAfter("ArrowDown", 3, 14, 7), 10);
  assert.equal(tileAfter("ArrowUp", 3, 14, 7), 3);
  assert.equal(tileAfter("End", 3, 14, 7), 13);
  assert.equal(tileAfter("Enter", 3, 14, 7), null);
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
  assert.deepEqual(unpackBits(packBits([1, 0, 0, 0, 0, 0, 0, 1, 1]), 9), Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 1, 1]));
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
