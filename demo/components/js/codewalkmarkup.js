// The elements of the walk through a latent space without a plane, as text. Knows nothing of what fills them.
import { ALONG, FARTHEST } from "./codewalkplace.js";
import { PROFILE } from "./codewalkprofile.js";

const [X, Z] = ['<i class="x">x</i>', '<i class="z">z</i>'];
const term = (name, symbol, word) =>
  `<div class="term ${name}"><span class="symbol math">${symbol}</span><output class="${name}-value"></output><span class="word">${word}</span></div>`;
const op = (sign) => `<div class="op math"><span>${sign}</span><span>${sign}</span></div>`;

export const MARKUP = `
<div class="view">
  <figure class="digit"><canvas role="img" aria-label="The digit decoded at z"></canvas></figure>
  <div class="beside">
    <figure class="example"><canvas aria-hidden="true"></canvas><figcaption class="small faint">${X}, pinned: <span class="x-name"></span></figcaption></figure>
    <p class="numbers"><span class="math">‖${Z}‖ = </span><output class="norm-value"></output></p>
  </div>
  <div class="buttons"><button type="button" class="undo small" aria-disabled="true">Undo</button><button type="button" class="back small" aria-disabled="true">Back to the code</button></div>
  <div class="equation numbers">
    ${term("joint", `log <i>p</i>(${X},${Z})`, "joint")}${op("=")}
    ${term("prior", `log <i class="prior">p</i>(${Z})`, "prior")}${op("+")}
    ${term("likelihood", `log <i>p</i>(${X}|${Z})`, "likelihood, in nats")}
  </div>
</div>
<div class="moves"></div>
<div class="scale">
  <div class="ruler numbers" aria-hidden="true"><div class="ticks small faint"></div><div class="strip"><b></b><s></s><u></u></div><div class="reading"></div></div>
  <p class="note small faint"></p>
</div>
<div class="spoken" aria-live="polite"></div>`;

const slider = (kind, number, { label, reach, at }) =>
  `<span class="slider"><i class="tick" style="--at:${at}"></i><input type="range" data-kind="${kind}" data-number="${number}"
    min="${kind === "t" ? 0 : -reach}" max="${reach}" step="${kind === "t" ? 0.001 : 0.01}" aria-label="${label}"></span>`;
const thumb = (kind, number, value, label) =>
  `<button type="button" class="thumb" data-kind="${kind}" data-number="${number}" data-value="${value}" aria-label="${label}"><canvas></canvas></button>`;
const share = (value, reach) => Math.min(1, Math.max(0, (value + reach) / (2 * reach)));

export const STOPS = 9;

// The inside of .moves: a slider between two codes with pictures of the way, one for each direction with pictures of both
// ends, or one for each coordinate with its KL. `order`: numbers of the coordinates, as they stand.
export function movesOf({ mode, names, a, values, kl, inactive }, order) {
  if (mode === "between") {
    const stops = Array.from({ length: STOPS }, (_, i) => i / (STOPS - 1));
    return `<div class="way">${stops.map((t) => thumb("t", 0, t, `to t = ${t}`)).join("")}</div>
      <div class="row t">${slider("t", 0, { label: `place between ${names[0]} and ${names[1]}`, reach: 1, at: 0 })}</div>
      <div class="ends small"><span></span><span class="math"><i>t</i> = <output class="t-value"></output></span><span></span></div>${PROFILE}`;
  }
  if (mode === "directions") {
    return `<ul class="rows">${values.map((value, i) => `<li class="row along" data-number="${i + 1}">
      <span class="name"><span class="math"><i>v</i><sub>${i + 1}</sub></span><span class="small faint numbers"><i>s</i> = ${value.toFixed(2)}</span></span>
      ${thumb("along", i + 1, -ALONG, `direction ${i + 1} to −${ALONG}`)}
      ${slider("along", i + 1, { label: `direction ${i + 1}, singular value ${value.toFixed(2)}`, reach: ALONG, at: 0.5 })}
      ${thumb("along", i + 1, ALONG, `direction ${i + 1} to ${ALONG}`)}
      <output class="amount numbers"></output></li>`).join("")}</ul>`;
  }
  const most = Math.max(...kl);
  return `<p class="head small faint">The mean KL of each coordinate over the test digits, in nats, and its value</p>
    <ol class="rows" style="--half:${Math.ceil(order.length / 2)}">${order.map((j) => {
    const idle = inactive[j - 1];
    const bits = kl[j - 1].toFixed(2);
    return `<li class="row moved${idle ? " idle" : ""}" data-number="${j}">
      <span class="name math"><i>z</i><sub>${j}</sub></span>
      <span class="kl small faint numbers"><b style="--share:${(kl[j - 1] / most).toFixed(4)}"></b><span>${idle ? "unused" : bits}</span></span>
      ${slider("moved", j, { label: `z${j}, ${idle ? "unused" : `KL ${bits} nats`}`, reach: FARTHEST, at: share(a[j - 1], FARTHEST) })}
      <output class="amount numbers"></output></li>`;
  }).join("")}</ol>`;
}
