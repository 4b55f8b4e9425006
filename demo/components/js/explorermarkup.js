// The explorer's elements and the circles of its prior, as text. Knows nothing of what fills them.
import { BOX } from "./latent.js";

const [X, Z] = ['<i class="x">x</i>', '<i class="z">z</i>'];
const term = (name, symbol, word, own = "") =>
  `<div class="term ${own}"><span class="symbol math">${symbol}</span><output class="${name}-value"></output><span class="word">${word}</span></div>`;
const op = (sign) => `<div class="op math"><span>${sign}</span><span>${sign}</span></div>`;

export const MARKUP = `
<div class="plane-box">
  <div class="plane" tabindex="0" role="slider" aria-roledescription="two-dimensional slider" aria-valuemin="-${BOX}" aria-valuemax="${BOX}"
    aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown Home Enter + - 0 p"
    aria-label="Latent plane, z1 across and z2 up. Arrow keys move z by 0.05, with Shift by 0.5, Home to the origin. Plus and minus zoom, 0 shows the whole plane, Enter goes to the nearest test code where they are shown, p pins the digit.">
    <canvas class="mosaic"></canvas>
    <canvas class="codes" hidden></canvas>
    <svg class="sigmas" aria-hidden="true"></svg>
    <div class="at"><i></i></div>
    <div class="hint" aria-hidden="true"></div>
  </div>
  <button type="button" class="whole small" hidden>Whole plane</button>
  <div class="beneath small faint"><span class="how"></span><span class="layers" role="group" aria-label="Layers of the plane"><button
    type="button" class="layer digits" aria-pressed="true">Digits</button><button type="button" class="layer dots" aria-pressed="false" hidden>Test codes</button></span></div>
</div>
<figure class="digit"><canvas></canvas>
  <figcaption class="small faint">Decoded at ${Z}: grey is the chance of ink</figcaption></figure>
<figure class="example"><canvas></canvas>
  <figcaption class="small faint">${X}<span class="shown">: ink where its chance is over ½</span><span class="kept">, pinned: it stays while ${Z} moves</span></figcaption>
  <button type="button" class="pin small" aria-pressed="false">Pin this ${X}</button></figure>
<p class="where numbers"><span><span class="math">${Z} = </span><output class="z-value"></output></span>
  <span><span class="math">log <i class="prior">p</i>(${Z}) = </span><output class="log-p-z"></output> <small class="faint">nats</small></span>
  <output class="looks small faint"></output></p>
<div class="line">
  <div class="equation identity numbers">
    ${term("evidence", `log <i class="evidence">p</i>(${X})`, "evidence")}${op("=")}
    ${term("elbo", "ELBO", "lower bound")}${op("+")}
    ${term("gap", `<span class="upright">KL</span>(<i class="q">q</i><span class="bars">‖</span><i class="posterior">p</i>(${Z}|${X}))`, "gap, in nats", "gap-term")}
  </div>
  <div class="equation joint numbers">
    ${term("joint", `log <i>p</i>(${X},${Z})`, "joint")}${op("=")}
    ${term("prior", `log <i class="prior">p</i>(${Z})`, "prior", "prior-term")}${op("+")}
    ${term("likelihood", `log <i>p</i>(${X}|${Z})`, "likelihood, in nats")}
  </div>
  <div class="ruler numbers" aria-hidden="true">
    <div class="ticks small faint"></div>
    <div class="strip"><b></b><s></s><u></u></div>
    <div class="beam"></div>
    <div class="strip lens"><b></b><s></s><u></u></div>
    <div class="reading small faint"></div>
  </div>
  <p class="note small faint"></p>
</div>
<div class="spoken" aria-live="polite"></div>`;

// Where on a circle its letter may stand: first at the lower left, then ever further round, a degree at a time.
const BEARINGS = Array.from({ length: 360 }, (_, i) => {
  const angle = ((225 + (i % 2 ? 1 : -1) * Math.ceil(i / 2)) * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)];
});

// The inside of the SVG that lies over the plane: axes and circles of 1σ, 2σ, 3σ, their letters equally large in every view.
export function sigmas({ z1, z2, half }) {
  const em = (0.16 * half) / BOX;
  const [left, right, top, bottom] = [z1 - half, z1 + half, z2 + half, z2 - half];
  const margin = half - 1.5 * em;
  const inView = ([x, y]) => Math.abs(x - z1) < margin && Math.abs(y - z2) < margin;
  const circle = (sigma) => {
    const label = BEARINGS.map(([x, y]) => [sigma * x, sigma * y]).find(inView);
    return `<circle r="${sigma}"/>${label ? `<text x="${label[0]}" y="${-label[1]}">${sigma}σ</text>` : ""}`;
  };
  const across = bottom < 0 && top > 0 ? `<text class="axis end" x="${right - 0.45 * em}" y="${-0.8 * em}"><tspan>z</tspan>₁</text>` : "";
  const up = left < 0 && right > 0 ? `<text class="axis" x="${0.55 * em}" y="${-top + 1.25 * em}"><tspan>z</tspan>₂</text>` : "";
  return {
    viewBox: `${left} ${-top} ${2 * half} ${2 * half}`,
    em,
    inside: `<path d="M${-BOX} 0H${BOX}M0 ${-BOX}V${BOX}"/>${[1, 2, 3].map(circle).join("")}${across}${up}`,
  };
}
