// The contest's arithmetic: handles, grabs, stretch and keys on the map; preview, score and words; the stain.
// tests/test_ellipse.py compares preview and stain with Python's. Run: node --test tests/js
import assert from "node:assert/strict";
import { test } from "node:test";

import { stainOf } from "../../demo/components/js/ellipsemap.js";
import {
  gaussianOf, heightOf, orderFor, previewOf, shareOf, spread, toldOf, verdictOf, widthText,
} from "../../demo/components/js/ellipsescore.js";
import {
  HANDLES, draggedTo, grabbed, handlesOf, inLimits, keyedTo, mapOf, roundTicks, sameQ,
} from "../../demo/components/js/ellipseshape.js";
import { klToPrior } from "../../demo/components/js/numerics.js";

const near = (found, wanted, far = 1e-9) => assert.ok(Math.abs(found - wanted) <= far, `${found} is not ${wanted}`);
const MAP = mapOf([-1, 1], [2, 4], 400); // 200 px a unit
const Q = [0.1, 3.2, 0.4, 0.25];

test("the map has one scale, z2 upwards, and back", () => {
  assert.deepEqual(MAP.toMap([-1, 4]), [0, 0]);
  assert.deepEqual(MAP.toMap([1, 2]), [400, 400]);
  const [x, y] = MAP.toMap([0.3, 2.7]);
  const back = MAP.toPlane([x, y]);
  near(back[0], 0.3);
  near(back[1], 2.7);
});

test("the handles of an axis stand on the 1σ ellipse", () => {
  const { mean, axis1, axis2 } = handlesOf(Q, MAP);
  mean.at.forEach((value, i) => near(value, [220, 160][i]));
  axis1.at.forEach((value, i) => near(value, [300, 160][i]));
  axis2.at.forEach((value, i) => near(value, [220, 110][i]));
});

test("on a needle and on a q wider than the map every handle can still be hit, inside the map and apart", () => {
  for (const q of [[0, 3, 1e-4, 1e-4], [0.98, 3.98, 0.2, 0.2], [-0.99, 2.01, 3, 3], [0, 3, 8, 8], [9, -9, 0.1, 5]]) {
    const handles = handlesOf(q, MAP);
    for (const name of HANDLES) {
      const { at } = handles[name];
      assert.ok(at.every((value) => value >= 0 && value <= 400), `${name} of ${q} at ${at}`);
      assert.equal(grabbed(q, MAP, at), name);
      for (const other of HANDLES) {
        if (other === name) continue;
        assert.ok(Math.hypot(at[0] - handles[other].at[0], at[1] - handles[other].at[1]) >= 30, `${name}, ${other} of ${q}`);
      }
    }
  }
});

test("22 pixels around a handle are its own, the nearest wins, inside the ellipse is the mean, elsewhere nothing", () => {
  assert.equal(grabbed(Q, MAP, [300 + 21.9, 160]), "axis1");
  assert.equal(grabbed(Q, MAP, [300 + 22.1, 160]), null);
  assert.equal(grabbed(Q, MAP, [220, 110 - 21.9]), "axis2");
  assert.equal(grabbed([0, 3, 1e-4, 1e-4], MAP, [216, 200]), "mean", "of two in reach the nearer");
  assert.equal(grabbed([0, 3, 1e-4, 1e-4], MAP, [219, 200]), "axis1");
  assert.equal(grabbed(Q, MAP, [170, 180]), "mean");
  assert.equal(grabbed(Q, MAP, [20, 20]), null);
});

test("the mean follows the hand and stays on the map; along one axis the other stays to the last digit", () => {
  const q = [0.123456, 3.2, 0.4, 0.25];
  assert.deepEqual(draggedTo(q, "mean", MAP, [20, -10]), [0.22346, 3.25, 0.4, 0.25]);
  assert.deepEqual(draggedTo(Q, "mean", MAP, [9999, 9999]).slice(0, 2), [1, 2]);
  assert.deepEqual(draggedTo([9, 3, 0.1, 0.1], "mean", MAP, [-200, 0]).slice(0, 2), [0, 3], "from where its cross is seen");
});

