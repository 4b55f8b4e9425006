// The lattice beneath the line: which node lies nearest to z, and the most probable image there. Images are decoded while
// nobody waits, so that a drag decodes once a frame. Knows nothing of what is drawn or written.
import { nearestNode } from "./latent.js";

const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 4 }), 50));
const noMoreIdle = globalThis.cancelIdleCallback ?? clearTimeout;

export class Nodes {
  // From now on the nodes of this even, rising axis along z1 and z2 (undefined where there is no lattice).
  begin(decoder, axis) {
    this.halt();
    Object.assign(this, { decoder, axis, images: new Map(), logits: new Float64Array(decoder?.pixels ?? 0) });
  }

  nearest(z) {
    return nearestNode(this.axis, z[1]) * this.axis.length + nearestNode(this.axis, z[0]);
  }

  // 0 and 1 of each pixel: ink where its chance is over ½.
  image(node) {
    if (!this.images.has(node)) {
      const { axis } = this;
      this.decoder.decode([axis[node % axis.length], axis[Math.floor(node / axis.length)]], this.logits);
      this.images.set(node, Uint8Array.from(this.logits, (logit) => (logit > 0 ? 1 : 0)));
    }
    return this.images.get(node);
  }

  prepare() {
    this.halt();
    const count = (this.axis?.length ?? 0) ** 2;
    let next = 0;
    const work = (deadline) => {
      for (; next < count && deadline.timeRemaining() > 3; next++) this.image(next);
      if (next < count) this.idle = whenIdle(work);
    };
    if (this.decoder && count) this.idle = whenIdle(work);
  }

  halt() {
    noMoreIdle(this.idle);
  }
}
