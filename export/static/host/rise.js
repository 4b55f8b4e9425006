// The chart of the bound against the number of draws in it. Knows nothing of models.
import { axis, drawing, fixed, svg } from "../js/rail.js";
import { make } from "./controls.js";

const HEIGHT = 210;
const LEFT = 56;
const RIGHT = 12;
const TOP = 14;
const FOOT = 28;

function draw(box, points, elbo, width) {
  const ends = points.flatMap(({ value, standardError }) => [value - (standardError || 0), value + (standardError || 0)]);
  const { low, high, ticks, decimals } = axis(Math.min(elbo, ...ends), Math.max(elbo, ...ends));
  const most = Math.log(Math.max(2, points[points.length - 1].k));
  const x = (k) => LEFT + (Math.log(k) / most) * (width - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - FOOT);
  const grid = ticks.flatMap((tick) => [
    svg("path", { class: "grid-line", d: `M${LEFT} ${y(tick)}H${width - RIGHT}` }),
    svg("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, fixed(tick, decimals)),
  ]);
  const feet = points.filter(({ k }) => /^10*$/.test(String(k))).map(({ k }) =>
    svg("text", { x: x(k), y: HEIGHT - 8, "text-anchor": "middle" }, k === 1 ? "k = 1" : k.toLocaleString("en")));
  const level = svg("path", { class: "level", d: `M${LEFT} ${y(elbo)}H${width - RIGHT}` });
  const name = svg("text", { class: "level-name", x: width - RIGHT, y: y(elbo) + 15, "text-anchor": "end" }, "ELBO");
  const bars = points.filter(({ standardError }) => Number.isFinite(standardError)).map(({ k, value, standardError }) =>
    svg("path", { class: "error", d: `M${x(k)} ${y(value - standardError)}V${y(value + standardError)}` }));
  const curve = svg("path", { class: "curve", d: drawing(points.map(({ k, value }) => [x(k), y(value)])) });
  const dots = points.map(({ k, value }) => svg("circle", { class: "dot", cx: x(k), cy: y(value), r: 4 }));
  const last = points[points.length - 1];
  const title = svg("title", {}, `the bound of k draws rises from ${fixed(points[0].value)} nats at k = 1 to ${fixed(last.value)} at k = ${last.k}; the ELBO is ${fixed(elbo)}`);
  box.querySelector("svg")?.remove();
  box.prepend(svg("svg", { width, height: HEIGHT, role: "img" }, title, ...grid, level, name, ...bars, curve, ...dots, ...feet));
}

// Draws into a figure, anew when its width changes.
export function rise(figure, points, elbo) {
  if (!figure.querySelector("figcaption")) {
    figure.append(make("figcaption", { class: "caption" }, "The bound in nats as the number k of draws in it grows: each point is the mean over as many groups of k as there are draws, with its standard error. In expectation it never falls and never passes log p(x)."));
  }
  figure.watch?.disconnect();
  figure.watch = new ResizeObserver(() => draw(figure, points, elbo, figure.clientWidth));
  figure.watch.observe(figure);
  draw(figure, points, elbo, figure.clientWidth);
}
