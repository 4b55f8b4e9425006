// Encoder and decoder in plain JavaScript: parses a file of weights and turns z into logits of 784 pixels, or x into q.
// Knows nothing of drawing, pages or Streamlit.
//
// The file: uint32 (little-endian) length of the header, the header as UTF-8 JSON padded with spaces to a multiple of
// four, then the payload of float16 or float32 (the header's dtype), little-endian. A decoder goes from latent_dim to
// pixels; an encoder ("kind": "encoder") from pixels to 2·latent_dim, the first half loc, the second log_scale. Both are
// residual perceptrons (perceptron.js), or convolutions ("architecture": "conv", convolutions.js).
import { convAnalysis, convSynthesis } from "./convolutions.js";
import { readHeader } from "./crate.js";
import { residualPerceptron } from "./perceptron.js";

// float16 bits as float32 (Float16Array is missing in many browsers). Weights are finite: Inf and NaN are refused.
export function float16ToFloat32(halves) {
  const bits = new Uint32Array(halves.length);
  const values = new Float32Array(bits.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const exponent = half & 0x7c00;
    if (exponent === 0x7c00) throw new Error(`weight ${i} is not finite`);
    if (exponent === 0) values[i] = (half & 0x8000 ? -1 : 1) * (half & 0x3ff) * 2 ** -24;
    else bits[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) + 0x1c000) << 13);
  }
  return values;
}

const wholeFrom = (least) => (value) => Number.isInteger(value) && value >= least;

// Dense blocks are all there or not at all.
function isConvolutions({ fine_blocks: fine, dense_blocks: dense, dense_width: width }) {
  return wholeFrom(0)(fine) && (dense === undefined ? width === undefined : wholeFrom(1)(dense) && wholeFrom(1)(width));
}

function checkHeader(header, kind) {
  const wanted = {
    kind: (value) => (value ?? "decoder") === kind,
    model: (value) => typeof value === "string" && value !== "",
    latent_dim: wholeFrom(1),
    pixels: wholeFrom(1),
    width: wholeFrom(1),
    blocks: wholeFrom(0),
    architecture: (value) => value === undefined || (value === "conv" && isConvolutions(header)),
    activation: (value) => value === "silu",
    dtype: (value) => value === "float16" || value === "float32",
    tensors: Array.isArray,
  };
  for (const [field, fits] of Object.entries(wanted)) {
    if (!fits(header[field])) throw new Error(`the header's ${field} is ${JSON.stringify(header[field])}`);
  }
}

// The payload as float32, all of it.
function weightsOf({ dtype }, payload) {
  const size = dtype === "float16" ? 2 : 4;
  if (payload.length % size !== 0) throw new Error(`the payload of ${dtype} has ${payload.length} bytes`);
  const aligned = payload.slice().buffer;
  if (size === 2) return float16ToFloat32(new Uint16Array(aligned));
  const weights = new Float32Array(aligned);
  weights.forEach((weight, i) => { if (!Number.isFinite(weight)) throw new Error(`weight ${i} is not finite`); });
  return weights;
}

// The file's tensors, each taken once: `take(name, shape)` returns a view of the weights, `done()` complains of what is left.
function tensorsOf({ tensors }, weights) {
  const found = new Map(tensors.map((tensor) => [tensor?.name, tensor]));
  let used = 0;
  const take = (name, shape) => {
    const tensor = found.get(name);
    if (tensor === undefined) throw new Error(`tensor ${name} is missing`);
    const { shape: given, offset } = tensor;
    if (!Array.isArray(given) || given.length !== shape.length || given.some((side, i) => side !== shape[i])) {
      throw new Error(`tensor ${name} has shape ${JSON.stringify(given)}, expected ${JSON.stringify(shape)}`);
    }
    const size = shape.reduce((product, side) => product * side, 1);
    if (!wholeFrom(0)(offset) || offset + size > weights.length) {
      throw new Error(`tensor ${name} lies outside the payload of ${weights.length} weights`);
    }
    used += size;
    return weights.subarray(offset, offset + size);
  };
  const done = () => {
    if (used !== weights.length) throw new Error(`the payload has ${weights.length} weights, the network ${used}`);
  };
  return { take, done };
}

// The network of a file as { header, run }; `run(input, out)` reads a Float64Array and writes into any array of numbers.
function networkOf(bytes, kind) {
  const { header, payload } = readHeader(bytes);
  checkHeader(header, kind);
  const { latent_dim: latentDim, pixels, architecture } = header;
  const { take, done } = tensorsOf(header, weightsOf(header, payload));
  const [inputs, outputs] = kind === "encoder" ? [pixels, 2 * latentDim] : [latentDim, pixels];
  const build = architecture !== "conv" ? residualPerceptron : kind === "encoder" ? convAnalysis : convSynthesis;
  const run = build(header, take, inputs, outputs);
  done();
  return { header, run };
}

// Weights file → { model, latentDim, pixels, decode }. `decode(z, out)` writes the logits into `out` (an array of
// `pixels` numbers: Float32Array for pictures, Float64Array for logarithms; the decoder's own Float32Array, overwritten
// by the next call, where none is given) and returns it. Nothing is allocated in a call.
export function parseDecoder(bytes) {
  const { header, run } = networkOf(bytes, "decoder");
  const { model, latent_dim: latentDim, pixels } = header;
  const own = new Float32Array(pixels);
  const input = new Float64Array(latentDim);
  const decode = (z, out = own) => {
    if (z.length !== latentDim) throw new Error(`z has ${z.length} coordinates, the decoder takes ${latentDim}`);
    input.set(z);
    return run(input, out);
  };
  return { model, latentDim, pixels, decode };
}

// Weights file → { model, latentDim, pixels, encode }. `encode(x)` takes `pixels` values 0 or 1 and returns
// q(z|x) = N(loc, diag exp(logScale)²) as { loc, logScale }, two new Float64Arrays.
export function parseEncoder(bytes) {
  const { header, run } = networkOf(bytes, "encoder");
  const { model, latent_dim: latentDim, pixels } = header;
  const input = new Float64Array(pixels);
  const encode = (x) => {
    if (x.length !== pixels) throw new Error(`x has ${x.length} pixels, the encoder takes ${pixels}`);
    input.set(x);
    const q = run(input, new Float64Array(2 * latentDim));
    return { loc: q.slice(0, latentDim), logScale: q.slice(latentDim) };
  };
  return { model, latentDim, pixels, encode };
}
