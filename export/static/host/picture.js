// A small digit on the page itself, in the theme's ink. Knows nothing of what the digit is.
import { inkTable, onThemeChange, paintDigit, sizeCanvas } from "../js/ink.js";
import { make } from "./controls.js";
import { SHAPE } from "./imagine.js";

// → { figure, paint(greys) }, greys being 784 bytes, 255 for ink.
export function picture(label, side = 112) {
  const canvas = make("canvas", { role: "img", "aria-label": label });
  const figure = make("figure", { class: "picture" }, canvas);
  let shown = null;
  const paint = (greys = shown) => {
    shown = greys;
    if (!greys) return;
    sizeCanvas(canvas, side);
    paintDigit(canvas, greys, SHAPE, inkTable(document.body), 1);
  };
  onThemeChange(document.body, () => paint());
  return { figure, paint };
}
