// What lies over the plane of digits: the prior's circles and, where they are asked for, the codes of the test digits.
// Drawn once a frame however often it is asked. Knows nothing of pointers, decoders or numbers.
import { isWhole } from "./explorercamera.js";
import { classesOf, drawCodes } from "./explorercodes.js";
import { sigmas } from "./explorermarkup.js";

export class Layers {
  // `seen()` tells the view, the side of the plane in CSS pixels and the codes, null for none, and whether their
  // classes have names.
  constructor(root, seen) {
    const $ = (selector) => root.querySelector(selector);
    Object.assign(this, { root, seen, sigmas: $(".sigmas"), whole: $(".whole"), canvas: $(".codes"), frame: 0 });
  }

  draw() {
    this.frame ||= requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.frame = 0;
    const { view, side, codes, named } = this.seen();
    const { viewBox, em, inside } = sigmas(view);
    this.sigmas.setAttribute("viewBox", viewBox);
    this.sigmas.style.setProperty("--em", `${em}px`);
    this.sigmas.innerHTML = inside;
    this.whole.hidden = isWhole(view);
    if (this.canvas.hidden || !codes || !side) return;
    const ratio = devicePixelRatio;
    const dots = Math.round(side * ratio);
    if (this.canvas.width !== dots) this.canvas.width = this.canvas.height = dots;
    const styles = getComputedStyle(this.root);
    const [ink, paper] = ["--ink", "--paper"].map((name) => styles.getPropertyValue(name));
    if (this.of !== codes) [this.of, this.classes] = [codes, classesOf(codes)];
    drawCodes(this.canvas, codes, this.classes, view, { named, dark: this.root.dataset.theme === "dark", ink, paper, ratio });
  }

  halt() {
    cancelAnimationFrame(this.frame);
  }
}
