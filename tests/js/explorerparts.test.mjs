// The explorer's camera, its nearest codes and their vote, the rounds of its mosaic, a pinned x. Run: node --test tests/js
import assert from "node:assert/strict";
import { test } from "node:test";

import * as camera from "../../demo/components/js/explorercamera.js";
import { classesOf, looksLike, nearestCodes, saidOfCode, vote } from "../../demo/components/js/explorercodes.js";
import { sigmas } from "../../demo/components/js/explorermarkup.js";
import { roundsOf } from "../../demo/components/js/explorermosaic.js";
import { jointTerms, packPin, unpackPin } from "../../demo/components/js/explorerpin.js";

const near = (found, wanted, far = 1e-12) => found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= far, `${found} is not ${wanted}`));
let state = 7;
const random = () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32);
const anywhere = () => 6 * random() - 3;
const anyView = () => camera.zoomed(camera.WHOLE, 1 + 19 * random(), [random(), random()]);
const inside = ({ z1, z2, half }) => [z1, z2].every((c) => Math.abs(c) + half <= 3 + 1e-12) && half >= 0.15 - 1e-12;

test("a place of a view and the point there are inverse; the whole plane is the box", () => {
  near(camera.placeOf(camera.WHOLE, [-3, 3]), [0, 0]);
  near(camera.placeOf(camera.WHOLE, [3, -3]), [1, 1]);
  for (let i = 0; i < 100; i++) {
    const [view, place] = [anyView(), [random(), random()]];
    near(camera.placeOf(view, camera.pointAt(view, place)), place);
  }
});

test("zooming keeps what is under the pointer and never leaves the plane or its bounds", () => {
  for (let i = 0; i < 300; i++) {
    const [view, place, factor] = [anyView(), [random(), random()], 0.3 + 3 * random()];
    const next = camera.zoomed(view, factor, place);
    assert.ok(inside(next));
    if (factor > 1) near(camera.pointAt(next, place), camera.pointAt(view, place), 1e-9);
  }
  assert.ok(camera.isWhole(camera.zoomed(anyView(), 1e-3, [0.2, 0.9])));
  near([3 / camera.zoomed(camera.WHOLE, 1e3, [0.2, 0.9]).half], [20]);
});

test("two fingers apart bring closer about their middle, moved together they pan", () => {
  const view = camera.zoomed(camera.WHOLE, 4, [0.5, 0.5]);
  const apart = camera.pinched(view, [[0.4, 0.5], [0.6, 0.5]], [[0.3, 0.5], [0.7, 0.5]]);
  near([apart.z1, apart.z2, apart.half], [0, 0, view.half / 2]);
  const moved = camera.pinched(view, [[0.4, 0.5], [0.6, 0.5]], [[0.5, 0.4], [0.7, 0.4]]);
  near([moved.z1, moved.z2, moved.half], [-0.2 * view.half, -0.2 * view.half, view.half]);
  assert.ok(inside(camera.pinched(view, [[0, 0], [0, 0]], [[1, 1], [1, 1]])), "fingers on one spot divide by nothing");
});

test("the view follows z as little as it must", () => {
  const view = camera.zoomed(camera.WHOLE, 10, [0.5, 0.5]);
  assert.deepEqual(camera.following(view, [0.1, -0.1]), view);
  for (let i = 0; i < 100; i++) {
    const [from, z] = [anyView(), [anywhere(), anywhere()]];
    const next = camera.following(from, z);
    assert.ok(inside(next) && camera.placeOf(next, z).every((share) => share > -1e-9 && share < 1 + 1e-9));
  }
});

test("a picture carried to another view puts its points where they belong", () => {
  for (let i = 0; i < 50; i++) {
    const [from, to, z] = [anyView(), anyView(), [anywhere(), anywhere()]];
    const { across, down, scale } = camera.carried(from, to);
    const [u, v] = camera.placeOf(from, z);
    near([across + scale * u, down + scale * v], camera.placeOf(to, z), 1e-9);
  }
});

test("the wheel is even: as much back as forth, and no leap", () => {
  const turn = (deltaY, ctrlKey = false, deltaMode = 0) => camera.wheelFactor({ deltaY, ctrlKey, deltaMode });
  near([turn(120) * turn(-120), turn(0)], [1, 1]);
  assert.ok(turn(-120) > 1.2 && turn(-120) < 1.4 && turn(-1e6) < 2 && turn(-3, true) > 1.02);
  near([turn(-3, false, 1)], [turn(-48)]);
});

test("the nearest codes are the nearest of all, the nearest first", () => {
  const codes = { loc: Float64Array.from({ length: 2000 }, anywhere), label: new Uint8Array(1000) };
  for (let i = 0; i < 20; i++) {
    const z = [anywhere(), anywhere()];
    const all = Array.from({ length: 1000 }, (_, k) => Math.hypot(codes.loc[2 * k] - z[0], codes.loc[2 * k + 1] - z[1]));
    const found = nearestCodes(codes, z, 15);
    near(found.map(({ distance }) => distance), [...all].sort((a, b) => a - b).slice(0, 15));
    found.forEach(({ index, distance }) => near([all[index]], [distance]));
  }
  assert.equal(nearestCodes({ loc: [0, 0], label: [3] }, [1, 1], 15).length, 1, "as many as there are");
});

