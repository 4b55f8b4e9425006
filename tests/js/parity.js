// What the browser computes of images, as plain data that can travel: the other side of tests/workshop/test_static.py.
// Runs in node and in a page alike. Knows nothing of where images and noise come from.
import { parseDecoder, parseEncoder } from "../../demo/components/js/decoder.js";
import { sigmoid } from "../../demo/components/js/logits.js";
import { Draws, elboMonteCarlo, importanceBound, logStandardNormal } from "../../demo/components/js/numerics.js";
import { elbo } from "../../demo/components/js/quadrature.js";

// { encoder, decoder } as bytes; images: [[784 of 0 and 1]], latents: [[d]], noise: [K · d], quadrature: whether the ELBO is
// asked for by Gauss–Hermite too. → { decoded: [[784 probabilities]], logPrior: [], accounts: [...], ms: {...} }.
export function compute({ encoder, decoder }, { images, latents, noise, quadrature, most }) {
  const ms = {};
  const timed = (name, action) => {
    const start = performance.now();
    const result = action();
    (ms[name] ??= []).push(performance.now() - start);
    return result;
  };
  const [{ encode }, network] = [parseEncoder(encoder), parseDecoder(decoder)];
  const decoded = latents.map((z) => Array.from(timed("decode", () => network.decode(z)), sigmoid));
  const accounts = images.map((x) => {
    const q = timed("encode", () => encode(x));
    const draws = timed("importance", () => new Draws(network, x, q).take(Float64Array.from(noise)));
    const exact = quadrature ? timed("elbo", () => elbo(network, x, q, { most })) : null;
    const { logPz, logPxGivenZ, logQzGivenX, logW } = draws;
    return {
      loc: [...q.loc], logScale: [...q.logScale], logPz, logPxGivenZ, logQzGivenX,
      monteCarlo: elboMonteCarlo(draws), bound: importanceBound(logW), exact,
    };
  });
  return { decoded, logPrior: latents.map(logStandardNormal), accounts, ms };
}
