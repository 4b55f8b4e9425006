// Arithmetic of the explorer: the plane, its lattice and ruler, keys, the tour, numbers in words. Draws nothing.

export const BOX = 3; // the plane is [-3, 3]²

const toDecimals = (value) => Math.round(value * 10000) / 10000 || 0;

// z clipped to the box and rounded to the four decimals of a link, so that the link restores the very same pixels: a third
// of a dot of the screen where the plane is enlarged twenty times.
export function inBox([z1, z2]) {
  return [z1, z2].map((value) => toDecimals(Math.min(BOX, Math.max(-BOX, value))));
}

// Index of the node of an even, rising axis that lies nearest to a value.
export function nearestNode(axis, value) {
  const step = (axis[axis.length - 1] - axis[0]) / (axis.length - 1);
  return Math.min(axis.length - 1, Math.max(0, Math.round((value - axis[0]) / step)));
}

// log N(z; 0, I) in nats.
export function logPrior(z) {
  return z.reduce((sum, value) => sum - 0.5 * (value * value + Math.log(2 * Math.PI)), 0);
}

// [row, column] of each of n×n tiles, nearest to the centre first.
export function fromCentre(n) {
  const centre = (n - 1) / 2;
  const distance = ([row, column]) => (row - centre) ** 2 + (column - centre) ** 2;
  return Array.from({ length: n * n }, (_, i) => [Math.floor(i / n), i % n]).sort((a, b) => distance(a) - distance(b));
}

// Where a key leads from z, or null for a key that is not ours.
export function afterKey(z, key, shift) {
  const step = shift ? 0.5 : 0.05;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (key === "Home") return [0, 0];
  return Object.hasOwn(moves, key) ? inBox(z.map((value, i) => value + moves[key][i])) : null;
}

// The idle tour: it rests a second, then drifts from z into a slow Lissajous figure well inside two sigmas.
export function tourPoint(seconds, from = [0, 0]) {
  const t = Math.max(0, seconds - 1);
  const share = Math.min(1, t / 4) ** 2 * (3 - 2 * Math.min(1, t / 4));
  const figure = [1.75 * Math.sin(0.23 * t), 1.55 * Math.sin(0.31 * t)];
  return inBox(figure.map((value, i) => share * value + (1 - share) * from[i]));
}

export function written(value, decimals = 2) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// The state in words: `looks` such as "looks like a 3", and one log of { name, value }; either may be missing.
export function sentence(z, looks, log) {
  const parts = [`z = (${written(z[0])}, ${written(z[1])})`, looks, `log p(z) = ${written(logPrior(z))} nats`];
  if (log) parts.push(`log p(${log.name}) = ${written(log.value)} nats`);
  return parts.filter(Boolean).join(", ");
}

// The nats that the lens shows: the least of a few round widths that leaves the gap some room, and the one in use as
// long as it is at most one size too wide, so that a gap near the edge does not make it flicker.
export function lensWidth(gap, inUse = 0) {
  const widths = [10, 20, 50, 100, 200, 500, 1000];
  const fits = widths.findIndex((width) => gap <= 0.9 * width);
  const least = fits < 0 ? widths.length - 1 : fits;
  return widths.indexOf(inUse) === least + 1 && gap > 0.6 * widths[least] ? inUse : widths[least];
}

// Ends of a ruler in multiples of 50 nats that holds all values.
export function rulerEnds(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [Math.floor(least / 50) * 50 || 0, Math.ceil(most / 50) * 50 || 0];
}
