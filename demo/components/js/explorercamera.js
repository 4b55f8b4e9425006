// The explorer's camera: which square of the plane is in view, and how wheel, pinch and keys move it. A view is
// { z1, z2, half }, centre and half a side; a place in it is [across, down], shares of its side from the top left.
// Knows nothing of pixels, pointers or models.
import { BOX } from "./latent.js";

export const CLOSEST = 20; // times
export const WHOLE = Object.freeze({ z1: 0, z2: 0, half: BOX });

const between = (least, value, most) => Math.min(most, Math.max(least, value));
const halfOf = (half) => between(BOX / CLOSEST, half, BOX);

// The view of this half side, within the plane.
function within(z1, z2, half) {
  const room = BOX - half;
  return { z1: between(-room, z1, room), z2: between(-room, z2, room), half };
}

export function isWhole({ half }) {
  return half > BOX * (1 - 1e-9);
}

export function placeOf({ z1, z2, half }, z) {
  return [(z[0] - z1) / (2 * half) + 0.5, 0.5 - (z[1] - z2) / (2 * half)];
}

export function pointAt({ z1, z2, half }, [across, down]) {
  return [z1 + (2 * across - 1) * half, z2 + (1 - 2 * down) * half];
}

// The view of this half side in which `z` lies at `place`, as far as the plane's edges allow.
function holding(z, [across, down], half) {
  return within(z[0] - (2 * across - 1) * half, z[1] - (1 - 2 * down) * half, half);
}

// `factor` times as close, about a place.
export function zoomed(view, factor, place) {
  return holding(pointAt(view, place), place, halfOf(view.half / factor));
}

// After two fingers went from two places to two others: what lay midway between them still does.
export function pinched(view, before, after) {
  const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const apart = ([a, b]) => Math.max(1e-3, Math.hypot(a[0] - b[0], a[1] - b[1]));
  return holding(pointAt(view, middle(before)), middle(after), halfOf((view.half * apart(before)) / apart(after)));
}

// The view moved as little as brings z into it, a twelfth of its side off the edges.
export function following({ z1, z2, half }, z) {
  const room = half * (1 - 1 / 6);
  return within(between(z[0] - room, z1, z[0] + room), between(z[1] - room, z2, z[1] + room), half);
}

// How a picture drawn for one view must be moved (in shares of its side) and enlarged to stand in another.
export function carried(from, to) {
  const [across, down] = placeOf(to, pointAt(from, [0, 0]));
  return { across, down, scale: from.half / to.half };
}

// By how much a turn of the wheel brings closer; a trackpad's pinch arrives as a wheel with Ctrl, in small steps.
export function wheelFactor({ deltaY, deltaMode, ctrlKey }) {
  const pixels = deltaY * [1, 16, 400][deltaMode];
  return Math.exp(-between(-300, pixels, 300) * (ctrlKey && Math.abs(pixels) < 40 ? 0.01 : 0.002));
}
