// What the interpolation rail computes and draws: axes, stops, play, the map of the route. Knows nothing of pictures.

const SVG = "http://www.w3.org/2000/svg";
const STEPS = [1, 2, 2.5, 5, 10];
const SPAN = 2;
const SIGMAS = [1, 2, 3];

// A number with a true minus sign and never −0.00.
export function fixed(value, decimals = 2) {
  const text = value.toFixed(decimals);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

// t as links carry it: in thousandths, so that a link shows the very same picture.
export function inThousandths(t) {
  return Math.round(Math.min(1, Math.max(0, t)) * 1000) / 1000;
}

// Where play stands after `phase` legs of `legs`: slow out of each stop and slow into the next. phaseAt is its inverse.
export function eased(phase, legs) {
  const leg = Math.min(legs - 1, Math.floor(phase));
  return (leg + (1 - Math.cos(Math.PI * (phase - leg))) / 2) / legs;
}

export function phaseAt(t, legs) {
  const leg = Math.min(legs - 1, Math.floor(t * legs));
  return leg + Math.acos(1 - 2 * Math.min(1, t * legs - leg)) / Math.PI;
}

// Where a key leads from t, or null for a key that is not ours.
export function scrubbedBy(key, t, shift) {
  const step = shift ? 0.1 : 0.01;
  const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageDown: -0.1, PageUp: 0.1 }[key];
  if (by !== undefined) return inThousandths(t + by);
  return { Home: 0, End: 1 }[key] ?? null;
}

// The t of each of `count` pictures in a strip: evenly spaced, both ends among them.
export function stripStops(count) {
  return Array.from({ length: count }, (_, k) => k / (count - 1));
}

// An axis for values from low to high: its own { low, high }, two to four round `ticks` inside it and how many decimals
// they need. At least SPAN nats tall, so that what hardly changes looks as if it hardly changed.
export function axis(low, high) {
  const slack = Math.max(0, SPAN - (high - low)) / 2;
  [low, high] = [low - slack, high + slack];
  const wanted = (high - low) / 3;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = STEPS.find((s) => s * power >= wanted * 0.999) * power;
  const from = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - from + 1;
  const decimals = [0, 1, 2].find((d) => Math.abs(step - Number(step.toFixed(d))) < 1e-9 * step) ?? 3;
  return { low, high, decimals, ticks: Array.from({ length: count }, (_, i) => (from + i) * step) };
}

// The index of the point nearest to z.
export function nearestPoint(points, z) {
  let [best, least] = [0, Infinity];
  points.forEach(([a, b], i) => {
    const distance = (a - z[0]) ** 2 + (b - z[1]) ** 2;
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

// For each class among rows of (z1, z2, class): the median point, as [[z1, z2, class], …] in order of class.
export function classCentres(rows) {
  const byClass = new Map();
  for (let i = 0; i < rows.length; i += 3) {
    if (!byClass.has(rows[i + 2])) byClass.set(rows[i + 2], [[], []]);
    const [a, b] = byClass.get(rows[i + 2]);
    a.push(rows[i]);
    b.push(rows[i + 1]);
  }
  const median = (values) => values.sort((p, q) => p - q)[values.length >> 1];
  return [...byClass].sort(([p], [q]) => p - q).map(([label, [a, b]]) => [median(a), median(b), label]);
}

export function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Points as the path of a polyline.
export function drawing(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

// The latent plane to one scale, `side` pixels wide: codes as faint dots with the class at its median, the prior's
// circles, the route and its stops; `named`: with the classes' names. Returns the picture, mark(z) and toPlane(x, y).
export function routeMap(route, codes, side, stops = [route[0], route[route.length - 1]], named = true) {
  const reach = Math.max(3.3, ...route.map(([a, b]) => Math.max(Math.abs(a), Math.abs(b)) + 0.3));
  const scale = side / (2 * reach);
  const put = ([a, b]) => [(a + reach) * scale, (reach - b) * scale];
  const inside = ([x, y]) => x >= 0 && y >= 0 && x <= side && y <= side;
  const middle = side / 2;
  const parts = [svg("path", { class: "axis", d: `M0 ${middle}H${side}M${middle} 0V${side}` })];
  if (codes) {
    const rows = Array.from({ length: codes.length / 3 }, (_, i) => put([codes[3 * i], codes[3 * i + 1]]));
    const dots = rows.filter(inside).map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`);
    parts.push(svg("path", { class: "codes", d: dots.join("") }));
  }
  for (const sigma of SIGMAS) {
    parts.push(svg("circle", { class: "sigma", cx: middle, cy: middle, r: sigma * scale }));
    const at = sigma * scale * Math.SQRT1_2;
    parts.push(svg("text", { class: "sigma-name halo", x: middle - at, y: middle - at + 4, "text-anchor": "middle" }, `${sigma}σ`));
  }
  if (codes && named) {
    for (const [a, b, label] of classCentres(codes)) {
      const [x, y] = put([a, b]);
      parts.push(svg("text", { class: "class-name halo", x, y: y + 4.5 }, String(label)));
    }
  }
  const line = route.map(put);
  parts.push(svg("path", { class: "route", d: drawing(line) }));
  for (const [cx, cy] of stops.map(put)) parts.push(svg("circle", { class: "end", cx, cy, r: 4 }));
  const dot = svg("circle", { class: "dot", r: 6.5 });
  parts.push(svg("text", { class: "halo", x: side, y: middle - 5, "text-anchor": "end" }, "z₁"));
  parts.push(svg("text", { class: "halo", x: middle + 6, y: 10 }, "z₂"), dot);
  const title = svg("title", {}, "the path on the latent plane, with the prior’s circles at 1σ, 2σ and 3σ");
  return {
    picture: svg("svg", { width: side, height: side, role: "img" }, title, ...parts),
    mark: (z) => dot.setAttribute("transform", `translate(${put(z).join(" ")})`),
    toPlane: (x, y) => [x / scale - reach, reach - y / scale],
  };
}
