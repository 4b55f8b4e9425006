// The section with the explorer. Knows nothing of other sections.
import explorer from "../js/explorer.js";
import { SHAPE } from "./imagine.js";
import { mount } from "./mount.js";

export async function plane(section, { state, models, listing, first }, linked) {
  const box = section.querySelector(".element-box");
  const show = await mount("explorer", box, explorer, { held: ([z1, z2, pin = ""]) => state.set({ z1, z2, pin }) });
  const { z1, z2, pin } = state.values;
  show({ model: first, shape: SHAPE, kinds: "digits", tables: models.row(first).tables, tour: !linked, colours: listing.colours }, pin ? [z1, z2, pin] : [z1, z2]);
  await Promise.all([models.get(first, "decoder"), models.get(first, "tables")]);
}
