// Fetches the files of a model, verifies each against the listing (size, SHA-256, shapes) and parses it, once, onto the
// shelf where the elements look for it. Knows nothing of what is done with it.
import { readHeader } from "../js/crate.js";
import { shelveTables } from "../js/tables.js";
import { shelve } from "../js/weights.js";

// The bytes if they are those of the listing's entry { bytes, sha256, shapes }; else an Error that says what is wrong.
// Browsers digest only on secure pages (https, localhost); elsewhere size and shapes must do.
export async function verified(bytes, entry, subtle = globalThis.crypto?.subtle) {
  if (bytes.length !== entry.bytes) throw new Error(`${entry.file} has ${bytes.length} bytes, not ${entry.bytes}`);
  if (subtle) {
    const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (hex !== entry.sha256) throw new Error(`${entry.file} is damaged: its SHA-256 is not the listing’s`);
  }
  const { header } = readHeader(bytes);
  const shapes = Object.fromEntries((header.tensors ?? header.arrays).map(({ name, shape }) => [name, shape]));
  if (JSON.stringify(shapes) !== JSON.stringify(entry.shapes)) throw new Error(`${entry.file} has other shapes than the listing`);
  return bytes;
}

export class Models {
  constructor(listing) {
    this.listing = listing;
    this.ids = listing.models.map(({ id }) => id);
    this.kept = new Map();
  }

  row(id) {
    return this.listing.models.find((row) => row.id === id);
  }

  // Bytes that this model would still take.
  awaited(id) {
    const names = Object.entries(this.row(id).files);
    return names.reduce((sum, [name, { bytes }]) => sum + (this.kept.has(`${id}/${name}`) ? 0 : bytes), 0);
  }

  // "decoder", "encoder", "ends" or "tables" of a model, as a promise; a failed one may be asked for again.
  get(id, name) {
    const slot = `${id}/${name}`;
    if (!this.kept.has(slot)) {
      const found = this.fetch(this.row(id).files[name], name);
      this.kept.set(slot, found);
      found.catch(() => this.kept.delete(slot));
    }
    return this.kept.get(slot);
  }

  async fetch(entry, name) {
    const answer = await fetch(entry.file);
    if (!answer.ok) throw new Error(`${entry.file} cannot be had: ${answer.status}`);
    const bytes = await verified(new Uint8Array(await answer.arrayBuffer()), entry);
    return (readHeader(bytes).header.arrays ? shelveTables : shelve)(bytes);
  }
}
