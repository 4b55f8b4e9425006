// Equations as HTML: symbols, then the numbers put in, then the result. Knows nothing of where the numbers come from.
import { fixed } from "../js/rail.js";

const symbol = (letter, kind) => `<i class="${kind}">${letter}</i>`;
export const Z = symbol("z", "z");
export const X = symbol("x", "x");
export const Q = symbol("q", "q");
export const PRIOR = `${symbol("p", "prior")}(${Z})`;
export const LIKELIHOOD = `<i>p</i>(${X}|${Z})`;
export const PROPOSAL = `${Q}(${Z}|${X})`;
const sub = (text) => `<sub>${text}</sub>`;
const D_KL = `<i>D</i>${sub('<span class="upright">KL</span>')}`;
const MU = "<i>μ</i>";
const SIGMA = "<i>σ</i>";
const fraction = (above, below) => `<span class="fraction"><span>${above}</span><span>${below}</span></span>`;
const sum = (index, top) => `<span class="sum"><span>${top}</span><b>∑</b><span>${index}</span></span>`;
const quiet = (text) => `<span class="aside">${text}</span>`;

// Numbers that are put in have three decimals, results two, so that the ones add up to the others.
const signed = (value) => (value < 0 ? `(${fixed(value, 3)})` : fixed(value, 3)); // to be squared
const plus = (value) => (value < 0 ? `− ${fixed(-value, 3)}` : `+ ${fixed(value, 3)}`);

export function vector(values, decimals = 2, most = 4) {
  const shown = Array.from(values).slice(0, most).map((value) => fixed(value, decimals));
  return `(${shown.join(", ")}${values.length > most ? ", …" : ""})`;
}

// One equation: what is on the left, then rows of [relation, what is on the right]; a last row may have a note beneath.
export function equation(spoken, left, rows, note = "") {
  const lines = rows.map(([relation, right], i) =>
    `<span class="left">${i === 0 ? left : ""}</span><span class="relation">${relation}</span><span class="right">${right}</span>`);
  return `<div class="equation" role="math" aria-label="${spoken}">${lines.join("")}</div>${note && `<p class="caption">${note}</p>`}`;
}

export function joint(logPz, logPxGivenZ) {
  const value = logPz + logPxGivenZ;
  return equation(
    `log p of x and z = log p of z + log p of x given z = ${fixed(logPz)} + ${fixed(logPxGivenZ)} = ${fixed(value)} nats`,
    `log <i>p</i>(${X}, ${Z})`,
    [["=", `log ${PRIOR} + log ${LIKELIHOOD}`], ["=", `${fixed(logPz, 3)} ${plus(logPxGivenZ)}`], ["=", `<b>${fixed(value)}</b> nats`]],
  );
}

export function proposal(q) {
  if (!q) return equation("q of z given x is normal", PROPOSAL, [["=", `<span class="upright">N</span>(${MU}, diag ${SIGMA}²)`]]);
  const scale = Array.from(q.logScale, Math.exp);
  const decimals = scale.length <= 4 && Math.min(...scale) < 0.1 ? 3 : 2;
  return equation(
    `q of z given x is normal with mean ${vector(q.loc)} and standard deviation ${vector(scale, decimals)}`,
    PROPOSAL,
    [
      ["=", `<span class="upright">N</span>(${MU}, diag ${SIGMA}²)`],
      ["", `${MU} = ${vector(q.loc)}`],
      ["", `${SIGMA} = ${vector(scale, decimals)}`],
    ],
  );
}

