// The pure parts of the plane that unfolds: its logarithmic axis and the reading of its sheet.
import assert from "node:assert/strict";
import { test } from "node:test";

import { indexOf, inkOf, namedSteps } from "../../demo/components/js/unfolding.js";

const STEPS = [0, 16, 32, 64, 128, 256, 512];

test("a step that is a moment lies at its index, others between their neighbours, evenly in the logarithm", () => {
  STEPS.forEach((step, i) => assert.equal(indexOf(step, STEPS), i));
  assert.ok(Math.abs(indexOf(16 * Math.SQRT2, STEPS) - 1.5) < 1e-9);
  assert.ok(Math.abs(indexOf(181.0193, STEPS) - 4.5) < 1e-4);
  assert.equal(indexOf(8, STEPS), 0.5, "below the first of the logarithms: evenly");
  let last = -1;
  for (let step = 0; step <= 512; step++) {
    const index = indexOf(step, STEPS);
    assert.ok(index > last, `${step}`);
    last = index;
  }
});

test("the first and the last step are named, powers of ten between them, none on top of another", () => {
  assert.deepEqual(namedSteps(STEPS), [0, 100, 512]);
  assert.deepEqual(namedSteps([0, 16, 100, 1000, 4300]), [0, 100, 1000, 4300]);
  assert.deepEqual(namedSteps([0, 16, 100, 900, 1010]), [0, 100, 1010], "1,000 would touch 1,010");
  assert.deepEqual(namedSteps([0, 2]), [0, 2]);
});

test("ink is the grey of a picture's words, whatever its other channels", () => {
  assert.deepEqual([...inkOf(Uint32Array.of(0xff000000, 0xffffffff, 0xff111111))], [0, 255, 17]);
});
