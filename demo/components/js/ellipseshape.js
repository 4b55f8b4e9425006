// The geometry of q = N(mean, diag σ²) on a square map of the plane: one scale for both axes, where the handles stand,
// which of them a hand has taken, what a drag or a key makes of q. Knows nothing of densities, of drawing or of the page.
//
// q is [m1, m2, s1, s2] in the plane's units; points on the map are [x, y] in CSS pixels from its upper left corner.

export const HANDLES = ["mean", "axis1", "axis2"];
const REACH_LIMIT = 12; // as the numbers of a link
const SCALE_LIMITS = [1e-4, 8];
const GRAB = 22; // a handle's hit area is 44 px wide
const KNOB = 34; // the handle of a narrow axis stands this far off, so that each of the three can be hit
const RIM = 12; // handles of a wide axis stay this far inside the map
const NEAREST = 2; // px from the mean, to which an axis can be pushed in one go
const MEAN_STEPS = [0.1, 0.5]; // in σ, without and with Shift
const STRETCHES = [1.02, 1.1];
const DIRECTIONS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 1], ArrowDown: [1, -1] }; // axis, way

const clamped = (low, value, high) => Math.min(high, Math.max(low, value));

// The map of [low, high] of both axes, equally long, on `side` pixels.
export function mapOf([low1, high1], [low2, high2], side) {
  const scale = side / (high1 - low1);
  return {
    side,
    scale,
    ends: [[low1, high1], [low2, high2]],
    toMap: ([z1, z2]) => [(z1 - low1) * scale, (high2 - z2) * scale],
    toPlane: ([x, y]) => [low1 + x / scale, high2 - y / scale],
  };
}

// q within its limits and rounded as a link writes it, so that the link restores the very same q.
export function inLimits([m1, m2, s1, s2]) {
  const mean = [m1, m2].map((m) => Math.round(clamped(-REACH_LIMIT, m, REACH_LIMIT) * 1e5) / 1e5 || 0);
  return [...mean, ...[s1, s2].map((s) => Math.round(clamped(SCALE_LIMITS[0], s, SCALE_LIMITS[1]) * 1e6) / 1e6)];
}

export function sameQ(a, b) {
  return a.every((value, i) => Math.abs(value - b[i]) < 1e-9);
}

// Where the handles stand: { mean: { at }, axis1: { at, away, sign }, axis2: … }. An axis's handle is on the 1σ ellipse
// at `away` pixels from the mean, on the right and above (sign 1) or, where the map ends, on the other side. `signs` holds them on
// their sides while a hand is on one of them.
export function handlesOf(q, map, signs = {}) {
  const at = map.toMap(q).map((value) => clamped(0, value, map.side));
  const knob = (ahead, behind, sigma, held) => {
    const wanted = Math.max(KNOB, sigma * map.scale);
    const sign = held ?? (wanted <= ahead || ahead >= behind ? 1 : -1);
    return { sign, away: Math.max(NEAREST, Math.min(wanted, sign > 0 ? ahead : behind)) };
  };
  const far = map.side - RIM;
  const axis1 = knob(far - at[0], at[0] - RIM, q[2], signs.axis1);
  const axis2 = knob(at[1] - RIM, far - at[1], q[3], signs.axis2); // up on the screen is a smaller y
  return {
    mean: { at },
    axis1: { ...axis1, at: [at[0] + axis1.sign * axis1.away, at[1]] },
    axis2: { ...axis2, at: [at[0], at[1] - axis2.sign * axis2.away] },
  };
}

// The handle nearest to a point, of those whose hit area holds it; inside the 1σ ellipse the mean; else null.
export function grabbed(q, map, [x, y]) {
  const handles = handlesOf(q, map);
  let [found, least] = [null, GRAB];
  for (const name of HANDLES) {
    const distance = Math.hypot(x - handles[name].at[0], y - handles[name].at[1]);
    if (distance <= least) [found, least] = [name, distance];
  }
  if (found !== null) return found;
  const [cx, cy] = map.toMap(q);
  return Math.hypot((x - cx) / (q[2] * map.scale), (y - cy) / (q[3] * map.scale)) <= 1 ? "mean" : null;
}

// q after the hand that took `handle` of q at `start` has moved by [dx, dy] pixels. The mean follows the hand within the
// map; an axis grows in the ratio of the distances from the mean, so that its handle follows the hand.
export function draggedTo(q, handle, map, [dx, dy]) {
  const handles = handlesOf(q, map);
  const next = [...q];
  if (handle === "mean") {
    const [x, y] = handles.mean.at;
    const z = map.toPlane([clamped(0, x + dx, map.side), clamped(0, y + dy, map.side)]);
    if (dx !== 0) next[0] = z[0];
    if (dy !== 0) next[1] = z[1];
  } else {
    const { away, sign } = handles[handle];
    const moved = handle === "axis1" ? dx : -dy;
    next[handle === "axis1" ? 2 : 3] *= Math.max(NEAREST, away + sign * moved) / away;
  }
  return inLimits(next);
}

// q after a key on a handle, or null for a key that is not ours. Arrows move the mean by a tenth of σ, with Shift by
// half of it; they stretch an axis by 2 %, with Shift by 10 %.
export function keyedTo(q, handle, key, shift) {
  if (!Object.hasOwn(DIRECTIONS, key)) return null;
  const next = [...q];
  const [axis, sign] = DIRECTIONS[key];
  if (handle === "mean") next[axis] += sign * MEAN_STEPS[Number(shift)] * q[2 + axis];
  else next[handle === "axis1" ? 2 : 3] *= STRETCHES[Number(shift)] ** sign;
  return inLimits(next);
}

// Round numbers on [low, high], at most `most`: [{ value, text }].
export function roundTicks(low, high, most = 5) {
  const power = Math.floor(Math.log10((high - low) / most));
  for (const exponent of [power, power + 1]) {
    for (const digit of [1, 2, 5]) {
      const step = digit * 10 ** exponent;
      const [first, last] = [Math.ceil(low / step), Math.floor(high / step)];
      if (last - first >= most) continue;
      const decimals = Math.max(0, -exponent);
      return Array.from({ length: last - first + 1 }, (_, i) => {
        const text = ((first + i) * step).toFixed(decimals);
        return { value: (first + i) * step, text: (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−") };
      });
    }
  }
  return [];
}