export function divergence(q, perDimension) {
  const left = `${D_KL}[${PROPOSAL} ‖ ${PRIOR}]`;
  const symbols = ["=", `${sum("<i>j</i>", "")} ½ (${MU}${sub("<i>j</i>")}² + ${SIGMA}${sub("<i>j</i>")}² − 1) − log ${SIGMA}${sub("<i>j</i>")}`];
  if (!q) return equation("the divergence of q from the prior, in closed form", left, [symbols]);
  const kl = perDimension.reduce((total, value) => total + value, 0);
  const term = (mean, logScale) => `½ (${signed(mean)}² + ${fixed(Math.exp(logScale), 3)}² − 1) − log ${fixed(Math.exp(logScale), 3)}`;
  const rows = q.loc.length <= 3
    ? Array.from(q.loc, (mean, j) => [j ? "+" : "=", term(mean, q.logScale[j])])
    : [["=", `${Array.from(perDimension).slice(0, 4).map((value) => fixed(value, 3)).join(" + ")} + … ${quiet(`${perDimension.length} terms`)}`]];
  return equation(`the divergence of q from the prior is ${fixed(kl)} nats`, left, [symbols, ...rows, ["=", `<b>${fixed(kl)}</b> nats`]]);
}

// found: { reconstruction, kl, value } with settled, evaluations (quadrature) or standardError and samples (Monte Carlo).
export function bound(found) {
  const symbols = ["=", `<span class="upright">E</span>${sub(Q)}[log ${LIKELIHOOD}] − ${D_KL}[${PROPOSAL} ‖ ${PRIOR}]`];
  if (!found) return equation("the evidence lower bound", '<span class="upright">ELBO</span>', [symbols]);
  const { reconstruction, kl, value, standardError } = found;
  const error = standardError === undefined ? "" : ` ± ${fixed(standardError)}`;
  const note = standardError !== undefined
    ? `The mean under ${Q} over ${found.samples} draws; ± is one standard error.`
    : found.settled
      ? `The mean under ${Q} by Gauss–Hermite of order ${found.order}: ${found.evaluations.toLocaleString("en")} decodings, and a finer rule moves it by less than 0.0001.`
      : `The mean under ${Q} by Gauss–Hermite has not settled after ${found.evaluations.toLocaleString("en")} decodings: the last step moved it by ${fixed(found.moved, 3)}. ${Q} is very wide here.`;
  return equation(
    `the evidence lower bound is ${fixed(reconstruction)} minus ${fixed(kl)} = ${fixed(value)} nats`,
    '<span class="upright">ELBO</span>',
    [symbols, ["=", `${fixed(reconstruction, 3)} ${plus(-kl)}`], ["=", `<b>${fixed(value)}</b>${error} nats`]],
    note,
  );
}

// found: { value, standardError, effectiveSampleSize, samples }, and the largest log w.
export function weighted(found, top) {
  const K = "<i>K</i>";
  const k = sub("<i>k</i>");
  const weight = fraction(`<i>p</i>(${X}, ${Z}${k})`, `${Q}(${Z}${k}|${X})`);
  const left = `log <i>p</i>(${X})`;
  const symbols = ["≥", `<span class="upright">E</span> log ${fraction("1", K)} ${sum("<i>k</i>=1", K)} ${weight}`];
  if (!found) return equation("log p of x is at least the mean log of the average weight", left, [symbols]);
  const { value, standardError, effectiveSampleSize, samples } = found;
  const rest = samples * Math.exp(value - top);
  return equation(
    `the importance-weighted bound of ${samples} draws is ${fixed(value)} nats, effective sample size ${fixed(effectiveSampleSize, 1)}`,
    left,
    [
      symbols,
      ["≈", `${fixed(top, 3)} + log ${fraction(fixed(rest, 3), samples)}`],
      ["=", `<b>${fixed(value)}</b> ± ${fixed(standardError)} nats`],
    ],
    `The largest of the weights, with the logarithm ${fixed(top)}, is taken out of the sum. Of ${samples} weights ${fixed(effectiveSampleSize, 1)} are effective${
      effectiveSampleSize < 10 || effectiveSampleSize < 0.05 * samples ? ": so few that neither the value nor its error is to be trusted" : ""}.`,
  );
}
