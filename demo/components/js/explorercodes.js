// The codes of the test digits: which lie nearest to z, what they say it looks like, and their picture as a layer.
// `codes` is { loc, label }: [z1, z2, z1, z2, …] and a class each; `kinds` says what a class is: one of "digits", "classes"
// and "none". Knows nothing of pages, pointers or models.
import { placeOf } from "./explorercamera.js";

export const VOTERS = 15;
export const NEAR = 0.3; // beyond it no code speaks for z

const COLOURS_OF_CLASSES = ["#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#777777"];

// The codes of a file of tables: `loc` [n, 2], class after class, and how many each class has; null where it has none.
export function codesOf({ loc, count }) {
  if (!loc) return null;
  const label = new Uint8Array(loc.shape[0]);
  let end = 0;
  count.values.forEach((many, digit) => label.fill(digit, end, (end += many)));
  return { loc: loc.values, label };
}

// The `count` codes nearest to z as [{ index, distance }], the nearest first.
export function nearestCodes({ loc }, z, count) {
  const found = [];
  let limit = Infinity;
  for (let index = 0; index < loc.length / 2; index++) {
    const across = loc[2 * index] - z[0];
    const up = loc[2 * index + 1] - z[1];
    const square = across * across + up * up;
    if (square >= limit) continue;
    let at = found.length < count ? found.length : count - 1;
    for (; at > 0 && found[at - 1].square > square; at--) found[at] = found[at - 1];
    found[at] = { index, square };
    if (found.length === count) limit = found[count - 1].square;
  }
  return found.map(({ index, square }) => ({ index, distance: Math.sqrt(square) }));
}

const article = (digit) => (digit === 8 ? "an 8" : `a ${digit}`);

// [a] where most labels are a, [a, b] where none has more than half: the two most frequent; of equals the earlier one.
export function vote(labels) {
  const votes = new Map();
  for (const label of labels) votes.set(label, (votes.get(label) ?? 0) + 1);
  const ranked = [...votes].sort((a, b) => b[1] - a[1]);
  return ranked[0][1] > labels.length / 2 ? [ranked[0][0]] : [ranked[0][0], ranked[1][0]];
}

// What z looks like by the codes around it, "" where none is near.
export function looksLike(codes, z, kinds = "digits") {
  if (kinds === "none") return "";
  const found = nearestCodes(codes, z, VOTERS);
  if (!found.length || found[0].distance > NEAR) return "";
  const names = vote(found.map(({ index }) => codes.label[index])).map(kinds === "digits" ? article : (name) => `class ${name}`);
  return names.length === 1 ? `looks like ${names[0]}` : `between ${names.join(" and ")}`;
}

export function saidOfCode(label, kinds = "digits") {
  return { digits: `code of a test ${label}`, classes: `code of one of class ${label}`, none: "code of a test image" }[kinds];
}

// For each class its codes' indices and the medians of z1 and z2, once for a set of codes.
export function classesOf({ loc, label }) {
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  return Array.from({ length: label.reduce((most, one) => Math.max(most, one), -1) + 1 }, (_, digit) => {
    const own = [...label.keys()].filter((i) => label[i] === digit);
    return { digit, own, middle: own.length ? [0, 1].map((k) => median(own.map((i) => loc[2 * i + k]))) : null };
  });
}

// Draws the codes in view onto a canvas of any size; dots grow with the zoom, up to twice.
export function drawCodes(canvas, { loc }, classes, view, { dark, ink, paper, ratio, named = true }) {
  const side = canvas.width;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, side, side);
  const radius = 1.1 * ratio * Math.min(2.4, (3 / view.half) ** 0.4);
  const seen = (x, y) => x > -radius && y > -radius && x < side + radius && y < side + radius;
  const at = (z) => placeOf(view, z).map((share) => share * side);
  for (const { digit, own } of classes) {
    const colour = COLOURS_OF_CLASSES[digit % COLOURS_OF_CLASSES.length];
    context.fillStyle = dark ? `color-mix(in srgb, ${colour} 60%, white)` : colour;
    context.beginPath();
    for (const i of own) {
      const [x, y] = at([loc[2 * i], loc[2 * i + 1]]);
      if (!seen(x, y)) continue;
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 7);
    }
    context.fill();
  }
  const look = { font: `600 ${17 * ratio}px sans-serif`, textAlign: "center", textBaseline: "middle", lineJoin: "round" };
  Object.assign(context, look, { strokeStyle: paper, fillStyle: ink, lineWidth: 4 * ratio });
  for (const { digit, middle } of classes) {
    if (!middle || !named) continue;
    const [x, y] = at(middle);
    context.strokeText(digit, x, y);
    context.fillText(digit, x, y);
  }
}
