// A pinned x: bits as the characters that a link carries, 131 for 784 (demo/digits.py packs them alike), and its
// likelihood under z. Knows nothing of elements, lattices or colours.
import { logBernoulli, logStandardNormal } from "./numerics.js";
import { fromBase64, packBits, toBase64, unpackBits } from "./wire.js";

export function packPin(bits) {
  return toBase64(packBits(bits)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

// The bits of packPin's text, so many of them, or null for anything else.
export function unpackPin(text, pixels) {
  const letters = Math.ceil((4 * Math.ceil(pixels / 8)) / 3);
  if (typeof text !== "string" || !/^[\w-]*$/.test(text) || text.length !== letters) return null;
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat(-letters & 3);
  const bits = unpackBits(fromBase64(padded), pixels);
  return packPin(bits) === text ? bits : null;
}

// The two terms of log p(x,z) = log p(z) + log p(x|z), in nats, from the decoder's logits at z.
export function jointTerms(bits, z, logits) {
  return { logPz: logStandardNormal(z), logPxGivenZ: logBernoulli(bits, logits) };
}