test("an axis grows by the ratio of the distances: its handle follows the hand, and back again is where it was", () => {
  near(draggedTo(Q, "axis1", MAP, [40, 7])[2], 0.6);
  near(draggedTo(Q, "axis2", MAP, [7, -50])[3], 0.5);
  near(draggedTo(Q, "axis2", MAP, [7, 25])[3], 0.125);
  assert.deepEqual(draggedTo(Q, "axis1", MAP, [0, 0]), Q);
  const needle = [0, 3, 0.01, 0.01]; // its handle stands 34 px off the mean
  near(draggedTo(needle, "axis1", MAP, [34, 0])[2], 0.02);
  assert.ok(draggedTo(Q, "axis1", MAP, [-500, 0])[2] > 0, "the hand may pass the mean");
  const onTheLeft = [0.9, 3, 0.4, 0.25];
  near(draggedTo(onTheLeft, "axis1", MAP, [-40, 0])[2], 0.6);
});

test("a handle that a hand holds stays on its side", () => {
  const wide = [0.5, 3, 1.2, 0.25];
  assert.equal(handlesOf(wide, MAP).axis1.sign, -1);
  assert.equal(handlesOf(wide, MAP, { axis1: 1 }).axis1.sign, 1);
  assert.ok(handlesOf(wide, MAP, { axis1: 1 }).axis1.at[0] <= 400);
});

test("limits are those of the link, and so is the rounding", () => {
  assert.deepEqual(inLimits([-13, 13, 9, 1e-9]), [-12, 12, 8, 1e-4]);
  assert.deepEqual(inLimits([0.123456789, -0, 0.123456789, 1]), [0.12346, 0, 0.123457, 1]);
  assert.ok(sameQ(Q, [...Q]) && !sameQ(Q, [0.1, 3.2, 0.4, 0.26]));
});

test("keys move by a tenth of σ, stretch by 2 %, more with Shift; r, c, Escape and Tab are not ours", () => {
  assert.deepEqual(keyedTo(Q, "mean", "ArrowRight", false), [0.14, 3.2, 0.4, 0.25]);
  assert.deepEqual(keyedTo(Q, "mean", "ArrowDown", true), [0.1, 3.075, 0.4, 0.25]);
  near(keyedTo(Q, "axis1", "ArrowUp", false)[2], 0.408);
  near(keyedTo(Q, "axis1", "ArrowRight", true)[2], 0.44);
  near(keyedTo(Q, "axis2", "ArrowLeft", false)[3], 0.245098, 1e-6);
  for (const key of ["r", "c", "Escape", "Tab", "Enter", "toString"]) assert.equal(keyedTo(Q, "mean", key, false), null);
});

test("round numbers stand on the axes", () => {
  assert.deepEqual(roundTicks(-1, 1, 4).map(({ text }) => text), ["−1", "0", "1"]);
  assert.deepEqual(roundTicks(-0.953, -0.631, 5).map(({ text }) => text), ["−0.9", "−0.8", "−0.7"]);
  for (const [low, high] of [[0.0012, 0.0019], [-11, 3], [2.31, 2.33]]) {
    const ticks = roundTicks(low, high, 5);
    assert.ok(ticks.length >= 2 && ticks.length <= 5);
    assert.ok(ticks.every(({ value, text }) => Math.abs(value - Number(text.replace("−", "-"))) < 1e-9));
  }
});

// log p(x|z) of this decoder is a parabola less a constant: one pixel of ink, its logit −½|z|² far below 0.
const parabola = { latentDim: 2, pixels: 1, decode: (z, out) => { out[0] = -60 - 0.5 * (z[0] ** 2 + z[1] ** 2); return out; } };

