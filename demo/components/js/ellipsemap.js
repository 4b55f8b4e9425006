// Draws the map of the contest: the posterior as a stain, normal densities as ellipses, numbers on the axes. Knows
// nothing of hands, scores or the page.
import { roundTicks } from "./ellipseshape.js";
import { svg } from "./rail.js";

// A log-density on n × n even nodes (row = second axis, upwards; its rims are the outer nodes) as shares of its peak on
// size × size pixels, the first row uppermost. Between nodes a cubic (Catmull–Rom) through the logarithm, exact for a
// normal density.
export function stainOf(values, n, size) {
  const along = Array.from({ length: size }, (_, i) => {
    const at = ((i + 0.5) / size) * (n - 1);
    const node = Math.min(n - 2, Math.floor(at));
    const t = at - node;
    const weights = [-0.5 * t + t ** 2 - 0.5 * t ** 3, 1 - 2.5 * t ** 2 + 1.5 * t ** 3,
      0.5 * t + 2 * t ** 2 - 1.5 * t ** 3, -0.5 * t ** 2 + 0.5 * t ** 3];
    return { node, weights };
  });
  // One node beyond each rim, on the parabola through the last three.
  const beyond = (a, b, c) => 3 * a - 3 * b + c;
  const rows = Array.from({ length: n }, (_, r) => {
    const row = Float64Array.from(values.slice(r * n, (r + 1) * n));
    const wide = [beyond(row[0], row[1], row[2]), ...row, beyond(row[n - 1], row[n - 2], row[n - 3])];
    return Float64Array.from(along, ({ node, weights: [a, b, c, d] }) =>
      a * wide[node] + b * wide[node + 1] + c * wide[node + 2] + d * wide[node + 3]);
  });
  const first = rows[0].map((_, i) => beyond(rows[0][i], rows[1][i], rows[2][i]));
  const last = rows[0].map((_, i) => beyond(rows[n - 1][i], rows[n - 2][i], rows[n - 3][i]));
  const wide = [first, ...rows, last];
  const shares = new Float32Array(size * size);
  let top = -Infinity;
  for (let j = 0; j < size; j++) {
    const { node, weights: [a, b, c, d] } = along[size - 1 - j];
    for (let i = 0; i < size; i++) {
      const value = a * wide[node][i] + b * wide[node + 1][i] + c * wide[node + 2][i] + d * wide[node + 3][i];
      shares[j * size + i] = value;
      if (value > top) top = value;
    }
  }
  return shares.map((value) => Math.exp(value - top));
}

// Paints shares of ink in one colour, [r, g, b], on whatever lies under the canvas.
export function paintStain(canvas, shares, [r, g, b]) {
  const size = Math.sqrt(shares.length);
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  shares.forEach((share, i) => image.data.set([r, g, b, Math.round(255 * share)], 4 * i));
  context.putImageData(image, 0, 0);
}

// The numbers under and beside the map and the names of its axes, as nodes of an SVG that may overflow.
export function axisNumbers(map) {
  const [across, up] = map.ends.map(([low, high]) => roundTicks(low, high, 7));
  const word = (x, y, anchor, content) => svg("text", { x, y, "text-anchor": anchor }, content);
  const name = (x, y, anchor, index) =>
    svg("text", { x, y, "text-anchor": anchor, class: "axis-name" }, svg("tspan", {}, "z"), index);
  const clear = (x) => x < map.side - 22; // of the axis's name
  return [
    ...across.map(({ value, text }) => [map.toMap([value, 0])[0], text]).flatMap(([x, text]) => [
      svg("path", { class: "tick", d: `M${x} ${map.side}v5` }), ...(clear(x) ? [word(x, map.side + 18, "middle", text)] : [])]),
    ...up.map(({ value, text }) => [map.toMap([0, value])[1], text]).flatMap(([y, text]) => [
      svg("path", { class: "tick", d: `M0 ${y}h-5` }), ...(y > 22 ? [word(-8, y + 4, "end", text)] : [])]),
    name(map.side, map.side + 18, "end", "₁"),
    name(-8, 12, "end", "₂"),
  ];
}

// Sets an ellipse to `sigmas` σ of q.
export function putEllipse(ellipse, q, map, sigmas) {
  const [cx, cy] = map.toMap(q);
  const set = { cx, cy, rx: sigmas * q[2] * map.scale, ry: sigmas * q[3] * map.scale };
  for (const [name, value] of Object.entries(set)) ellipse.setAttribute(name, value.toFixed(2));
}
