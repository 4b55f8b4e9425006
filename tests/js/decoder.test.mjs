// The decoder in the browser against a naive one, and its refusal of broken files. Run: node --test tests/js
import assert from "node:assert/strict";
import { test } from "node:test";

import { float16ToFloat32, parseDecoder, parseEncoder } from "../../demo/components/js/decoder.js";
import { sigmoid } from "../../demo/components/js/logits.js";
import { fromShelf, putOnShelf } from "../../demo/components/js/shelf.js";

// float16 values are exact multiples of 2^-10 here, so that the naive decoder sees the very same weights.
const toHalf = (value) => {
  if (value === 0) return 0;
  const sign = value < 0 ? 0x8000 : 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const mantissa = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return sign | ((exponent + 15) << 10) | mantissa;
};

let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const weightLike = () => Math.round((random() - 0.5) * 512) / 1024;

function network({ latentDim = 2, width = 10, blocks = 2, pixels = 13, kind } = {}) {
  const [inputs, outputs] = kind === "encoder" ? [pixels, 2 * latentDim] : [latentDim, pixels];
  const layers = [["first", width, inputs]];
  for (let i = 0; i < blocks; i++) layers.push([`blocks.${i}.inner`, width, width], [`blocks.${i}.outer`, width, width]);
  layers.push(["last", outputs, width]);
  const tensors = [];
  const values = {};
  const payload = [];
  for (const [name, rows, columns] of layers) {
    for (const [part, shape] of [["weight", [rows, columns]], ["bias", [rows]]]) {
      const size = shape.reduce((a, b) => a * b, 1);
      tensors.push({ name: `${name}.${part}`, shape, offset: payload.length });
      values[`${name}.${part}`] = Array.from({ length: size }, weightLike);
      payload.push(...values[`${name}.${part}`]);
    }
  }
  const header = { model: "toy", latent_dim: latentDim, pixels, width, blocks, activation: "silu", dtype: "float16", kind, tensors };
  return { header, values, payload };
}

function toBytes(header, payload) {
  let text = typeof header === "string" ? header : JSON.stringify(header);
  text += " ".repeat((4 - (new TextEncoder().encode(text).length % 4)) % 4);
  const head = new TextEncoder().encode(text);
  const size = header.dtype === "float32" ? 4 : 2;
  const bytes = new Uint8Array(4 + head.length + size * payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, head.length, true);
  bytes.set(head, 4);
  payload.forEach((value, i) => {
    if (size === 4) view.setFloat32(4 + head.length + 4 * i, value, true);
    else view.setUint16(4 + head.length + 2 * i, toHalf(value), true);
  });
  return bytes;
}

const naiveSilu = (h) => h.map((v) => v * (1 / (1 + Math.exp(-v))));
function naiveTrunk({ header, values }, z) {
  const linear = (name, h) =>
    values[`${name}.bias`].map((b, row) => h.reduce((sum, v, i) => sum + values[`${name}.weight`][row * h.length + i] * v, b));
  let h = linear("first", z);
  for (let i = 0; i < header.blocks; i++) {
    const added = linear(`blocks.${i}.outer`, naiveSilu(linear(`blocks.${i}.inner`, naiveSilu(h))));
    h = h.map((v, j) => v + added[j]);
  }
  return linear("last", naiveSilu(h));
}

test("decode agrees with a naive network, for sizes that four does and does not divide", () => {
  for (const shape of [{}, { latentDim: 5, width: 8, blocks: 0, pixels: 16 }, { latentDim: 1, width: 7, blocks: 3, pixels: 5 }]) {
    const toy = network(shape);
    const decoder = parseDecoder(toBytes(toy.header, toy.payload));
    for (let k = 0; k < 5; k++) {
      const z = Array.from({ length: toy.header.latent_dim }, () => 6 * random() - 3);
      const expected = naiveTrunk(toy, z);
      const logits = decoder.decode(z);
      assert.equal(logits.length, toy.header.pixels);
      expected.forEach((value, i) => assert.ok(Math.abs(logits[i] - value) < 1e-5, `${logits[i]} is not ${value}`));
    }
  }
});

test("an encoder is the same trunk from pixels to the two halves of q", () => {
  for (const shape of [{}, { latentDim: 5, width: 8, blocks: 0, pixels: 16 }, { latentDim: 1, width: 7, blocks: 3, pixels: 5 }]) {
    const toy = network({ ...shape, kind: "encoder" });
    const { encode, latentDim, pixels, model } = parseEncoder(toBytes(toy.header, toy.payload));
    assert.equal(model, "toy");
    const x = Array.from({ length: pixels }, () => Number(random() > 0.5));
    const expected = naiveTrunk(toy, x);
    const { loc, logScale } = encode(Uint8Array.from(x));
    assert.equal(loc.length, latentDim);
    [...loc, ...logScale].forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-13, `${value} is not ${expected[i]}`));
    encode(new Uint8Array(pixels));
    assert.equal(loc[0], encode(x).loc[0], "an answer outlives the next call");
    assert.throws(() => encode([0, 1]), /2 pixels/);
  }
});

