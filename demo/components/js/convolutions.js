// Residual networks of 3 × 3 convolutions for images of 28 × 28, as vae/convolutions.py has them. Knows nothing of files.
//
// Images are kept pixel by pixel, [rows, columns, channels], and what is convolved has a rim of zeros: the three pixels
// under a row of the kernel are then neighbours in memory, and a convolution is three products of 3 · channels numbers.
// Weights come as [outputs, inputs, 3, 3] and channel by channel, and are put into this order once, when parsed.
import { linear, residualPerceptron, silu } from "./perceptron.js";

const COARSE = 7;
const FINE = 14;

// weight [outputs, inputs, 3, 3] → [outputs, 3, 3, inputs].
function kernelOf(take, name, inputs, outputs) {
  const given = take(`${name}.weight`, [outputs, inputs, 3, 3]);
  const weight = new Float32Array(given.length);
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < inputs; c++) {
      for (let tap = 0; tap < 9; tap++) weight[(o * 9 + tap) * inputs + c] = given[(o * inputs + c) * 9 + tap];
    }
  }
  return { inputs, outputs, weight, bias: take(`${name}.bias`, [outputs]) };
}

// out [side², outputs] (+)= kernel ∗ padded [(side + 2)², inputs]. Four outputs by two numbers at a time, like affine.
function convolve({ inputs, outputs, weight, bias }, padded, side, out, add) {
  const span = 3 * inputs;
  const whole = span - (span % 2);
  const line = (side + 2) * inputs;
  for (let pixel = 0; pixel < side * side; pixel++) {
    const corner = (Math.floor(pixel / side) * (side + 2) + (pixel % side)) * inputs;
    for (let o = 0; o < outputs; o += 4) {
      const rows = Math.min(4, outputs - o);
      const second = rows > 1 ? 3 * span : 0; // where there are fewer than four, some are computed twice
      const third = rows > 2 ? 6 * span : 0;
      const fourth = rows > 3 ? 9 * span : 0;
      let s = 0;
      let t = 0;
      let u = 0;
      let v = 0;
      for (let row = 0; row < 3; row++) {
        const from = corner + row * line;
        const a = (3 * o + row) * span;
        const b = a + second;
        const c = a + third;
        const d = a + fourth;
        for (let i = 0; i < whole; i += 2) {
          const h = padded[from + i];
          const g = padded[from + i + 1];
          s += weight[a + i] * h + weight[a + i + 1] * g;
          t += weight[b + i] * h + weight[b + i + 1] * g;
          u += weight[c + i] * h + weight[c + i + 1] * g;
          v += weight[d + i] * h + weight[d + i + 1] * g;
        }
        if (whole < span) {
          const h = padded[from + whole];
          s += weight[a + whole] * h;
          t += weight[b + whole] * h;
          u += weight[c + whole] * h;
          v += weight[d + whole] * h;
        }
      }
      const at = pixel * outputs + o;
      out[at] = bias[o] + s + (add ? out[at] : 0);
      if (rows > 1) out[at + 1] = bias[o + 1] + t + (add ? out[at + 1] : 0);
      if (rows > 2) out[at + 2] = bias[o + 2] + u + (add ? out[at + 2] : 0);
      if (rows > 3) out[at + 3] = bias[o + 3] + v + (add ? out[at + 3] : 0);
    }
  }
}

// Copies an image into the middle of a padded one.
function pad(image, side, channels, padded) {
  for (let y = 0; y < side; y++) {
    const row = image.subarray(y * side * channels, (y + 1) * side * channels);
    padded.set(row, ((y + 1) * (side + 2) + 1) * channels);
  }
}

// A stage of one resolution: its image `h`, residual blocks, and a convolution of silu(h) or of h itself.
function stageOf(take, name, side, channels, blocks) {
  const h = new Float64Array(side * side * channels);
  const hidden = new Float64Array(h.length);
  const padded = new Float64Array((side + 2) ** 2 * channels);
  const pairs = Array.from({ length: blocks }, (_, i) =>
    ["inner", "outer"].map((part) => kernelOf(take, `${name}.${i}.${part}`, channels, channels)));
  const activate = (image) => {
    silu(image, hidden);
    pad(hidden, side, channels, padded);
  };
  const run = () => {
    for (const [inner, outer] of pairs) {
      activate(h);
      convolve(inner, padded, side, hidden, false);
      activate(hidden);
      convolve(outer, padded, side, h, true);
    }
    return h;
  };
  const active = () => {
    silu(h, hidden);
    return hidden;
  };
  const into = (kernel, image, out) => {
    pad(image, side, channels, padded);
    convolve(kernel, padded, side, out, false);
  };
  return { h, run, active, into };
}

