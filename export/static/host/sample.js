// The section that samples the prior: a gallery, the picked digit's two draws, its joint density.
import gallery from "../js/gallery.js";
import { logBernoulli, logStandardNormal } from "../js/numerics.js";
import { svg } from "../js/rail.js";
import { button, make, number, segmented } from "./controls.js";
import { X, joint, vector } from "./equations.js";
import { SHAPE, base64, greys, inks } from "./imagine.js";
import { mount } from "./mount.js";
import { picture } from "./picture.js";

const SIDE = 232;

// Every sample's z on the plane to one scale, the picked one marked, with the prior's circles.
function cloud(drawn, picked) {
  const reach = Math.max(3.3, ...drawn.map(({ z }) => Math.hypot(...z) + 0.3));
  const scale = SIDE / (2 * reach);
  const at = ({ z }) => ({ cx: (z[0] + reach) * scale, cy: (reach - z[1]) * scale });
  const circles = [1, 2, 3].map((sigma) => svg("circle", { class: "sigma", cx: SIDE / 2, cy: SIDE / 2, r: sigma * scale }));
  const names = [1, 2, 3].map((sigma) => svg("text", { x: SIDE / 2, y: SIDE / 2 - sigma * scale - 4 }, `${sigma}σ`));
  const dots = drawn.map((one) => svg("circle", { class: "dot", ...at(one), r: 3 }));
  const mark = svg("circle", { class: "mark", ...at(drawn[picked]), r: 7 });
  const title = svg("title", {}, `the ${drawn.length} draws of z on the plane, with the prior’s circles`);
  return svg("svg", { class: "cloud", width: SIDE, height: SIDE, role: "img" }, title, ...circles, ...names, ...dots, mark);
}

export async function sample(section, context) {
  const { state } = context;
  const again = () => state.set({ seed: (state.values.seed + 1) % 1_000_000, picked: 0 });
  section.querySelector(".controls").append(
    segmented(state, "model", "Model", context.choices),
    segmented(state, "shown", "Show", [["mean", "p(x|z)"], ["draw", "binary x"]]),
    number(state, "n", "How many", 1, 100),
    number(state, "seed", "Seed", 0, 999_999),
    button("Draw again", again, { class: "primary" }),
  );
  const show = await mount("gallery", section.querySelector(".element-box"), gallery, { held: (picked) => state.set({ picked }) });
  const beside = section.querySelector(".beside");
  const [mean, bits] = [picture("the chance of ink at each pixel"), picture("the sample x")];
  const map = make("div");
  const words = make("p", { class: "caption numbers" });
  mean.figure.append(make("figcaption", {}, "p(x|z), the chance of ink"));
  bits.figure.append(Object.assign(make("figcaption"), { innerHTML: `${X}, ink where the coin fell so` }));
  beside.append(map, words, make("div", { class: "pair" }, mean.figure, bits.figure));

  return context.follow(section, ["model", "shown", "n", "seed", "picked"], async (alive) => {
    const drawn = await context.samples();
    if (!alive()) return;
    const picked = Math.min(state.values.picked, drawn.length - 1);
    const images = new Uint8Array(784 * drawn.length);
    drawn.forEach(({ logits, x }, i) => images.set(state.values.shown === "mean" ? greys(logits) : inks(x), 784 * i));
    show({ shape: SHAPE, images: base64(images), label: "Samples", noun: "sample", captions: null }, picked);
    const { z, logits, x } = drawn[picked];
    mean.paint(greys(logits));
    bits.paint(inks(x));
    const planar = z.length === 2;
    map.replaceChildren(...(planar ? [cloud(drawn, picked)] : []));
    const far = planar ? "" : `, ${Math.hypot(...z).toFixed(2)} from the origin`;
    words.innerHTML = `<i class="z">z</i> = ${vector(z)}${far}`;
    section.querySelector(".equations").innerHTML = joint(logStandardNormal(z), logBernoulli(x, logits));
  });
}
