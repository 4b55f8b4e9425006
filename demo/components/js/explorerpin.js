// A pinned x: 784 bits as the 131 characters that a link carries (demo/digits.py packs them alike), and its likelihood
// under z. Knows nothing of elements, lattices or colours.
import { PIXELS } from "./ink.js";
import { logBernoulli, logStandardNormal } from "./numerics.js";
import { fromBase64, packBits, toBase64, unpackBits } from "./wire.js";

export function packPin(bits) {
  return toBase64(packBits(bits)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// The bits of packPin's text, or null for anything else.
export function unpackPin(text) {
  if (typeof text !== "string" || !/^[\w-]{131}$/.test(text)) return null;
  const bits = unpackBits(fromBase64(`${text.replaceAll("-", "+").replaceAll("_", "/")}=`));
  return bits.length === PIXELS && packPin(bits) === text ? bits : null;
}

// The two terms of log p(x,z) = log p(z) + log p(x|z), in nats, from the decoder's logits at z.
export function jointTerms(bits, z, logits) {
  return { logPz: logStandardNormal(z), logPxGivenZ: logBernoulli(bits, logits) };
}
