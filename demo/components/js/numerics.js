// Log-densities of the model and what draws from q say of log p(x): the browser's second implementation of
// demo/densities.py and of the sampling half of demo/evidence.py. All in nats and float64; every density carries its
// constant. Knows nothing of files, pages, Streamlit or where random numbers come from: noise is an argument.
//
// q is { loc, logScale }, arrays of d numbers; logScale is the logarithm of the standard deviation. x holds 0 and 1.
// A decoder is what parseDecoder returns: { latentDim, pixels, decode(z, out) }.

export const LOG_2PI = Math.log(2 * Math.PI);

// Σ log(1 + exp l), the log-partition function of the pixels, as Σ max(l, 0) + log Π (1 + exp −|l|). The factors lie
// in (1, 2], so 512 of them stay below 2^512: one logarithm for 512 pixels, and nothing overflows.
export function sumSoftplus(logits) {
  let total = 0;
  let product = 1;
  for (let i = 0; i < logits.length; i++) {
    const l = logits[i];
    if (l > 0) {
      total += l;
      product *= 1 + Math.exp(-l);
    } else {
      product *= 1 + Math.exp(l);
    }
    if ((i & 511) === 511) {
      total += Math.log(product);
      product = 1;
    }
  }
  return total + Math.log(product);
}

// log p(x|z) = Σ x·l − softplus(l).
export function logBernoulli(x, logits) {
  if (x.length !== logits.length) throw new Error(`x has ${x.length} pixels, the logits are ${logits.length}`);
  let inked = 0;
  for (let i = 0; i < x.length; i++) if (x[i]) inked += x[i] * logits[i];
  return inked - sumSoftplus(logits);
}

// log N(z; 0, I).
export function logStandardNormal(z) {
  let square = 0;
  for (let j = 0; j < z.length; j++) square += z[j] * z[j];
  return -0.5 * (square + z.length * LOG_2PI);
}

// log N(z; loc, diag exp(logScale)²).
export function logNormal(z, { loc, logScale }) {
  let sum = -0.5 * z.length * LOG_2PI;
  for (let j = 0; j < z.length; j++) sum -= 0.5 * ((z[j] - loc[j]) * Math.exp(-logScale[j])) ** 2 + logScale[j];
  return sum;
}

// D_KL[N(loc_j, σ_j²) ‖ N(0, 1)] = ½ (loc_j² + σ_j² − 1) − log σ_j for each j; σ² − 1 as expm1, exact near σ = 1.
export function klToPriorPerDimension({ loc, logScale }) {
  return Float64Array.from(loc, (m, j) => 0.5 * (m * m + Math.expm1(2 * logScale[j])) - logScale[j]);
}

// D_KL[q ‖ N(0, I)], in closed form.
export function klToPrior(q) {
  return klToPriorPerDimension(q).reduce((sum, kl) => sum + kl, 0);
}

// log Σ exp(a), without overflow; −∞ where every entry is, or there is none.
export function logSumExp(values) {
  let top = -Infinity;
  for (const value of values) top = Math.max(top, value);
  if (!Number.isFinite(top)) return top;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - top);
  return top + Math.log(sum);
}

// { mean, sd } of at least two values, the sd with n − 1.
export function moments(values) {
  const n = values.length;
  let mean = 0;
  for (const value of values) mean += value / n;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, sd: Math.sqrt(squares / (n - 1)) };
}

// The prior as a q: draws from it make the importance-weighted bound plain Monte Carlo.
export function prior(latentDim) {
  return { loc: new Float64Array(latentDim), logScale: new Float64Array(latentDim) };
}

// Draws from q for one x, taken as they come: z = loc + σ·ε, one decoding a draw. `logW` = log p(x, z) − log q(z|x):
// its mean estimates the ELBO, the logarithm of w's mean log p(x). One number a draw in each of the arrays.
export class Draws {
  constructor(decoder, x, q) {
    Object.assign(this, { decoder, x, q });
    this.z = [];
    this.logPz = [];
    this.logPxGivenZ = [];
    this.logQzGivenX = [];
    this.logW = [];
    this.logits = new Float64Array(decoder.pixels);
  }

  // Takes noise.length / d further draws; noise is standard normal, one draw after the other. Returns itself.
  take(noise) {
    const { decoder, x, q, logits } = this;
    const d = decoder.latentDim;
    if (noise.length % d !== 0) throw new Error(`${noise.length} numbers are no whole draws of ${d}`);
    for (let at = 0; at < noise.length; at += d) {
      const z = Float64Array.from(q.loc, (m, j) => m + Math.exp(q.logScale[j]) * noise[at + j]);
      decoder.decode(z, logits);
      const terms = [logStandardNormal(z), logBernoulli(x, logits), logNormal(z, q)];
      this.z.push(z);
      this.logPz.push(terms[0]);
      this.logPxGivenZ.push(terms[1]);
      this.logQzGivenX.push(terms[2]);
      this.logW.push(terms[0] + terms[1] - terms[2]);
    }
    return this;
  }
}

// E_q[log p(x|z)] − D_KL[q ‖ p(z)] in any dimension: the mean of two draws or more, the KL in closed form.
// → { reconstruction, kl, value, standardError }.
export function elboMonteCarlo({ logPxGivenZ, q }) {
  const { mean, sd } = moments(logPxGivenZ);
  const kl = klToPrior(q);
  return { reconstruction: mean, kl, value: mean - kl, standardError: sd / Math.sqrt(logPxGivenZ.length) };
}

// log (1/K) Σ w_k from K ≥ 2 values of log w: in expectation a lower bound of log p(x) that rises with K (Burda et al.
// 2016). → { value, standardError, effectiveSampleSize, samples }: the error is that of the logarithm to first order,
// sd(w) / (mean(w) √K), the size (Σ w)² / Σ w². Where it is far below K, trust neither.
export function importanceBound(logW) {
  const samples = logW.length;
  const value = logSumExp(logW) - Math.log(samples);
  const w = Array.from(logW, (log) => Math.exp(log - value)); // their mean is 1
  const { sd } = moments(w);
  const squares = w.reduce((sum, one) => sum + one * one, 0);
  return { value, standardError: sd / Math.sqrt(samples), effectiveSampleSize: samples ** 2 / squares, samples };
}

// How the bound rises with the number of draws in it: for k = 1, 2, 5, 10, … up to all, the mean over as many groups of k
// as there are. → [{ k, value, standardError, groups }]; k = 1 is the ELBO by Monte Carlo, and of one group no error is known.
export function boundsByDraws(logW) {
  const found = [];
  for (let power = 1; power <= logW.length; power *= 10) {
    for (const k of [power, 2 * power, 5 * power]) {
      if (k > logW.length) break;
      const groups = Math.floor(logW.length / k);
      const values = Array.from({ length: groups }, (_, i) => logSumExp(logW.slice(i * k, (i + 1) * k)) - Math.log(k));
      const { mean, sd } = moments(values);
      found.push({ k, value: mean, standardError: sd / Math.sqrt(groups), groups });
    }
  }
  return found;
}
