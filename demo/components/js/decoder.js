// A decoder of latents in plain JavaScript: parses a file of float16 weights and turns z into logits of 784 pixels.
// Knows nothing of drawing, pages or Streamlit; the shelf at the end is how elements of one page share it.
//
// The file: uint32 (little-endian) length of the header, the header as UTF-8 JSON padded with spaces to a multiple of
// four, then the float16 payload, little-endian. The network: first → blocks h + outer(silu(inner(silu(h)))) → silu → last.

// Splits a file into its JSON header and the bytes after it. Throws an Error that says what is wrong.
export function readHeader(bytes) {
  if (!(bytes instanceof Uint8Array)) throw new Error("a file must arrive as bytes");
  if (bytes.length < 4) throw new Error(`the file has ${bytes.length} bytes: too short for a header`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (length % 4 !== 0) throw new Error(`the header's length, ${length}, is no multiple of 4`);
  if (4 + length > bytes.length) throw new Error(`the header claims ${length} bytes, the file has ${bytes.length}`);
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(4, 4 + length)));
  } catch (error) {
    throw new Error(`the header is no JSON: ${error.message}`);
  }
  if (header === null || typeof header !== "object") throw new Error("the header is no JSON object");
  return { header, payload: bytes.subarray(4 + length) };
}

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

export function sigmoid(logit) {
  return 1 / (1 + Math.exp(-logit));
}

// out (+)= weight · input + bias. Four outputs by two inputs at a time: measured a third faster than four outputs by one
// and nearly twice as fast as one output by four.
function affine({ weight, bias, rows, columns }, input, out, add) {
  const wholeRows = rows - (rows % 4);
  const wholeColumns = columns - (columns % 2);
  for (let row = 0; row < wholeRows; row += 4) {
    const a = row * columns;
    const b = a + columns;
    const c = b + columns;
    const d = c + columns;
    let s = bias[row];
    let t = bias[row + 1];
    let u = bias[row + 2];
    let v = bias[row + 3];
    for (let i = 0; i < wholeColumns; i += 2) {
      const h = input[i];
      const g = input[i + 1];
      s += weight[a + i] * h + weight[a + i + 1] * g;
      t += weight[b + i] * h + weight[b + i + 1] * g;
      u += weight[c + i] * h + weight[c + i + 1] * g;
      v += weight[d + i] * h + weight[d + i + 1] * g;
    }
    if (wholeColumns < columns) {
      const h = input[wholeColumns];
      s += weight[a + wholeColumns] * h;
      t += weight[b + wholeColumns] * h;
      u += weight[c + wholeColumns] * h;
      v += weight[d + wholeColumns] * h;
    }
    out[row] = add ? out[row] + s : s;
    out[row + 1] = add ? out[row + 1] + t : t;
    out[row + 2] = add ? out[row + 2] + u : u;
    out[row + 3] = add ? out[row + 3] + v : v;
  }
  for (let row = wholeRows; row < rows; row++) {
    let s = bias[row];
    for (let i = 0, a = row * columns; i < columns; i++) s += weight[a + i] * input[i];
    out[row] = add ? out[row] + s : s;
  }
}

function silu(input, out) {
  for (let i = 0; i < input.length; i++) out[i] = input[i] / (1 + Math.exp(-input[i]));
}

const wholeFrom = (least) => (value) => Number.isInteger(value) && value >= least;

function checkHeader(header) {
  const wanted = {
    model: (value) => typeof value === "string" && value !== "",
    latent_dim: wholeFrom(1),
    pixels: wholeFrom(1),
    width: wholeFrom(1),
    blocks: wholeFrom(0),
    activation: (value) => value === "silu",
    dtype: (value) => value === "float16",
    tensors: Array.isArray,
  };
  for (const [field, fits] of Object.entries(wanted)) {
    if (!fits(header[field])) throw new Error(`the header's ${field} is ${JSON.stringify(header[field])}`);
  }
}

// Weights file → { model, latentDim, pixels, decode }. `decode(z, out)` writes the logits into `out` (a Float32Array of
// `pixels`; the decoder's own buffer, overwritten by the next call, where none is given) and returns it. Nothing is
// allocated in a call.
export function parseDecoder(bytes) {
  const { header, payload } = readHeader(bytes);
  checkHeader(header);
  const { latent_dim: latentDim, pixels, width, blocks } = header;
  if (payload.length % 2 !== 0) throw new Error(`the payload has an odd number of bytes, ${payload.length}`);
  const weights = float16ToFloat32(new Uint16Array(payload.slice().buffer));
  const found = new Map(header.tensors.map((tensor) => [tensor?.name, tensor]));

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
  const linear = (name, columns, rows) => ({
    rows,
    columns,
    weight: take(`${name}.weight`, [rows, columns]),
    bias: take(`${name}.bias`, [rows]),
  });

  const first = linear("first", latentDim, width);
  const pairs = Array.from({ length: blocks }, (_, i) => [
    linear(`blocks.${i}.inner`, width, width),
    linear(`blocks.${i}.outer`, width, width),
  ]);
  const last = linear("last", width, pixels);
  if (used !== weights.length) throw new Error(`the payload has ${weights.length} weights, the network ${used}`);

  const h = new Float64Array(width);
  const active = new Float64Array(width);
  const hidden = new Float64Array(width);
  const own = new Float32Array(pixels);
  const decode = (z, out = own) => {
    if (z.length !== latentDim) throw new Error(`z has ${z.length} coordinates, the decoder takes ${latentDim}`);
    affine(first, z, h, false);
    for (const [inner, outer] of pairs) {
      silu(h, active);
      affine(inner, active, hidden, false);
      silu(hidden, active);
      affine(outer, active, h, true);
    }
    silu(h, active);
    affine(last, active, out, false);
    return out;
  };
  return { model: header.model, latentDim, pixels, decode };
}

// The page's shelf: what one element has parsed, every element may use, whichever was mounted first. It outlives the
// modules (Streamlit gives each element a module of its own), hence the global.
function shelf() {
  globalThis.__shelf ??= { items: new Map(), bell: new EventTarget() };
  return globalThis.__shelf;
}

export function putOnShelf(name, item) {
  shelf().items.set(name, item);
  shelf().bell.dispatchEvent(new Event(name));
}

// Calls `use(item)` now if the item is there, and whenever it is put there (again); returns a function that stops it.
export function fromShelf(name, use) {
  const ring = () => use(shelf().items.get(name));
  shelf().bell.addEventListener(name, ring);
  if (shelf().items.has(name)) ring();
  return () => shelf().bell.removeEventListener(name, ring);
}
