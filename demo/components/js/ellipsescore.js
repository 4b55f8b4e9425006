// What the contest counts: the bound of a q as a preview, the share of the encoder's gap that it closes, the words for
// it. All in nats. Knows nothing of the map, of drawing or of the page.
import { klToPrior, logBernoulli } from "./numerics.js";
import { hermitePlane } from "./quadrature.js";
import { fixed } from "./rail.js";

const ORDERS_OF_PREVIEW = [4, 3]; // 16 or 9 decodings a frame
const FRAME_MS = 11; // of the 16 that a frame has, for the preview
const LEAST_GAP = 0.005; // of the encoder, below which there is nothing to win
const BAR_GAPS = 2.5; // the bar shows so many of the encoder's gaps

// The order whose preview fits into a frame, where a decoding takes `ms`; the last one where none does.
export function orderFor(ms) {
  return ORDERS_OF_PREVIEW.find((order) => order ** 2 * ms <= FRAME_MS) ?? ORDERS_OF_PREVIEW.at(-1);
}

// q = [m1, m2, s1, s2] as numerics.js takes it.
export function gaussianOf([m1, m2, s1, s2]) {
  return { loc: [m1, m2], logScale: [Math.log(s1), Math.log(s2)] };
}

// { reconstruction, kl, elbo } with E_q[log p(x|z)] by order² Gauss–Hermite nodes and the KL to the prior in closed form.
// `logits` is a Float64Array of the decoder's pixels to work in.
export function previewOf(decoder, x, q, order, logits) {
  const { nodes, weights } = hermitePlane(order);
  const z = [0, 0];
  let reconstruction = 0;
  for (let k = 0; k < nodes.length; k++) {
    z[0] = q[0] + q[2] * nodes[k][0];
    z[1] = q[1] + q[3] * nodes[k][1];
    reconstruction += weights[k] * logBernoulli(x, decoder.decode(z, logits));
  }
  const kl = klToPrior(gaussianOf(q));
  return { reconstruction, kl, elbo: reconstruction - kl };
}

// Which part of the encoder's gap is closed by a bound: 0 for the encoder's own, 1 at log p(x), below 0 behind the
// encoder; null where the encoder left nothing to win.
export function shareOf(elbo, encoder, logPx) {
  return logPx - encoder < LEAST_GAP ? null : Math.min(1, (elbo - encoder) / (logPx - encoder));
}

// Where a bound stands on the bar, from 0 at its foot to 1 at log p(x).
export function heightOf(elbo, encoder, logPx) {
  const span = Math.max(1, BAR_GAPS * (logPx - encoder));
  return Math.min(1, Math.max(0, 1 - (logPx - elbo) / span));
}

// Heights from the highest down, each moved down until it is `least` below the one before.
export function spread(heights, least) {
  let last = Infinity;
  return heights.map((height) => (last = Math.min(height, last - least)));
}

// { figure, words } of the score of a bound, beside the encoder's and the best q's; `touched` is false for the
// encoder's own q.
export function verdictOf(elbo, { encoder, best, log_p_x: logPx }, touched) {
  const share = shareOf(elbo, encoder.elbo, logPx);
  if (share === null) return { figure: "–", words: "the encoder left no gap to close" };
  if (!touched) return { figure: "0 %", words: "the encoder’s own guess: can you do better?" };
  const figure = `${Math.max(0, Math.round(100 * share))} %`;
  const gained = elbo - encoder.elbo;
  if (gained > 0 && gained > 0.995 * (best.elbo - encoder.elbo)) {
    return { figure, words: "of the encoder’s gap closed: as good as it gets" };
  }
  if (gained >= 0.005) return { figure, words: "of the encoder’s gap closed" };
  if (gained > -0.005) return { figure, words: "level with the encoder" };
  return { figure, words: `${fixed(-gained, gained > -1 ? 2 : 1)} nats behind the encoder` };
}

// A width with three digits that count.
export function widthText(value) {
  return fixed(value, Math.min(5, Math.max(2, 2 - Math.floor(Math.log10(value)))));
}

// The state as one sentence, for who cannot see it.
export function toldOf(q, figures, logPx, verdict) {
  const mean = `mean (${fixed(q[0])}, ${fixed(q[1])}), widths ${widthText(q[2])} and ${widthText(q[3])}`;
  if (!figures) return mean;
  const gap = Math.max(0, logPx - figures.elbo);
  const about = figures.exact ? "" : "about ";
  return `${mean}: ELBO ${about}${fixed(figures.elbo)}, gap ${about}${fixed(gap)} nats, ${verdict.figure} ${verdict.words}`;
}
