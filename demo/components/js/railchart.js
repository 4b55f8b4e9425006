// log p(z) along the way as a curve under the hand. Knows nothing of models or of what is played.
import { axis, drawing, fixed, svg } from "./rail.js";

const TOP = 16; // margins
const FOOT = 20;
const CLEAR = 12; // of the ticks' names from the ends, where the hand stands first and last

// Draws values at even steps of t from 0 to 1 into a figure. → { inset, mark(t, value) }.
export function drawChart(figure, values, { width, height, inset }) {
  const last = values.length - 1;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const { low, high, ticks, decimals } = axis(least, most);
  const x = (t) => inset + t * (width - 2 * inset);
  const y = (value) => TOP + ((high - value) / (high - low)) * (height - TOP - FOOT);
  const lines = ticks.map((tick) => svg("path", { class: "grid-line", d: `M${x(0)} ${y(tick)}H${x(1)}` }));
  const clear = (end) => Math.min(...ticks.map((tick) => Math.abs(values[end] - tick)));
  const right = clear(last) > clear(0); // the ticks' names stand where the curve keeps clear of them
  const [side, anchor] = right ? [x(1) - CLEAR, "end"] : [x(0) + CLEAR, "start"];
  const names = ticks.map((tick) =>
    svg("text", { class: "halo numbers", x: side, y: y(tick) - 4, "text-anchor": anchor }, fixed(tick, decimals)));
  if (names.length) names[names.length - 1].textContent += " nats";
  const feet = [[0, "t = 0", "start"], [0.5, "0.5", "middle"], [1, "1", "end"]].map(([t, text, anchor]) =>
    svg("text", { x: x(t), y: height - 4, "text-anchor": anchor }, text));
  const curve = svg("path", { class: "curve", d: drawing(values.map((value, i) => [x(i / last), y(value)])) });
  const hair = svg("path", { class: "hair", d: `M0 0V${height - FOOT}` });
  const dot = svg("circle", { class: "dot", r: 5.5 });
  const title = svg("title", {}, `log p(z) along the path, from ${fixed(least)} to ${fixed(most)} nats`);
  const caption = document.createElement("figcaption");
  caption.className = "small faint";
  caption.innerHTML = '<span class="math">log <i>p</i>(<i>z</i>)</span> along the path';
  caption.style.paddingLeft = `${inset}px`;
  figure.replaceChildren(caption,
    svg("svg", { width, height, role: "img" }, title, ...lines, curve, ...names, ...feet, hair, dot));
  return {
    inset,
    mark(t, value) {
      hair.setAttribute("transform", `translate(${x(t)} 0)`);
      dot.setAttribute("transform", `translate(${x(t)} ${y(value)})`);
    },
  };
}
