// Puts tables of numbers on the page's shelf as "tables:ID", so that they travel once. Draws nothing.
import { porter, readHeader } from "./crate.js";
import { putOnShelf } from "./shelf.js";

const TYPES = { float64: Float64Array, float32: Float32Array, int32: Int32Array, int16: Int16Array, uint8: Uint8Array };

// A file of tables → { id, arrays: { name: { shape, values } } }. After the header (see crate.js), whose "arrays" are
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

// Parses a file of tables, puts it on the shelf and returns the arrays by name.
export function shelveTables(bytes) {
  const { id, arrays } = parseTables(bytes);
  putOnShelf(`tables:${id}`, arrays);
  return arrays;
}

export default porter(shelveTables);
