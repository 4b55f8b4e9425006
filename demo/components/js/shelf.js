// The page's shelf: what one element has parsed, every element may use, whichever was mounted first. It outlives the
// modules (Streamlit gives each element a module of its own), hence the global. Knows nothing of what lies on it.
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