test("a majority names one class, none names two, and what is far says nothing", () => {
  assert.deepEqual(vote([3, 3, 8]), [3]);
  assert.deepEqual(vote([3, 8, 8, 3, 5]), [3, 8], "of equals the nearer");
  assert.deepEqual(vote([8, 3, 8, 3]), [8, 3], "half is no majority");
  const around = (labels) => ({ loc: labels.flatMap((_, i) => [0.01 * (i + 1), 0]), label: Uint8Array.from(labels) });
  assert.equal(looksLike(around([3, 3, 3, 8]), [0, 0]), "looks like a 3");
  assert.equal(looksLike(around([8, 8, 8, 3]), [0, 0]), "looks like an 8");
  assert.equal(looksLike(around([3, 8, 8, 3]), [0, 0]), "between a 3 and an 8");
  assert.equal(looksLike(around([...Array(8).fill(1), ...Array(40).fill(2)]), [0, 0]), "looks like a 1", "fifteen vote");
  assert.equal(looksLike(around([3]), [-0.28, 0]), "looks like a 3");
  assert.equal(looksLike(around([3]), [-0.3, 0]), "");
  assert.equal(looksLike({ loc: [], label: [] }, [0, 0]), "");
});

test("each class has its codes and the median of them", () => {
  const classes = classesOf({ loc: [0, 1, 2, 3, 9, 0], label: Uint8Array.from([4, 4, 4]) });
  assert.deepEqual(classes[4], { digit: 4, own: [0, 1, 2], middle: [2, 1] });
  assert.equal(classes[0].middle, null);
});

test("coarse tiles cover everything before the fine ones do", () => {
  const rounds = roundsOf(21, true);
  assert.equal(rounds.length, 49 + 441);
  const covered = new Set();
  for (const { row, column, span } of rounds.slice(0, 49)) {
    for (let i = 0; i < span * span; i++) covered.add(21 * (row + Math.floor(i / span)) + column + (i % span));
  }
  assert.equal(covered.size, 441);
  assert.deepEqual(rounds[49], { row: 10, column: 10, span: 1 });
  assert.equal(roundsOf(15, false).length, 225);
});

test("letters of the circles stand within the view, or not at all", () => {
  assert.equal(sigmas(camera.WHOLE).inside.match(/σ/g).length, 3);
  const { inside: text } = sigmas(camera.zoomed(camera.WHOLE, 8, [0.5 + 1 / 6, 0.5]));
  const [, x, y] = text.match(/<text x="([-\d.e]+)" y="([-\d.e]+)">1σ/);
  assert.ok(Math.abs(x - 1) < 0.375 && Math.abs(y) < 0.375);
  assert.ok(!/[23]σ|z<\/tspan>₂/.test(text));
});

test("a pinned x goes into a link and back; nothing else does", () => {
  const bits = Uint8Array.from({ length: 784 }, () => (random() < 0.2 ? 1 : 0));
  const text = packPin(bits);
  assert.match(text, /^[\w-]{131}$/);
  assert.deepEqual(unpackPin(text, 784), bits);
  for (const wrong of [undefined, null, "", 7, text + "A", text.slice(1), `+${text.slice(1)}`, text.slice(0, 130) + "B"]) {
    assert.equal(unpackPin(wrong, 784), null, String(wrong));
  }
});

test("a pinned x has as many pixels as its model, multiples of eight or not", () => {
  for (const pixels of [1, 30, 64, 240, 784]) {
    const bits = Uint8Array.from({ length: pixels }, () => (random() < 0.5 ? 1 : 0));
    assert.deepEqual(unpackPin(packPin(bits), pixels), bits, `${pixels}`);
    assert.equal(unpackPin(packPin(bits), pixels + 8), null);
  }
  assert.equal(unpackPin(packPin(new Uint8Array(32).fill(1)), 30), null, "bits past the last pixel");
});

test("classes that are no digits are called by their number, and none where there are none", () => {
  const around = { loc: [0.01, 0, 0.02, 0], label: Uint8Array.from([12, 12]) };
  assert.equal(looksLike(around, [0, 0], "classes"), "looks like class 12");
  assert.equal(looksLike(around, [0, 0], "none"), "");
  assert.equal(saidOfCode(12, "classes"), "code of one of class 12");
  assert.equal(saidOfCode(0, "none"), "code of a test image");
  assert.equal(saidOfCode(3), "code of a test 3");
  assert.equal(classesOf(around).length, 13);
});

test("log p(x,z) has both terms, with their constants and without bounds", () => {
  const bits = Uint8Array.from({ length: 784 }, (_, i) => i % 2);
  const { logPz, logPxGivenZ } = jointTerms(bits, [0.4, -0.7], new Float64Array(784).fill(-40));
  near([logPz, logPxGivenZ], [-Math.log(2 * Math.PI) - 0.325, -40 * 392], 1e-9);
});