// Four channels 4c + 2i + j of the pixel (y, x) ↔ channel c of the pixels (2y + i, 2x + j): calls `pair(coarse, fine)`
// with the place in [side, side, 4 · channels] and that in [2 · side, 2 · side, channels].
function shuffled(side, channels, pair) {
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 4 * channels; c++) {
        const fine = (2 * y + ((c >> 1) & 1)) * 2 * side + 2 * x + (c & 1);
        pair((y * side + x) * 4 * channels + c, fine * channels + (c >> 2));
      }
    }
  }
}

// The linear layers between z and the picture; a picture stands channel by channel there and pixel by pixel here.
// Without dense blocks it is one layer, `only`.
function denseOf({ dense_width: width, dense_blocks: blocks }, take, inputs, outputs, first, last, only) {
  if (!blocks) return linear(take, only, inputs, outputs);
  return residualPerceptron({ width, blocks }, take, inputs, outputs, { first, blocks: "dense", last });
}

function byPixel(channels, pair) {
  const places = COARSE ** 2;
  for (let c = 0; c < channels; c++) {
    for (let p = 0; p < places; p++) pair(c * places + p, p * channels + c);
  }
}

// z → first → dense → silu → flat → 7 × 7 → blocks → silu → up → 14 × 14 → fine → silu → last → 28 × 28, plus a bias of
// each pixel's own.
export function convSynthesis(sizes, take, inputs, outputs) {
  const { width, blocks, fine_blocks: fineBlocks } = sizes;
  const half = width / 2;
  const flat = new Float64Array(width * COARSE ** 2);
  const dense = denseOf(sizes, take, inputs, flat.length, "first", "flat", "first");
  const coarse = stageOf(take, "blocks", COARSE, width, blocks);
  const up = kernelOf(take, "up", width, 4 * half);
  const fine = stageOf(take, "fine", FINE, half, fineBlocks);
  const last = kernelOf(take, "last", half, 4);
  const bias = take("bias", [outputs]);
  const raised = new Float64Array(COARSE ** 2 * 4 * half);
  const quads = new Float64Array(FINE ** 2 * 4);
  return (input, out) => {
    dense(input, flat);
    byPixel(width, (from, to) => { coarse.h[to] = flat[from]; });
    coarse.run();
    coarse.into(up, coarse.active(), raised);
    shuffled(COARSE, half, (from, to) => { fine.h[to] = raised[from]; });
    fine.run();
    fine.into(last, fine.active(), quads);
    shuffled(FINE, 1, (from, to) => { out[to] = quads[from] + bias[to]; });
    return out;
  };
}

// x as 4 × 14 × 14 → first → fine → as 7 × 7 → down → blocks → silu → flat → dense → silu → last.
export function convAnalysis(sizes, take, inputs, outputs) {
  const { width, blocks, fine_blocks: fineBlocks } = sizes;
  const half = width / 2;
  const first = kernelOf(take, "first", 4, half);
  const entry = stageOf(take, "", FINE, 4, 0);
  const fine = stageOf(take, "fine", FINE, half, fineBlocks);
  const down = kernelOf(take, "down", 4 * half, width);
  const gathered = stageOf(take, "", COARSE, 4 * half, 0);
  const coarse = stageOf(take, "blocks", COARSE, width, blocks);
  const flat = new Float64Array(width * COARSE ** 2);
  const dense = denseOf(sizes, take, flat.length, outputs, "flat", "last", "last");
  return (input, out) => {
    shuffled(FINE, 1, (to, from) => { entry.h[to] = input[from]; });
    entry.into(first, entry.h, fine.h);
    fine.run();
    shuffled(COARSE, half, (to, from) => { gathered.h[to] = fine.h[from]; });
    gathered.into(down, gathered.h, coarse.h);
    coarse.run();
    const active = coarse.active();
    byPixel(width, (to, from) => { flat[to] = active[from]; });
    return dense(flat, out);
  };
}
