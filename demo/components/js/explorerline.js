// The typeset line under the plane: log p(x) = ELBO + KL at the nearest node of the lattice with its ruler in nats, or,
// for a pinned x, log p(x,z) = log p(z) + log p(x|z). Shows numbers; knows nothing of how they are made.
import { lensWidth, rulerEnds, written } from "./latent.js";

const PINNED_ENDS = [-600, 0];

export class Line {
  constructor(root) {
    const $ = (name) => root.querySelector(name);
    Object.assign(this, { root, style: $(".ruler").style, reading: $(".reading"), ticks: $(".ticks"), note: $(".note") });
    const outputs = [...root.querySelectorAll("output")];
    this.outputs = Object.fromEntries(outputs.map((output) => [output.classList[0], output.appendChild(new Text())]));
    this.said = {};
    this.tables = null;
    this.lens = 0;
  }

  // Writes a text where it is another than before: text in a node of its own costs the browser no new node.
  write(name, text) {
    if (this.said[name] !== text) this.outputs[name].data = this.said[name] = text;
  }

  set(name, value) {
    if (this.said[name] !== value) this.style.setProperty(name, (this.said[name] = value));
  }

  // Whether the line tells of the lattice or of a pinned x, and what is known at all.
  begin(tables, pinned) {
    this.tables = tables;
    this.pinned = pinned;
    this.lens = 0;
    const known = Boolean(tables?.log_p_x);
    const { classList } = this.root;
    classList.toggle("pinned", pinned);
    if (tables) classList.remove("awaiting-line");
    classList.toggle("without-line", !known && !pinned && !classList.contains("awaiting-line"));
    if (!known && !pinned) return;
    this.ends = pinned ? PINNED_ENDS : rulerEnds(tables.log_p_x.values);
    const [low, high] = this.ends;
    const step = pinned ? 100 : 50;
    const ticks = Array.from({ length: (high - low) / step + 1 }, (_, i) => low + step * i);
    this.ticks.innerHTML = ticks.map((tick) => `<span style="left:${this.share(tick)}">${written(tick, 0)}</span>`).join("");
    if (pinned) {
      this.note.innerHTML = `<i class="x">x</i> stays as it is pinned, <i class="z">z</i> moves: where log&nbsp;<i>p</i>(<i class="x">x</i>,<i class="z">z</i>) is highest, the posterior has its peak.`;
      return;
    }
    const n = tables.axis.values.length;
    this.note.innerHTML = `<i class="x">x</i> and the three numbers belong to the nearest of ${n}&nbsp;×&nbsp;${n} points of the plane; log&nbsp;<i>p</i>(<i>x</i>) was computed there by brute force.`;
  }

  share(value) {
    const [low, high] = this.ends;
    return `${Math.max(0, (100 * (value - low)) / (high - low)).toFixed(2)}%`;
  }

  // The three numbers of a node of the lattice; returns log p(x).
  identity(node) {
    const [evidence, elbo, gap] = ["log_p_x", "elbo", "kl"].map((name) => this.tables[name].values[node]);
    this.write("evidence-value", written(evidence));
    this.write("elbo-value", written(elbo));
    this.write("gap-value", written(gap));
    const width = lensWidth(gap, this.lens);
    this.set("--elbo", this.share(elbo));
    this.set("--evidence", this.share(evidence));
    this.set("--from", this.share(evidence - width));
    this.set("--lens-elbo", `${(100 * (1 - gap / width)).toFixed(2)}%`);
    if (width !== this.lens) {
      const [low, high] = this.ends;
      this.reading.textContent = `the last ${width} nats, ${written((high - low) / width, 0)} times as large`;
    }
    this.lens = width;
    return evidence;
  }

  // The three numbers of the pinned x at z; returns log p(x,z).
  joint(logPz, logPxGivenZ) {
    const sum = logPz + logPxGivenZ;
    this.write("joint-value", written(sum));
    this.write("prior-value", written(logPz));
    this.write("likelihood-value", written(logPxGivenZ));
    this.set("--elbo", this.share(sum));
    this.set("--evidence", this.share(logPxGivenZ));
    return sum;
  }
}
