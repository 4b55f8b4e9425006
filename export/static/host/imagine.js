// Digits that a model imagines, and bytes as the elements take them. Knows nothing of the page.
import { sigmoid } from "../js/logits.js";
import { Random } from "../js/random.js";
import { fromBase64, packBits, toBase64, unpackBits } from "../js/wire.js";

// The first n samples of a seed: z ~ p(z), the chance of ink of each pixel, and x ~ p(x|z), from a stream for z and one
// for x, so that the first k are the same for every n. They are those of the Streamlit site (demo/digits.py).
// A generator, for inSlices: it yields after each and returns all, [{ z, logits, x }].
export function* sampling(decoder, seed, n) {
  const [latents, coins] = [new Random([seed, 0]), new Random([seed, 1])];
  const found = [];
  for (let k = 0; k < n; k++) {
    const z = latents.normals(decoder.latentDim);
    const logits = decoder.decode(z, new Float64Array(decoder.pixels));
    const x = Uint8Array.from(coins.uniforms(decoder.pixels), (u, i) => (u < sigmoid(logits[i]) ? 1 : 0));
    found.push({ z, logits, x });
    yield;
  }
  return found;
}

// The z that the seed's first sample has.
export function priorDraw(latentDim, seed) {
  return new Random([seed, 0]).normals(latentDim);
}

export const SHAPE = [28, 28]; // rows and columns of every picture here

export const greys = (logits) => Uint8Array.from(logits, (logit) => Math.round(255 * sigmoid(logit)));
export const inks = (x) => Uint8Array.from(x, (bit) => 255 * bit);

// Any number of bytes as base64 (wire.js's own is for a few at a time).
export function base64(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 8190) parts.push(toBase64(bytes.subarray(at, at + 8190)));
  return parts.join("");
}

// 784 bits as the pad has them (base64, null for blank) and as links have them (URL-safe, without padding).
export const bitsOfLink = (text) => unpackBits(fromBase64(text.replace(/-/g, "+").replace(/_/g, "/") + "="));
export const padOfBits = (x) => (x?.includes(1) ? toBase64(packBits(x)) : null);
export const linkOfPad = (text) => text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