test("weights of float32 are read as they are, float64 sums reach a Float64Array", () => {
  const toy = network();
  toy.payload[0] = Math.fround(0.1);
  toy.values["first.weight"][0] = Math.fround(0.1);
  const bytes = toBytes({ ...toy.header, dtype: "float32" }, toy.payload);
  const logits = parseDecoder(bytes).decode([0.3, -0.7], new Float64Array(13));
  naiveTrunk(toy, [0.3, -0.7]).forEach((value, i) => assert.ok(Math.abs(logits[i] - value) < 1e-13));
  toy.payload[3] = Infinity;
  assert.throws(() => parseDecoder(toBytes({ ...toy.header, dtype: "float32" }, toy.payload)), /weight 3 is not finite/);
  assert.throws(() => parseDecoder(bytes.subarray(0, bytes.length - 2)), /payload of float32/);
});

test("an encoder is no decoder, and the other way round", () => {
  const [encoder, decoder] = ["encoder", undefined].map((kind) => network({ kind }));
  assert.throws(() => parseDecoder(toBytes(encoder.header, encoder.payload)), /kind is "encoder"/);
  assert.throws(() => parseEncoder(toBytes(decoder.header, decoder.payload)), /kind is undefined/);
});

test("decode reuses its own buffer, or fills the one it is given", () => {
  const toy = network();
  const { decode, pixels } = parseDecoder(toBytes(toy.header, toy.payload));
  assert.equal(decode([0, 0]), decode([1, 1]));
  const mine = new Float32Array(pixels);
  assert.equal(decode([0.5, -1], mine), mine);
  const kept = mine.slice();
  decode([3, 3]);
  assert.deepEqual(mine, kept);
  assert.throws(() => decode([0, 0, 0]), /3 coordinates/);
});

test("bytes at an odd place in a larger buffer are read as well", () => {
  const toy = network();
  const bytes = toBytes(toy.header, toy.payload);
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  assert.deepEqual(parseDecoder(shifted).decode([1, -1]), parseDecoder(bytes).decode([1, -1]));
});

test("float16 becomes float32: zeros, ends of the range, subnormals", () => {
  const cases = [[0x0000, 0], [0x3c00, 1], [0xc000, -2], [0x7bff, 65504], [0x0400, 2 ** -14], [0x0001, 2 ** -24], [0x83ff, -1023 * 2 ** -24], [0x3555, 0.333251953125]];
  const got = float16ToFloat32(Uint16Array.from(cases, ([bits]) => bits));
  cases.forEach(([, value], i) => assert.equal(got[i], value));
  assert.throws(() => float16ToFloat32(Uint16Array.of(0, 0x7c00)), /weight 1 is not finite/);
  assert.throws(() => float16ToFloat32(Uint16Array.of(0x7e00)), /not finite/);
});

test("sigmoid stays within 0 and 1", () => {
  assert.equal(sigmoid(0), 0.5);
  assert.equal(sigmoid(-1000), 0);
  assert.equal(sigmoid(1000), 1);
});

test("a malformed file is refused with a reason", () => {
  const toy = network();
  const good = toBytes(toy.header, toy.payload);
  const withHeader = (change) => toBytes({ ...toy.header, ...change }, toy.payload);
  const withTensor = (change) => withHeader({ tensors: toy.header.tensors.map((t, i) => (i === 0 ? { ...t, ...change } : t)) });
  const refused = [
    ["no bytes", "text", /as bytes/],
    ["empty", new Uint8Array(0), /too short/],
    ["cut in the header", good.subarray(0, 40), /header claims/],
    ["cut in the payload", good.subarray(0, good.length - 2), /outside the payload/],
    ["odd payload", good.subarray(0, good.length - 1), /payload of float16/],
    ["too long", toBytes(toy.header, [...toy.payload, 0]), /network/],
    ["no JSON", toBytes("{nonsense", toy.payload), /no JSON/],
    ["a JSON number", toBytes("1234", toy.payload), /no JSON object/],
    ["no model", withHeader({ model: undefined }), /model is undefined/],
    ["other activation", withHeader({ activation: "relu" }), /activation is "relu"/],
    ["other dtype", withHeader({ dtype: "float64" }), /dtype/],
    ["another architecture", withHeader({ architecture: "transformer" }), /architecture is "transformer"/],
    ["no fine blocks", withHeader({ architecture: "conv" }), /architecture is "conv"/],
    ["tensors of the other architecture", withHeader({ architecture: "conv", fine_blocks: 1 }), /first.weight has shape/],
    ["a width of no dense blocks", withHeader({ architecture: "conv", fine_blocks: 1, dense_width: 3, dense_blocks: 0 }), /architecture/],
    ["negative width", withHeader({ width: -1 }), /width is -1/],
    ["tensor missing", withHeader({ tensors: toy.header.tensors.slice(1) }), /first.weight is missing/],
    ["null tensor", withHeader({ tensors: [null] }), /missing/],
    ["wrong shape", withTensor({ shape: [2, 10] }), /expected \[10,2\]/],
    ["no offset", withTensor({ offset: undefined }), /outside the payload/],
    ["far offset", withTensor({ offset: 1e6 }), /outside the payload/],
  ];
  for (const [what, bytes, reason] of refused) assert.throws(() => parseDecoder(bytes), reason, what);
});

test("the shelf serves those who came before and after the item", () => {
  const seen = [];
  const stop = fromShelf("decoder:toy", (item) => seen.push(["early", item]));
  putOnShelf("decoder:toy", 1);
  fromShelf("decoder:toy", (item) => seen.push(["late", item]));
  putOnShelf("decoder:other", 3);
  stop();
  putOnShelf("decoder:toy", 2);
  assert.deepEqual(seen, [["early", 1], ["late", 1], ["late", 2]]);
});