test("the preview is exact where log p(x|z) is a parabola, at either order", () => {
  const q = [0.4, -1.1, 0.3, 1.7];
  const wanted = -60 - 0.5 * (q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2);
  for (const order of [3, 4]) {
    const { reconstruction, kl, elbo } = previewOf(parabola, [1], q, order, new Float64Array(1));
    near(reconstruction, wanted);
    near(kl, klToPrior(gaussianOf(q)));
    near(elbo, wanted - kl);
  }
});

test("the order fits a frame, and one never fails", () => {
  assert.equal(orderFor(0.3), 4);
  assert.equal(orderFor(0.9), 3);
  assert.equal(orderFor(50), 3);
});

test("the score is the share of the encoder's gap", () => {
  assert.equal(shareOf(-90, -90, -88), 0);
  assert.equal(shareOf(-89, -90, -88), 0.5);
  assert.equal(shareOf(-94, -90, -88), -2);
  assert.equal(shareOf(-87.9, -90, -88), 1, "no preview passes log p(x)");
  assert.equal(shareOf(-88, -88.001, -88), null);
});

test("the bar ends at log p(x) and holds the encoder", () => {
  assert.equal(heightOf(-88, -90, -88), 1);
  near(heightOf(-90, -90, -88), 0.6);
  assert.equal(heightOf(-200, -90, -88), 0);
  near(heightOf(-88.1, -88.001, -88), 0.9, 1e-9);
  assert.deepEqual(spread([300, 290, 100], 36), [300, 264, 100]);
  assert.deepEqual(spread([300, 290, 280], 36), [300, 264, 228]);
});

test("words of the score", () => {
  const data = { encoder: { elbo: -90 }, best: { elbo: -88.5 }, log_p_x: -88 };
  const words = (elbo, touched = true) => Object.values(verdictOf(elbo, data, touched)).join(" ");
  assert.equal(words(-90, false), "0 % the encoder’s own guess: can you do better?");
  assert.equal(words(-89), "50 % of the encoder’s gap closed");
  assert.equal(words(-88.5), "75 % of the encoder’s gap closed: as good as it gets");
  assert.equal(words(-90.25), "0 % 0.25 nats behind the encoder");
  assert.equal(words(-103), "0 % 13.0 nats behind the encoder");
  assert.equal(words(-90.001), "0 % level with the encoder");
  assert.equal(Object.values(verdictOf(-88, { ...data, encoder: { elbo: -88 } }, true)).join(" "), "– the encoder left no gap to close");
});

test("the sentence for who cannot see says when it is a preview", () => {
  const verdict = { figure: "50 %", words: "of the encoder’s gap closed" };
  assert.equal(toldOf(Q, { elbo: -89, exact: true }, -88, verdict),
    "mean (0.10, 3.20), widths 0.400 and 0.250: ELBO −89.00, gap 1.00 nats, 50 % of the encoder’s gap closed");
  assert.match(toldOf(Q, { elbo: -87 }, -88, verdict), /ELBO about −87.00, gap about 0.00 nats/);
  assert.equal(toldOf(Q, null, -88, null), "mean (0.10, 3.20), widths 0.400 and 0.250");
  assert.deepEqual([0.0001, 0.0123, 0.5, 8].map(widthText), ["0.00010", "0.0123", "0.500", "8.00"]);
});

test("the stain of a normal density is a normal density, whatever lies between its nodes", () => {
  const [n, size] = [9, 40];
  const at = (i, count) => -1 + (2 * i) / (count - 1);
  const log = (a, b) => -3 * (a - 0.3) ** 2 - 2 * (b + 0.2) ** 2 + a * b - 7;
  const values = Array.from({ length: n * n }, (_, k) => log(at(k % n, n), at(Math.floor(k / n), n)));
  const found = stainOf(values, n, size);
  const place = (i) => -1 + (2 * (i + 0.5)) / size;
  let top = -Infinity;
  for (let j = 0; j < size; j++) for (let i = 0; i < size; i++) top = Math.max(top, log(place(i), -place(j)));
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) near(found[j * size + i], Math.exp(log(place(i), -place(j)) - top), 1e-6);
  }
});
