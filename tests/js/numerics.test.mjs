// Densities, quadrature, sampling and random numbers of the browser against closed forms. Run: node --test tests/js
// tests/test_numerics.py compares them with SciPy and NumPy, tests/workshop/test_static.py with the site's own on real models.
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Draws, boundsByDraws, elboMonteCarlo, importanceBound, klToPrior, klToPriorPerDimension, logBernoulli, logNormal, logStandardNormal,
  logSumExp, moments, prior, sumSoftplus,
} from "../../demo/components/js/numerics.js";
import { ORDERS, elbo, elboSteps, hermiteLine, hermitePlane } from "../../demo/components/js/quadrature.js";
import { Random, seedState } from "../../demo/components/js/random.js";
import { inSlices } from "../../demo/components/js/slices.js";

const near = (found, wanted, far = 1e-12) => assert.ok(Math.abs(found - wanted) <= far, `${found} is not ${wanted}`);

// A linear decoder: logits = bias + slope · Σ z, so that sums over all images of a few pixels are possible.
const toy = (pixels, latentDim, bias = 0.3, slope = 0.8) => ({
  pixels,
  latentDim,
  decode: (z, out) => {
    const sum = z.reduce((total, value) => total + value, 0);
    for (let i = 0; i < pixels; i++) out[i] = bias * (i - 1) + slope * (i % 2 ? sum : -sum);
    return out;
  },
});
const images = (pixels) =>
  Array.from({ length: 2 ** pixels }, (_, code) => Array.from({ length: pixels }, (_, i) => (code >> i) & 1));

test("softplus is exact at both ends, also for more pixels than one product holds", () => {
  assert.equal(sumSoftplus([-800]), 0);
  assert.equal(sumSoftplus([800]), 800);
  near(sumSoftplus([0]), Math.LN2, 1e-15);
  near(sumSoftplus(new Float64Array(3000)), 3000 * Math.LN2, 1e-9);
  near(sumSoftplus([-40]), Math.exp(-40), 1e-16);
});

test("the chances of all images sum to one", () => {
  const logits = [-3, 0.2, 5, -0.01];
  near(logSumExp(images(4).map((x) => logBernoulli(x, logits))), 0, 1e-14);
  near(logBernoulli([1, 0], [0, 0]), -2 * Math.LN2, 1e-15);
  assert.throws(() => logBernoulli([1], [0, 0]), /1 pixels/);
});

test("normal densities carry their constants", () => {
  near(logStandardNormal([0, 0]), -Math.log(2 * Math.PI), 1e-15);
  const q = { loc: [0.5, -1], logScale: [Math.log(0.2), 0.4] };
  const step = 0.02;
  let mass = 0;
  for (let a = -6; a < 6; a += step) for (let b = -12; b < 12; b += step) mass += Math.exp(logNormal([a, b], q)) * step ** 2;
  near(mass, 1, 1e-9);
  near(logNormal([1, 2], prior(2)), logStandardNormal([1, 2]), 1e-15);
});

test("the KL to the prior is zero at the prior, and what a mean of the log ratio gives elsewhere", () => {
  assert.equal(klToPrior(prior(5)), 0);
  near(klToPrior({ loc: [3], logScale: [0] }), 4.5, 1e-15);
  const q = { loc: [0.7, -0.4], logScale: [-1, 0.3] };
  const { nodes, weights } = hermitePlane(20);
  const ratio = nodes.reduce((sum, noise, k) => {
    const z = noise.map((e, j) => q.loc[j] + Math.exp(q.logScale[j]) * e);
    return sum + weights[k] * (logNormal(z, q) - logStandardNormal(z));
  }, 0);
  near(klToPrior(q), ratio, 1e-8);
  near(klToPriorPerDimension(q).reduce((a, b) => a + b), klToPrior(q), 1e-15);
  assert.ok(klToPrior({ loc: [0], logScale: [1e-9] }) >= 0, "no cancellation near the prior");
});

test("the log of a sum neither overflows nor minds emptiness", () => {
  near(logSumExp([1000, 1000]), 1000 + Math.LN2, 1e-12);
  near(logSumExp([-1000, -1001]), -1000 + Math.log1p(Math.exp(-1)), 1e-12);
  assert.equal(logSumExp([]), -Infinity);
  assert.equal(logSumExp([-Infinity]), -Infinity);
  assert.equal(logSumExp([Infinity, 0]), Infinity);
});

test("Gauss–Hermite gives the moments of a normal variable, and the mean of a cosine", () => {
  for (const order of [1, 2, 3, 7, 12, 20, 36, 101, 288]) {
    const { nodes, weights } = hermiteLine(order);
    assert.ok(order > 30 || nodes.length === order);
    const mean = (g) => nodes.reduce((sum, x, k) => sum + weights[k] * g(x), 0);
    near(mean(() => 1), 1, 1e-13);
    near(mean((x) => x), 0, 1e-13);
    if (order >= 3) near(mean((x) => x ** 4), 3, 1e-12);
    if (order >= 7) near(mean((x) => x ** 12), 10395, 1e-6);
    if (order >= 36) near(mean((x) => Math.cos(3 * x)), Math.exp(-4.5), 1e-12);
  }
});

test("the rule in the plane leaves out only what weighs nothing", () => {
  for (const order of ORDERS) {
    const { nodes, weights } = hermitePlane(order);
    near(weights.reduce((a, b) => a + b), 1, 2e-10);
    near(nodes.reduce((sum, [a, b], k) => sum + weights[k] * (a * a + a * b + 2 * b * b), 0), 3, 1e-7);
  }
  assert.equal(hermitePlane(12), hermitePlane(12), "kept");
});

