// Puts a model's networks on the page's shelf as "decoder:MODEL" and "encoder:MODEL", so that they travel once and every
// element can use them. Draws nothing.
import { porter, readHeader } from "./crate.js";
import { parseDecoder, parseEncoder } from "./decoder.js";
import { putOnShelf } from "./shelf.js";

// Parses a file of weights, puts it on the shelf and returns the network.
export function shelve(bytes) {
  const { kind = "decoder" } = readHeader(bytes).header;
  const network = (kind === "encoder" ? parseEncoder : parseDecoder)(bytes);
  putOnShelf(`${kind}:${network.model}`, network);
  return network;
}

export default porter(shelve);
