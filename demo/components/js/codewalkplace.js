// Where a walk through latents of any dimension stands: the browser's half of demo/walks.py, and the walk in words.
// A place is { t, along, moved }: t between two codes, and Maps from a number (of a direction, of a coordinate, counted
// from 1) to an amount. Draws nothing; knows nothing of decoders.
import { written } from "./latent.js";
import { ROUTES } from "./routes.js";

export const ALONG = 3; // standard deviations of the prior, either way
export const FARTHEST = 4;

// [t, [[k, amount], …], [[j, value], …]], as Python sends and hears it → a place.
export function placeOf([t, along, moved]) {
  return { t, along: new Map(along), moved: new Map(moved) };
}

const inOrder = (amounts) => [...amounts].sort(([a], [b]) => a - b);

export function messageOf({ t, along, moved }) {
  return [t, inOrder(along), inOrder(moved)];
}

export function samePlace(a, b) {
  return String(messageOf(a)) === String(messageOf(b));
}

const rounded = (value, decimals) => Math.round(value * 10 ** decimals) / 10 ** decimals || 0;
const within = (value, reach) => Math.min(reach, Math.max(-reach, value));

// The place with one slider at another value, with as many decimals as a link has.
export function placeAt(place, { kind, number }, value) {
  if (kind === "t") return { ...place, t: rounded(Math.min(1, Math.max(0, value)), 3) };
  const amounts = new Map(place[kind]);
  amounts.set(number, rounded(within(value, kind === "along" ? ALONG : FARTHEST), 2));
  if (kind === "along" && amounts.get(number) === 0) amounts.delete(number);
  return { ...place, [kind]: amounts };
}

// The place with one slider, or with all of a mode, back at the code.
export function placeBack(place, { kind, number }) {
  if (kind === "t") return { ...place, t: 0 };
  const amounts = new Map(place[kind]);
  if (number === undefined) amounts.clear();
  else amounts.delete(number);
  return { ...place, [kind]: amounts };
}

export const KINDS = { between: "t", directions: "along", coordinates: "moved" };

// z as a Float64Array. `walk` is { mode, route, a, b, vectors }.
export function latentAt({ mode, route, a, b, vectors }, place) {
  if (mode === "between") return Float64Array.from(ROUTES[route](a, b, place.t));
  const z = Float64Array.from(a);
  if (mode === "directions") {
    for (const [k, amount] of inOrder(place.along)) z.forEach((_, j) => (z[j] += amount * vectors[k - 1][j]));
  } else {
    for (const [j, value] of place.moved) z[j - 1] = value;
  }
  return z;
}

export function lengthOf(z) {
  return Math.hypot(...z);
}

// Numbers of the coordinates, counted from 1, the one with the largest KL first.
export function byKl(kl) {
  return kl.map((_, j) => j + 1).sort((i, j) => kl[j - 1] - kl[i - 1] || i - j);
}

const list = (amounts, name) => inOrder(amounts).map(([number, amount]) => `${name} ${number} ${written(amount)}`).join(", ");

// Where the walk stands and what is known there, for who does not see it. `log` is { logPz, logPxGivenZ } or null.
export function walkInWords({ mode, names }, place, z, log) {
  const where = {
    between: () => `${names[0]} to ${names[1]}, t = ${place.t.toFixed(2)}`,
    directions: () => list(place.along, "direction") || `at the code of ${names[0]}`,
    coordinates: () => list(place.moved, "coordinate") || `at the code of ${names[0]}`,
  }[mode]();
  const parts = [where, `length of z ${written(lengthOf(z))}`];
  if (log) {
    const { logPz, logPxGivenZ } = log;
    parts.push(`log p(z) = ${written(logPz)}`, `log p(x|z) = ${written(logPxGivenZ)}`, `log p(x,z) = ${written(logPz + logPxGivenZ)} nats`);
  }
  return parts.join(", ");
}
