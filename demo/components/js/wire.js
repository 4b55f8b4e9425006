// Bytes as text and back, as elements and Python exchange them. Knows nothing of what the bytes mean.

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

// Values 0 and 1 as bytes of eight, the first value in the highest bit (numpy.packbits).
export function packBits(bits) {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => { if (bit) bytes[i >> 3] |= 0x80 >> (i & 7); });
  return bytes;
}

// The first `count` of them.
export function unpackBits(bytes, count = 8 * bytes.length) {
  return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

// Calls `action` once the calls have paused for `wait` ms; `.now()` calls it at once if one is due, `.cancel()` forgets it.
export function debounce(action, wait) {
  let timer = null;
  const fire = () => { timer = null; action(); };
  const later = () => { clearTimeout(timer); timer = setTimeout(fire, wait); };
  later.cancel = () => { clearTimeout(timer); timer = null; };
  later.now = () => { if (timer !== null) { clearTimeout(timer); fire(); } };
  return later;
}
