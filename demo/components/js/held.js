// What an element holds while the page and the visitor's hand both may change it: the browser's half of held.py.

const kept = new Map(); // an element that leaves the page and comes back finds its value here

// What to start from: what the hand left under the same number, else what the page gave.
export function recall(slot, number, base) {
  const last = kept.get(slot);
  return last && last.number === number ? last.value : base;
}

// Keeps the value and returns the message that Python expects as state `held`.
export function keep(slot, number, value) {
  kept.set(slot, { number, value });
  return { number, value };
}
