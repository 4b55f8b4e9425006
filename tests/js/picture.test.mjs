import assert from "node:assert/strict";
import test from "node:test";

import { inkOf, onPaper, pictureIn, readPicture, FAULTS } from "../../demo/components/js/picture.js";

// A picture of `paper` with a bar of `ink` in columns 4 and 5, greys 0 to 255.
function bar(paper, ink, alpha = () => 255) {
  const rgba = new Uint8ClampedArray(4 * 100);
  for (let i = 0; i < 100; i++) {
    const grey = [4, 5].includes(i % 10) && i >= 20 && i < 80 ? ink : paper;
    rgba.set([grey, grey, grey, alpha(i)], 4 * i);
  }
  return rgba;
}
const isBar = (ink) => ink.every((value, i) => (value > 0.5) === ([4, 5].includes(i % 10) && i >= 20 && i < 80));

test("ink is what stands out from the rim, dark on light or light on dark, strong or faint", () => {
  for (const [paper, ink] of [[255, 0], [0, 255], [230, 120], [40, 90]]) assert.ok(isBar(inkOf(bar(paper, ink), 10, 10)), `${paper} ${ink}`);
});

test("colours count by their luminance and what lets through is paper", () => {
  const red = bar(255, 0);
  for (let i = 0; i < 100; i++) red[4 * i] = 255; // black ink turned red
  assert.ok(isBar(inkOf(red, 10, 10)));
  const through = inkOf(bar(0, 0, (i) => ([4, 5].includes(i % 10) && i >= 20 && i < 80 ? 255 : 0)), 10, 10);
  assert.ok(isBar(through));
});

test("grain of the paper is no ink, and paper alone gives none", () => {
  const rgba = bar(220, 20);
  for (let i = 0; i < 100; i++) for (let c = 0; c < 3; c++) rgba[4 * i + c] += (i * 7) % 25;
  assert.ok(isBar(inkOf(rgba, 10, 10)));
  const ink = inkOf(rgba, 10, 10);
  assert.equal(ink[0], 0);
  assert.equal(inkOf(bar(200, 200), 10, 10), null);
  assert.equal(inkOf(bar(200, 190), 10, 10), null);
});

test("a picture lies in the middle of the field", () => {
  const field = onPaper(Float32Array.from({ length: 100 * 280 }, () => 1), 100, 280, { width: 280, height: 280 });
  assert.equal(field.length, 280 * 280);
  assert.equal(field.reduce((sum, dot) => sum + dot, 0), 255 * 100 * 280);
  assert.deepEqual([field[89], field[90], field[189], field[190]], [0, 255, 255, 0]);
  const wide = onPaper(new Float32Array(4).fill(1), 2, 2, { width: 6, height: 4 });
  assert.deepEqual([...wide].map((dot, i) => dot && i).filter(Boolean), [8, 9, 14, 15]);
});

test("only a picture is taken, and a fault is a sentence", async () => {
  const text = { type: "text/plain", size: 3 };
  const image = { type: "image/png", size: 3 };
  assert.equal(pictureIn({ files: [text, image] }), image);
  assert.equal(pictureIn({ files: [text] }), null);
  assert.equal(pictureIn(null), null);
  await assert.rejects(readPicture(text), { message: FAULTS.type });
  await assert.rejects(readPicture(undefined), { message: FAULTS.type });
  await assert.rejects(readPicture({ type: "image/png", size: 3e7 }), { message: FAULTS.size });
  await assert.rejects(readPicture(image), { message: FAULTS.unread }); // node has no createImageBitmap
});
