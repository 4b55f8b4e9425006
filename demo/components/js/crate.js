// Files as they travel: a header in JSON and a payload, packed by demo/components/crate.py. Knows nothing of what is in
// them, nor of who uses it.

// The file in a crate: deflated, all its even bytes before all its odd ones (the odd ones of float16 are much alike).
export async function uncrate(bytes) {
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const planes = new Uint8Array(await new Response(inflated).arrayBuffer());
  const file = new Uint8Array(planes.length);
  const half = planes.length / 2;
  for (let i = 0; i < half; i++) {
    file[2 * i] = planes[i];
    file[2 * i + 1] = planes[half + i];
  }
  return file;
}

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

const same = (a, b) => a !== undefined && a.length === b.length && a.every((value, i) => value === b[i]);

// An element that shows nothing: it gives the file in its crate to `shelve`, once.
export function porter(shelve) {
  return ({ data, parentElement }) => {
    const box = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
    if (box) box.style.display = "none";
    if (same(parentElement.carried, data)) return;
    parentElement.carried = data;
    uncrate(data).then(shelve);
  };
}
