// The section with the explorer. Knows nothing of other sections.
import explorer from "../js/explorer.js";
import { mount } from "./mount.js";

export async function plane(section, { state, models, listing, first }, linked) {
  const box = section.querySelector(".element-box");
  const show = await mount("explorer", box, explorer, ([z1, z2]) => state.set({ z1, z2 }));
  const { z1, z2 } = state.values;
  show({ model: first, tables: models.row(first).tables, tour: !linked, colours: listing.colours }, [z1, z2]);
  await Promise.all([models.get(first, "decoder"), models.get(first, "tables")]);
}
