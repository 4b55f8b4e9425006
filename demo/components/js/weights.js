// Puts what an element needs on the page's shelf, so that it travels once and every element can use it: a model's
// networks as "decoder:MODEL" and "encoder:MODEL", or tables of numbers as "tables:ID". Draws nothing.
import { parseDecoder, parseEncoder, putOnShelf, readHeader } from "./decoder.js";

const TYPES = { float64: Float64Array, float32: Float32Array, int32: Int32Array, int16: Int16Array, uint8: Uint8Array };

// A file of tables → { id, arrays: { name: { shape, values } } }. After the header (see decoder.js), whose "arrays" are
// {"name", "dtype", "shape", "offset" in bytes, "unit"}, come the little-endian values; values = stored numbers × unit.
export function parseTables(bytes) {
  const { header, payload } = readHeader(bytes);
  if (typeof header.id !== "string" || !Array.isArray(header.arrays)) throw new Error("the file holds no tables");
  const aligned = payload.slice().buffer;
  const arrays = {};
  for (const { name, dtype, shape, offset, unit } of header.arrays) {
    const Type = TYPES[dtype];
    if (!Type) throw new Error(`table ${name} has the unknown type ${dtype}`);
    const size = shape.reduce((product, side) => product * side, 1);
    if (!(offset >= 0) || offset + size * Type.BYTES_PER_ELEMENT > aligned.byteLength) {
      throw new Error(`table ${name} lies outside the file`);
    }
    const stored = new Type(aligned, offset, size);
    arrays[name] = { shape, values: unit === 1 ? stored : Float64Array.from(stored, (value) => value * unit) };
  }
  return { id: header.id, arrays };
}

const same = (a, b) => a !== undefined && a.length === b.length && a.every((value, i) => value === b[i]);

// Parses a file of weights or tables, puts it on the shelf and returns it: a network, or the arrays by name.
export function shelve(bytes) {
  const { header } = readHeader(bytes);
  const put = (name, item) => {
    putOnShelf(name, item);
    return item;
  };
  if (header.arrays) {
    const tables = parseTables(bytes);
    return put(`tables:${tables.id}`, tables.arrays);
  }
  const network = (header.kind === "encoder" ? parseEncoder : parseDecoder)(bytes);
  return put(`${header.kind ?? "decoder"}:${network.model}`, network);
}

export default function ({ data, parentElement }) {
  const box = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
  if (box) box.style.display = "none";
  if (same(parentElement.shelved, data)) return;
  parentElement.shelved = data;
  shelve(data);
}
