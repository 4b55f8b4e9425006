// The section that walks between two latents: ends, a route, the film along it.
import { logStandardNormal } from "../js/numerics.js";
import player from "../js/player.js";
import { ROUTES } from "../js/routes.js";
import { inSlices } from "../js/slices.js";
import { button, make, segmented, select } from "./controls.js";
import { base64, greys, priorDraw } from "./imagine.js";
import { mount } from "./mount.js";

const FRAMES = 61;
const KINDS = [...[..."0123456789"].map((digit) => [digit, `a digit ${digit}`]), ["prior", "a draw of the prior"], ["drawing", "the digit on the pad"]];
const nameOf = (kind) => KINDS.find(([value]) => value === kind)[1];

// Decodes each point of the path, one after the other: 784 bytes a frame.
function* film(decoder, path) {
  const frames = new Uint8Array(784 * path.length);
  for (let i = 0; i < path.length; i++) {
    frames.set(greys(decoder.decode(path[i])), 784 * i);
    yield;
  }
  return frames;
}

export async function walk(section, context) {
  const { state, models } = context;
  const another = (end) => () => state.set({ [`${end}_n`]: (state.values[`${end}_n`] + 1) % 10_000 });
  const swap = () => {
    const { a, b, a_n, b_n, t } = state.values;
    state.set({ a: b, b: a, a_n: b_n, b_n: a_n, t: 1 - t });
  };
  const end = (name, legend) => make("div", { class: "end" }, select(state, name, legend, KINDS),
    button("Another", another(name), { "aria-label": `Another start for “${legend}”` }));
  section.querySelector(".controls").append(
    segmented(state, "model", "Model", context.choices),
    end("a", "From"),
    end("b", "To"),
    segmented(state, "route", "Route", [["straight", "straight"], ["great circle", "great circle"]]),
    button("Swap", swap),
  );
  const show = await mount("player", section.querySelector(".element-box"), player, (t) => state.set({ t }));

  // The latent of one end: a test digit's code, the first draw of a seed, or the mean of q for the digit on the pad.
  async function latent(kind, count) {
    const id = context.model;
    if (kind === "prior") return priorDraw(models.row(id).latent_dim, count);
    if (kind === "drawing") {
      const x = await context.subject();
      return (await models.get(id, "encoder")).encode(x ?? new Uint8Array(784)).loc;
    }
    const { loc, label } = await models.get(id, "ends");
    const d = loc.shape[1];
    const own = Array.from(label.values.keys()).filter((i) => label.values[i] === Number(kind));
    const i = own[count % own.length];
    return Float64Array.from(loc.values.subarray(i * d, (i + 1) * d));
  }

  async function dots(id) {
    if (!context.planar) return null;
    const { loc, label } = await models.get(id, "tables");
    const rows = [];
    for (let i = 0; i < label.values.length; i += 8) rows.push(loc.values[2 * i], loc.values[2 * i + 1], label.values[i]);
    return base64(new Uint8Array(Float32Array.from(rows).buffer));
  }

  let before = null;
  return context.follow(section, ["model", "a", "a_n", "b", "b_n", "route", "bits"], async (alive) => {
    const { a, b, a_n, b_n, route, bits } = state.values;
    const id = context.model;
    const about = JSON.stringify([id, a, a_n, b, b_n, route, a === "drawing" || b === "drawing" ? [bits, context.key] : null]);
    if (about === before) return;
    const [decoder, background, ...ends] = await Promise.all([
      models.get(id, "decoder"), dots(id), latent(a, a_n), latent(b, b_n)]);
    if (!alive()) return;
    const path = Array.from({ length: FRAMES }, (_, i) => ROUTES[route](...ends, i / (FRAMES - 1)));
    const frames = await inSlices(film(decoder, path));
    if (!alive()) return;
    before = about;
    show({ frames: base64(frames), log_p_z: path.map(logStandardNormal), labels: [nameOf(a), nameOf(b)],
      path: context.planar ? path : null, background, prior: context.listing.colours.prior }, state.values.t, true);
    section.querySelector(".caption").textContent = `Scrub, play, or click a frame. Each frame is one decoding, none is blended from its neighbours. ${
      context.planar
        ? "On the map, dots are the codes of test digits and circles the prior’s 1σ, 2σ and 3σ."
        : "A straight line between far codes cuts through the middle, where the prior has hardly any mass; the great circle keeps its distance from the origin. Compare log p(z) along both."}`;
  });
}
