// Places of a walk without a plane: what a slider makes of them, how they travel, what is said. Run: node --test tests/js
import assert from "node:assert/strict";
import { test } from "node:test";

import { movesOf } from "../../demo/components/js/codewalkmarkup.js";
import { levelsOf, pathsOf } from "../../demo/components/js/codewalkprofile.js";
import * as place from "../../demo/components/js/codewalkplace.js";

const near = (found, wanted, far = 1e-12) => found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= far, `${found} is not ${wanted}`));
const HERE = place.placeOf([0.25, [[1, 2]], [[3, -1.5]]]);
const WALK = { mode: "directions", route: "straight", names: ["a test digit 3", "a test digit 8"], a: [1, 2, 2], b: [3, 0, 2],
  values: [5, 2], vectors: [[0, 1, 0], [1, 0, 0]], kl: [0.5, 0, 2], inactive: [false, true, false] };

test("a place goes to Python and back, its numbers in order", () => {
  const sent = [0.5, [[2, 1], [6, -0.25]], [[7, 4]]];
  assert.deepEqual(place.messageOf(place.placeOf(sent)), sent);
  const shuffled = place.placeOf([0.5, [[6, -0.25], [2, 1]], [[7, 4]]]);
  assert.ok(place.samePlace(shuffled, place.placeOf(sent)));
  assert.ok(!place.samePlace(place.placeOf([0.5, [[2, 1]], []]), place.placeOf([0.5, [], [[2, 1]]])), "a direction is no coordinate");
});

test("a slider sets its amount with the decimals of a link and within its ends, and leaves the place before as it was", () => {
  const along = { kind: "along", number: 2 };
  assert.deepEqual(place.messageOf(place.placeAt(HERE, along, 1.23456))[1], [[1, 2], [2, 1.23]]);
  assert.deepEqual(place.messageOf(place.placeAt(HERE, along, 99))[1], [[1, 2], [2, place.ALONG]]);
  assert.deepEqual(place.messageOf(place.placeAt(HERE, { kind: "moved", number: 1 }, -99))[2], [[1, -place.FARTHEST], [3, -1.5]]);
  assert.deepEqual(place.messageOf(place.placeAt(HERE, { kind: "along", number: 1 }, 0.001))[1], [], "at zero it is at the code");
  assert.deepEqual(place.messageOf(place.placeAt(HERE, { kind: "moved", number: 3 }, 0))[2], [[3, 0]], "zero is a value like any");
  assert.equal(place.placeAt(HERE, { kind: "t", number: 0 }, 0.98765).t, 0.988);
  assert.equal(place.placeAt(HERE, { kind: "t", number: 0 }, 2).t, 1);
  assert.ok(Object.is(place.placeAt(HERE, { kind: "t", number: 0 }, -0.0001).t, 0));
  assert.deepEqual(place.messageOf(HERE), [0.25, [[1, 2]], [[3, -1.5]]]);
});

test("one slider goes back to the code, or all of its kind", () => {
  const two = place.placeAt(HERE, { kind: "along", number: 2 }, 1);
  assert.deepEqual(place.messageOf(place.placeBack(two, { kind: "along", number: 1 }))[1], [[2, 1]]);
  assert.deepEqual(place.messageOf(place.placeBack(two, { kind: "along" })), [0.25, [], [[3, -1.5]]]);
  assert.equal(place.placeBack(two, { kind: "t" }).t, 0);
});

test("z of each mode, and none of the others shows", () => {
  near(place.latentAt(WALK, HERE), [1, 4, 2]);
  near(place.latentAt({ ...WALK, mode: "coordinates" }, HERE), [1, 2, -1.5]);
  near(place.latentAt({ ...WALK, mode: "between" }, HERE), [1.5, 1.5, 2]);
  near(place.latentAt({ ...WALK, mode: "between", route: "great circle" }, { ...HERE, t: 1 }), WALK.b);
  near([place.lengthOf([1, 2, 2])], [3]);
});

test("coordinates stand by their KL, of equals the lower number first", () => {
  assert.deepEqual(place.byKl([0.5, 0, 2, 0]), [3, 1, 2, 4]);
});

test("one sentence says where the walk stands and what is known there", () => {
  const log = { logPz: -3.5, logPxGivenZ: -96.5 };
  const said = (mode, where) => place.walkInWords({ ...WALK, mode }, where, [1, 2, 2], log);
  assert.equal(said("directions", HERE), "direction 1 2.00, length of z 3.00, log p(z) = −3.50, log p(x|z) = −96.50, log p(x,z) = −100.00 nats");
  assert.match(said("coordinates", HERE), /^coordinate 3 −1\.50, length/);
  assert.match(said("between", HERE), /^a test digit 3 to a test digit 8, t = 0\.25, /);
  assert.match(said("directions", place.placeOf([0, [], []])), /^at the code of a test digit 3, /);
  assert.equal(place.walkInWords(WALK, HERE, [0, 0], null), "direction 1 2.00, length of z 0.00", "before the decoder is there");
});

test("every slider has a name and its ends, every picture a button; idle coordinates are marked", () => {
  const count = (text, pattern) => (text.match(pattern) ?? []).length;
  const between = movesOf({ ...WALK, mode: "between" }, [3, 1, 2]);
  assert.deepEqual([count(between, /<input/g), count(between, /class="thumb"/g)], [1, 9]);
  const directions = movesOf(WALK, [3, 1, 2]);
  assert.deepEqual([count(directions, /<input/g), count(directions, /class="thumb"/g)], [2, 4]);
  const coordinates = movesOf({ ...WALK, mode: "coordinates" }, [3, 1, 2]);
  assert.deepEqual([...coordinates.matchAll(/data-number="(\d)">/g)].map(([, j]) => j), ["3", "1", "2"]);
  assert.deepEqual([count(coordinates, /row moved idle/g), count(coordinates, /unused<\/span>/g)], [1, 1]);
  for (const text of [between, directions, coordinates]) {
    assert.equal(count(text, /<input/g), count(text, /aria-label="[^"]+"><\/span>/g));
  }
});

test("the levels of a profile are few and round and hold every value", () => {
  for (const least of [-0.5, -7, -41, -98.5, -342, -951, -3000]) {
    const { low, levels } = levelsOf([-1e-3, least]);
    assert.ok(low <= least && levels.length >= 2 && levels.length <= 5, `${least}: ${levels}`);
    assert.deepEqual([levels[0], levels.at(-1)], [0, low]);
  }
});

test("line and band of a profile stand at their nats", () => {
  const terms = [{ logPz: -10, logPxGivenZ: -40 }, { logPz: -20, logPxGivenZ: -80 }];
  const { line, band, area } = pathsOf(terms, -100);
  assert.equal(line, "M0.00 40.00L100.00 80.00");
  assert.equal(band, "M0.00 40.00L100.00 80.00L100.00 100.00L0.00 50.00Z");
  assert.equal(area, "M0 100L0.00 50.00L100.00 100.00L100 100Z");
});
