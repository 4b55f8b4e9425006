// Runs a long computation a few milliseconds a frame, so that the page stays alive meanwhile. Knows nothing of what is
// computed: a generator that yields often and returns its result.

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

// The generator's result. `budget`: milliseconds a slice; `signal`: an AbortSignal that ends it with an AbortError;
// `onSlice`: called after each slice but the last; `breathe`: a promise of the next turn.
export async function inSlices(steps, { budget = 8, signal, onSlice, breathe = nextFrame } = {}) {
  for (;;) {
    const until = performance.now() + budget;
    while (performance.now() < until) {
      const { done, value } = steps.next();
      if (done) return value;
    }
    onSlice?.();
    await breathe();
    signal?.throwIfAborted();
  }
}
