// The section that walks past some latents: two ends, digits on the way, a route between them.
import { DIGITS, nameOf, pagesOf } from "../js/railends.js";
import player from "../js/player.js";
import { button, make, segmented, select } from "./controls.js";
import { SHAPE, priorDraw } from "./imagine.js";
import { mount } from "./mount.js";

const FRAMES = 60;
const KINDS = [...DIGITS, "prior", "drawing"].map((kind) => [kind, nameOf(kind)]);
const WAYS = [["", "no other"], ["5", "a 5"], ["27", "a 2 and a 7"], ["1246", "1, 2, 4 and 6"]];

export async function walk(section, context) {
  const { state, models } = context;
  const another = (end) => () => state.set({ [`${end}_n`]: (state.values[`${end}_n`] + 1) % 10_000 });
  const swap = () => {
    const { a, b, a_n, b_n, via, t } = state.values;
    state.set({ a: b, b: a, a_n: b_n, b_n: a_n, via: [...via].reverse().join(""), t: 1 - t });
  };
  const end = (name, legend) => make("div", { class: "end" }, select(state, name, legend, KINDS),
    button("Another", another(name), { "aria-label": `Another digit for “${legend}”` }));
  const ways = WAYS.some(([digits]) => digits === state.values.via) ? WAYS : [...WAYS, [state.values.via, [...state.values.via].join(", ")]];
  section.querySelector(".controls").append(
    segmented(state, "model", "Model", context.choices),
    segmented(state, "route", "Route", [["straight", "straight"], ["great circle", "great circle"]]),
    button("Swap", swap),
    make("details", {}, make("summary", {}, "More"), make("div", { class: "controls" },
      end("a", "From"),
      end("b", "To"),
      select(state, "via", "On the way", ways),
      segmented(state, "closed", "At the end", [["no", "stay"], ["yes", "back to the start"]]))),
  );
  let heard = 0;
  const show = await mount("player", section.querySelector(".element-box"), player, {
    held: (t) => state.set({ t }),
    chosen: ({ number, ends }) => {
      heard = number;
      state.set(Object.fromEntries(Object.entries(ends).flatMap(([name, [kind, n]]) => [[name, kind], [`${name}_n`, n]])));
    },
  });

  // The latent of one stop: a test digit's code, the first draw of a seed, or the mean of q for the digit on the pad.
  async function latent(kind, count) {
    const id = context.model;
    const d = models.row(id).latent_dim;
    if (kind === "prior") return priorDraw(d, count);
    if (kind === "drawing") {
      const x = await context.subject();
      return (await models.get(id, "encoder")).encode(x ?? new Uint8Array(784)).loc;
    }
    const tray = await models.get(id, "ends");
    const pages = pagesOf(tray);
    const i = Number(kind) * pages + (count % pages);
    return tray.loc.values.slice(i * d, (i + 1) * d);
  }

  let before = null;
  return context.follow(section, ["model", "a", "a_n", "b", "b_n", "via", "closed", "route", "bits"], async (alive) => {
    const { a, b, a_n, b_n, via, closed, route, bits } = state.values;
    const id = context.model;
    const drawn = a === "drawing" || b === "drawing";
    const kinds = [[a, a_n], ...[...via].map((kind) => [kind, 0]), [b, b_n], ...(closed === "yes" ? [[a, a_n]] : [])];
    const stops = await Promise.all(kinds.map(([kind, count]) => latent(kind, count)));
    const drawing = drawn ? Array.from(await latent("drawing", 0)) : null;
    await Promise.all([models.get(id, "decoder"), models.get(id, "ends")]);
    if (!alive()) return;
    const about = JSON.stringify([id, kinds, route, drawn ? [bits, context.key] : null]);
    const renewed = about !== before;
    before = about;
    show({ model: id, shape: SHAPE, classes: DIGITS, prefix: "a test digit", stops: stops.map((z) => Array.from(z)), route, frames: Math.max(4, Math.round(FRAMES / (stops.length - 1))),
      closed: closed === "yes", ends: { a: [a, a_n], b: [b, b_n] }, tray: models.row(id).tray, drawing, heard,
      prior: context.listing.colours.prior }, state.values.t, renewed);
    section.querySelector(".caption").textContent = `Scrub, play, or click a picture. Each is one decoding, none is blended from its neighbours. ${
      context.planar
        ? "On the map, dots are the codes of test digits and circles the prior’s 1σ, 2σ and 3σ."
        : "A straight line between far codes cuts through the middle, where the prior has hardly any mass; the great circle keeps its distance from the origin. Compare log p(z) along both."}`;
  });
}
