// The section where a digit is drawn and its evidence bounded: q, the divergence, the ELBO, the importance-weighted bound.
import { Draws, boundsByDraws, elboMonteCarlo, importanceBound, klToPriorPerDimension } from "../js/numerics.js";
import { MNIST } from "../js/mnistlike.js";
import pad from "../js/pad.js";
import { elboSteps } from "../js/quadrature.js";
import { Random } from "../js/random.js";
import { fixed } from "../js/rail.js";
import { inSlices } from "../js/slices.js";
import { button, make, number, segmented } from "./controls.js";
import * as equations from "./equations.js";
import { greys, linkOfPad, padOfBits } from "./imagine.js";
import { mount } from "./mount.js";
import { picture } from "./picture.js";
import { rise } from "./rise.js";

const SIZES = [10, 100, 1000];

// Takes all noise, a draw at a time.
function* drawing(draws, noise, d) {
  for (let at = 0; at < noise.length; at += d) {
    draws.take(noise.subarray(at, at + d));
    yield;
  }
}

export async function bound(section, context) {
  const { state, models, spoken } = context;
  const again = () => state.set({ noise: (state.values.noise + 1) % 1_000_000 });
  section.querySelector(".controls").append(
    segmented(state, "model", "Model", context.choices),
    segmented(state, "k", "Draws, K", SIZES.map((size) => [size, size.toLocaleString("en")]), Number),
    number(state, "noise", "Seed of the draws", 0, 999_999),
    button("Draw again", again),
  );
  const held = (value) => state.set({ bits: value ? linkOfPad(value) : "blank" });
  const show = await mount("pad", section.querySelector(".element-box"), pad, { held });
  const caption = section.querySelector(".stay .caption");
  const take = button("Take the sample picked above", () => state.set({ bits: "" }));
  section.querySelector(".stay").append(take);
  const box = section.querySelector(".equations");
  const decoded = picture("what the decoder makes of the mean of q", 84);
  decoded.figure.append(Object.assign(make("figcaption"), { innerHTML: "decoded at <i>μ</i>" }));
  const parts = ["proposal", "divergence", "bound", "weighted"].map(() => make("div"));
  const [q, kl, elbo, iw] = parts;
  const progress = section.querySelector(".controls").appendChild(make("span", { class: "loading numbers" }));
  box.append(make("div", { class: "beside-picture" }, q, decoded.figure), kl, elbo, iw);
  const chart = section.querySelector(".rise");
  const symbols = () => {
    q.innerHTML = equations.proposal();
    kl.innerHTML = equations.divergence();
    elbo.innerHTML = equations.bound();
    iw.innerHTML = equations.weighted();
  };
  symbols();
  let stop = new AbortController();

  return context.follow(section, ["model", "bits", "k", "noise", "seed", "n", "picked"], async (alive) => {
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    const { values } = state;
    const x = await context.subject();
    if (!alive()) return;
    show({ frame: MNIST }, padOfBits(x));
    take.hidden = values.bits === "";
    caption.textContent = values.bits === "" ? "On the pad: the sample you picked above. Clear it and draw your own." : "Draw on, erase, undo: the numbers follow every stroke.";
    decoded.figure.hidden = chart.hidden = x === null;
    if (x === null) return symbols();
    box.setAttribute("aria-busy", "true");
    const [encoder, decoder] = await Promise.all([models.get(context.model, "encoder"), models.get(context.model, "decoder")]);
    if (!alive()) return;
    const d = decoder.latentDim;
    const proposal = encoder.encode(x);
    q.innerHTML = equations.proposal(proposal);
    kl.innerHTML = equations.divergence(proposal, klToPriorPerDimension(proposal));
    decoded.paint(greys(decoder.decode(proposal.loc)));
    const noise = new Random(values.noise).normals(values.k * d);
    const draws = new Draws(decoder, x, proposal);
    const onSlice = () => { progress.textContent = `${draws.logW.length} of ${values.k} draws`; };
    await inSlices(drawing(draws, noise, d), { signal, onSlice });
    progress.textContent = "";
    const lower = importanceBound(draws.logW);
    iw.innerHTML = equations.weighted(lower, Math.max(...draws.logW));
    const found = d === 2
      ? await inSlices(elboSteps(decoder, x, proposal), { signal })
      : { ...elboMonteCarlo(draws), samples: draws.logW.length };
    elbo.innerHTML = equations.bound(found);
    rise(chart, boundsByDraws(draws.logW), found.value);
    box.setAttribute("aria-busy", "false");
    box.dispatchEvent(new CustomEvent("computed", { bubbles: true, detail: { proposal, found, lower } }));
    spoken.textContent = `ELBO ${fixed(found.value)} nats, bound of ${values.k} draws ${fixed(lower.value)} nats`;
  });
}
