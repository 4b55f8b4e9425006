// What the visitor set, in the address bar: one schema, read from a link and written back. Knows nothing of what it is for.

const whole = (low, high) => (text) => {
  const value = Number(text);
  return /^\d+$/.test(text) && value >= low && value <= high ? value : undefined;
};
const real = (low, high) => (text) => {
  const value = Number(text);
  return text.trim() !== "" && value >= low && value <= high ? value : undefined;
};
const oneOf = (...values) => (text) => (values.includes(text) ? text : undefined);
const trimmed = (value) => String(Math.round(value * 10000) / 10000);
const DIGITS = [..."0123456789"];
export const BITS = /^[\w-]{130}[AEIMQUYcgkosw048]$/; // 98 bytes in URL-safe base64 without padding

// `model` is empty for the first; `bits` is empty as long as nobody drew, "blank" for a pad that was cleared.
// name → [what holds where the link is silent, text → value or undefined, value → text]. The names are those of the Streamlit site.
export const SCHEMA = {
  z1: [0.5, real(-3, 3), trimmed],
  z2: [-0.5, real(-3, 3), trimmed],
  pin: ["", (text) => (BITS.test(text) ? text : undefined), String],
  model: ["", (text) => (/^[a-z0-9][a-z0-9_-]{0,31}$/.test(text) ? text : undefined), String],
  n: [25, whole(1, 100), String],
  shown: ["mean", oneOf("mean", "draw"), String],
  seed: [12, whole(0, 999_999), String],
  picked: [0, whole(0, 99), String],
  a: ["3", oneOf(...DIGITS, "prior", "drawing"), String],
  a_n: [0, whole(0, 9999), String],
  b: ["8", oneOf(...DIGITS, "prior", "drawing"), String],
  b_n: [0, whole(0, 9999), String],
  via: ["", (text) => (/^\d{0,4}$/.test(text) && new Set(text).size === text.length ? text : undefined), String],
  closed: ["no", oneOf("no", "yes"), String],
  route: ["straight", oneOf("straight", "great circle"), String],
  t: [0, real(0, 1), trimmed],
  bits: ["", (text) => (text === "blank" || BITS.test(text) ? text : undefined), String],
  k: [100, whole(2, 2000), String],
  noise: [1, whole(0, 999_999), String],
};

// A query → { values, refused }: every field, and the names of those whose text could not be used.
export function readQuery(query) {
  const given = new URLSearchParams(query);
  const values = {};
  const refused = [];
  for (const [name, [otherwise, read]] of Object.entries(SCHEMA)) {
    const text = given.get(name);
    const value = text === null ? undefined : read(text);
    if (text !== null && value === undefined) refused.push(name);
    values[name] = value ?? otherwise;
  }
  return { values, refused };
}

// Values → the shortest query that gives them.
export function writeQuery(values) {
  const query = new URLSearchParams();
  for (const [name, [otherwise, , write]] of Object.entries(SCHEMA)) {
    if (write(values[name]) !== write(otherwise)) query.set(name, write(values[name]));
  }
  const text = query.toString();
  return text && `?${text}`;
}

// The page's state: `values`, `set({ name: value })` and `on(names, action)`, which calls the action once for each change
// of any of them. The address follows 200 ms after the last change (browsers refuse a hundred within seconds).
export class State {
  constructor(query) {
    Object.assign(this, readQuery(query));
    this.listeners = [];
  }

  set(changes) {
    const changed = Object.keys(changes).filter((name) => this.values[name] !== changes[name]);
    if (!changed.length) return;
    Object.assign(this.values, changes);
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.publish(), 200);
    for (const { names, action } of this.listeners) if (names.some((name) => changed.includes(name))) action(changed);
  }

  on(names, action) {
    this.listeners.push({ names, action });
  }

  publish() {
    clearTimeout(this.writing);
    history.replaceState(null, "", `${location.pathname}${writeQuery(this.values)}${location.hash}`);
  }
}
