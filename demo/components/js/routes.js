// Routes between two latents: the browser's demo/paths.py. Knows nothing of models or of what lies along the way.

// (1 − t)·a + t·b.
export function straight(a, b, t) {
  return Array.from(a, (from, j) => (1 - t) * from + t * b[j]);
}

// The direction along the great circle from a to b, the length interpolated linearly (slerp, Shoemake 1985). Where the
// directions agree, oppose each other or do not exist, no single great circle is shortest: the straight line is taken.
export function greatCircle(a, b, t) {
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)];
  if (lengthA === 0 || lengthB === 0) return straight(a, b, t);
  let cosine = 0;
  for (let j = 0; j < a.length; j++) cosine += (a[j] / lengthA) * (b[j] / lengthB);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (Math.sin(angle) < 1e-6) return straight(a, b, t);
  const length = (1 - t) * lengthA + t * lengthB;
  const [u, v] = [Math.sin((1 - t) * angle) / (lengthA * Math.sin(angle)), Math.sin(t * angle) / (lengthB * Math.sin(angle))];
  return Array.from(a, (from, j) => length * (u * from + v * b[j]));
}

// A share t of the way past the stops: as much of t for each leg, whatever its length.
export function along(stops, t, route) {
  const legs = stops.length - 1;
  const leg = Math.min(legs - 1, Math.floor(t * legs));
  return route(stops[leg], stops[leg + 1], t * legs - leg);
}

export const ROUTES = { straight, "great circle": greatCircle };
