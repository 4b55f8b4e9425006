// Means under a normal density in the plane by Gauss–Hermite, and the ELBO by it: the browser's second implementation of
// hermite_rules and settled_mean in demo/integrate.py. Knows nothing of files, pages or pictures.
import { klToPrior, logBernoulli } from "./numerics.js";

const FARTHEST = 9; // beyond ±9 lies 2e-19 of a normal density
export const ORDERS = [12, 20, 36, 72, 144, 288]; // no rule shares a node with another

// h_{n−1}(x) and h_n(x): Hermite polynomials orthonormal under N(0, 1), by their recurrence.
function orthonormalHermite(order, x) {
  let [before, last] = [0, 1];
  for (let k = 1; k <= order; k++) [before, last] = [last, (x * last - Math.sqrt(k - 1) * before) / Math.sqrt(k)];
  return [before, last];
}

// { nodes, weights } on the line with Σ w g(node) = E[g(ε)], ε ~ N(0, 1), exact for polynomials of degree below 2·order;
// nodes beyond ±9 are left out. The nodes are the zeros of h_n by Newton's method, h_n' = √n h_{n−1}, the weights
// 1 / (n h_{n−1}²). It starts where the phase of h_n exp(−x²/4) is a multiple of π: with x = T sin θ, T = 2 √(n + ½),
// that is (n + ½)(θ + ½ sin 2θ).
export function hermiteLine(order) {
  const turning = 2 * Math.sqrt(order + 0.5);
  const nodes = [];
  const weights = [];
  const add = (x, weight) => {
    nodes.push(x);
    weights.push(weight);
  };
  const half = order >> 1;
  for (let k = 0; k < half; k++) {
    const phase = (Math.PI * (order % 2 ? k + 1 : k + 0.5)) / (order + 0.5);
    let [low, high] = [0, Math.PI / 2];
    for (let step = 0; step < 50; step++) {
      const middle = (low + high) / 2;
      if (middle + 0.5 * Math.sin(2 * middle) < phase) low = middle;
      else high = middle;
    }
    let x = turning * Math.sin(low);
    if (x > FARTHEST + 1) break;
    for (let step = 0; step < 8; step++) {
      const [before, last] = orthonormalHermite(order, x);
      x -= last / (Math.sqrt(order) * before);
    }
    if (x > FARTHEST) break;
    const weight = 1 / (order * orthonormalHermite(order, x)[0] ** 2);
    add(x, weight);
    add(-x, weight);
  }
  if (order % 2) add(0, 1 / (order * orthonormalHermite(order, 0)[0] ** 2));
  return { nodes: Float64Array.from(nodes), weights: Float64Array.from(weights) };
}

const planes = new Map(); // order → rule

// The product rule in the plane, { nodes: [[ε1, ε2], …], weights }, less its lightest nodes, 1e-10 of the weight together
// (an error of at most 1e-10 · max |g|): most nodes of a product rule lie far outside.
export function hermitePlane(order, negligible = 1e-10) {
  if (planes.has(order)) return planes.get(order);
  const line = hermiteLine(order);
  const all = [];
  line.nodes.forEach((a, i) => line.nodes.forEach((b, j) => all.push([line.weights[i] * line.weights[j], a, b])));
  all.sort((a, b) => a[0] - b[0]);
  let lightest = 0;
  let from = 0;
  while (from < all.length && (lightest += all[from][0]) <= negligible) from++;
  const rule = { nodes: all.slice(from).map(([, a, b]) => [a, b]), weights: all.slice(from).map(([w]) => w) };
  planes.set(order, rule);
  return rule;
}

// The ELBO of x under q in the plane, E_q[log p(x|z)] by Gauss–Hermite of rising order until it moves by less than
// `tolerance` nats; the KL in closed form. A generator, so that a page can stop for breath: it yields after each
// decoding, and returns { reconstruction, kl, value, settled, moved, order, evaluations }. `most` is the largest number
// of decodings; where the next rule would take more, `settled` is false and `moved` says by how many nats the last one
// still moved the mean. A digit takes 392 decodings, a q as wide as a blank sheet deserves more than any page can wait for.
export function* elboSteps(decoder, x, q, { tolerance = 2e-5, most = 4000 } = {}) {
  if (decoder.latentDim !== 2) throw new Error(`quadrature is for the plane, not for ${decoder.latentDim} dimensions`);
  const scale = Array.from(q.logScale, Math.exp);
  const logits = new Float64Array(decoder.pixels);
  const z = new Float64Array(2);
  const kl = klToPrior(q);
  const report = { reconstruction: NaN, kl, value: NaN, settled: false, moved: Infinity, order: 0, evaluations: 0 };
  for (const order of ORDERS) {
    const { nodes, weights } = hermitePlane(order);
    if (report.evaluations + nodes.length > most && report.order) break;
    let mean = 0;
    for (let k = 0; k < nodes.length; k++) {
      z[0] = q.loc[0] + scale[0] * nodes[k][0];
      z[1] = q.loc[1] + scale[1] * nodes[k][1];
      mean += weights[k] * logBernoulli(x, decoder.decode(z, logits));
      yield;
    }
    if (report.order) report.moved = Math.abs(mean - report.reconstruction);
    Object.assign(report, { reconstruction: mean, value: mean - kl, order, settled: report.moved < tolerance });
    report.evaluations += nodes.length;
    if (report.settled) break;
  }
  return report;
}

// The same at one go.
export function elbo(decoder, x, q, options) {
  const steps = elboSteps(decoder, x, q, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