test("the ELBO by quadrature settles, agrees with Monte Carlo and stays below log p(x) = log of the prior's mean", () => {
  const model = toy(9, 2);
  const x = [1, 0, 0, 1, 1, 0, 1, 0, 1];
  const q = { loc: [0.4, -0.6], logScale: [-0.5, -0.2] };
  const exact = elbo(model, x, q);
  assert.ok(exact.settled && exact.moved < 2e-5);
  near(exact.value, exact.reconstruction - exact.kl, 0);
  const draws = new Draws(model, x, q).take(new Random(1).normals(2 * 20000));
  const rough = elboMonteCarlo(draws);
  assert.ok(Math.abs(rough.value - exact.value) < 4 * rough.standardError && rough.standardError < 0.02);
  const { nodes, weights } = hermitePlane(72);
  const out = new Float64Array(9);
  const evidence = logSumExp(nodes.map((z, k) => Math.log(weights[k]) + logBernoulli(x, model.decode(z, out))));
  assert.ok(exact.value < evidence);
  const bound = importanceBound(draws.logW);
  assert.ok(Math.abs(bound.value - evidence) < 4 * bound.standardError, `${bound.value} is not ${evidence}`);
  const plain = new Draws(model, x, prior(2)).take(new Random(2).normals(2 * 20000));
  near(plain.logW[3], plain.logPxGivenZ[3], 1e-12);
  const byPrior = importanceBound(plain.logW);
  assert.ok(Math.abs(byPrior.value - evidence) < 4 * byPrior.standardError);
});

test("a rule that would take too long is not begun, and the report says so", () => {
  const q = { loc: [0, 0], logScale: [2, 2] };
  const rough = elbo(toy(9, 2, 0.3, 40), [1, 0, 0, 1, 1, 0, 1, 0, 1], q, { most: 900 });
  assert.equal(rough.settled, false);
  assert.ok(rough.moved > 1e-3 && rough.evaluations <= 900 && rough.order === 36);
  assert.throws(() => elbo(toy(4, 3), [0, 0, 0, 0], prior(3)), /3 dimensions/);
});

test("the bound: weights that agree, weights that do not, and whatever their size", () => {
  const even = importanceBound([-5000, -5000, -5000]);
  near(even.value, -5000);
  near(even.effectiveSampleSize, 3);
  assert.equal(even.standardError, 0);
  const one = importanceBound([0, -700, -700, -700]);
  near(one.value, -Math.log(4));
  near(one.effectiveSampleSize, 1, 1e-9);
  near(one.standardError, 1, 1e-9);
  near(moments([1, 2, 3, 4]).sd, Math.sqrt(5 / 3));
});

test("bounds of more draws: all of them make the bound, one at a time the mean", () => {
  const logW = [...new Random(3).normals(100)].map((value) => 2 * value - 90);
  const found = boundsByDraws(logW);
  assert.deepEqual(found.map(({ k }) => k), [1, 2, 5, 10, 20, 50, 100]);
  near(found[0].value, moments(logW).mean, 1e-12);
  near(found[6].value, importanceBound(logW).value, 1e-12);
  assert.ok(found[0].value < found[3].value && found[3].value < found[6].value);
  assert.equal(found[2].groups, 20);
});

test("draws come one after the other: in two helpings they are those of one", () => {
  const model = toy(5, 3);
  const x = [1, 1, 0, 0, 1];
  const q = { loc: [0.1, 0.2, 0.3], logScale: [-1, 0, 0.5] };
  const noise = new Random(9).normals(12);
  const whole = new Draws(model, x, q).take(noise);
  const parts = new Draws(model, x, q).take(noise.subarray(0, 3)).take(noise.subarray(3));
  assert.deepEqual(parts.logW, whole.logW);
  assert.deepEqual(parts.z, whole.z);
  assert.throws(() => parts.take([1, 2]), /no whole draws/);
});

test("the stream of a seed is that of NumPy's default_rng, and what is no seed is refused", () => {
  const found = new Random([5, 0]).normals(3);
  [-0.8019314252534474, -1.324358995628145, -0.24836162209524854].forEach((value, i) => assert.ok(Math.abs(found[i] - value) < 1e-12));
  assert.deepEqual(seedState([5, 0]), [12631478326263854183n, 4464650224815488352n, 6320729261375576658n, 2846562751307321766n]);
  assert.equal(new Random(7).uniform(), new Random([7]).uniform());
  for (const bad of [-1, 0.5, 2 ** 32, NaN, "1", [], [1, -1]]) assert.throws(() => new Random(bad), /no seed/);
});

test("slices give the page its breath, the result at the end, and stop when told", async () => {
  const model = toy(9, 2);
  const arguments_ = [model, [1, 0, 0, 1, 1, 0, 1, 0, 1], { loc: [0.4, -0.6], logScale: [-0.5, -0.2] }];
  let breaths = 0;
  const breathe = () => new Promise((done) => { breaths++; setImmediate(done); });
  assert.deepEqual(await inSlices(elboSteps(...arguments_), { budget: 0.01, breathe }), elbo(...arguments_));
  assert.ok(breaths > 1);
  const stop = new AbortController();
  const stopped = inSlices(elboSteps(...arguments_), { budget: 0.01, breathe, signal: stop.signal });
  stop.abort();
  await assert.rejects(stopped, { name: "AbortError" });
});
