// What every section shares: the state, the models, the digit on the pad, one line for what went wrong.
import { inSlices } from "../js/slices.js";
import { make } from "./controls.js";
import { bitsOfLink, sampling } from "./imagine.js";

export class Context {
  constructor(state, models, listing) {
    Object.assign(this, { state, models, listing });
    this.first = models.ids[0];
    this.notice = document.querySelector(".notice");
    this.spoken = document.querySelector(".spoken");
  }

  get model() {
    return this.state.values.model || this.first;
  }

  get planar() {
    return this.models.row(this.model).latent_dim === 2;
  }

  // [[value, label], …] for the choice of a model; the first is the empty value.
  get choices() {
    return this.listing.models.map(({ id, latent_dim: d }) => [id === this.first ? "" : id, `${id}: ${d} dimensions`]);
  }

  // The samples of the state's seed; drawn again only when they are others.
  async samples() {
    const { seed, n } = this.state.values;
    const decoder = await this.models.get(this.model, "decoder");
    const key = `${decoder.model} ${seed} ${n}`;
    if (this.key !== key) [this.key, this.drawn] = [key, inSlices(sampling(decoder, seed, n))];
    return this.drawn;
  }

  // The x on the pad: what was drawn, null for a pad that was cleared, else the sample that is picked above.
  async subject() {
    const { bits, picked, n } = this.state.values;
    if (bits === "blank") return null;
    return bits ? bitsOfLink(bits) : (await this.samples())[Math.min(picked, n - 1)].x;
  }

  say(sentence) {
    this.notice.textContent = sentence;
    this.notice.hidden = !sentence;
  }

  // Runs `action` now and after each change of the fields; of overlapping runs only the last may go on: the others are told by
  // `alive()`. While a file is awaited the section is busy, and says for how much.
  follow(section, fields, action) {
    let run = 0;
    const line = section.querySelector(".controls")?.appendChild(make("span", { class: "loading" }));
    const start = async () => {
      const own = ++run;
      const awaited = this.models.awaited(this.model);
      const late = setTimeout(() => {
        if (line && awaited) line.textContent = `Loading ${this.model}, ${(awaited / 1e6).toFixed(1)} MB`;
      }, 150);
      try {
        await action(() => own === run);
      } catch (error) {
        if (error.name !== "AbortError") this.say(`${error.message}. Reload the page to try again.`);
      } finally {
        clearTimeout(late);
        if (line && own === run) line.textContent = "";
      }
    };
    this.state.on(fields, start);
    return start();
  }
}
