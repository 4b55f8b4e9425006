// The two ends of the walk as pictures, and a tray of digits to put there: dragged, clicked, or by the keyboard. Knows
// nothing of routes, nor of what becomes of a choice.
import { carry } from "./drag.js";
import { fitted, sizeCanvas } from "./ink.js";

export const ENDS = ["a", "b"];
const WORDS = { a: "From", b: "To" };
const DRAWS = 4; // of the prior, a page of the tray
const TILE = 44; // px, a finger's width
const PICK = `
  <div class="pick">
    ${ENDS.map((end) => `<button type="button" class="slot" data-end="${end}"><canvas></canvas>
      <span class="small"><b>${WORDS[end]}</b> <span class="name"></span></span></button>`).join("")}
    <div class="tray" role="toolbar"></div>
  </div>
  <p class="hint small faint"><span></span> <button type="button" class="others small">Other digits</button></p>`;

export const DIGITS = [..."0123456789"];

// A kind of end in words. `prefix` is what a test image of a class is called; of a single class it has no number.
export function nameOf(kind, classes = DIGITS, prefix = "a test digit") {
  const test = classes.length > 1 ? `${prefix} ${kind}` : prefix;
  return { prior: "a draw of the prior", drawing: "your drawing" }[kind] ?? test;
}

// How many pages a tray has: as many as it holds codes of each class.
export function pagesOf({ loc }, classes = DIGITS) {
  return Math.max(1, Math.floor(loc.shape[0] / classes.length));
}

// What stands in a page of the tray, [{ kind, number, z }]: a code of each class, draws of the prior, then the drawing if
// there is one. `tables`: loc [classes · pages, d], class after class, and prior [n, d].
export function candidates(tables, page, drawing, classes = DIGITS) {
  const { loc, prior } = tables;
  const d = loc.shape[1];
  const row = ({ values }, i) => Array.from(values.subarray(i * d, (i + 1) * d));
  const pages = pagesOf(tables, classes);
  const found = classes.map((kind, i) => ({ kind, number: page, z: row(loc, i * pages + page) }));
  for (let i = 0; i < DRAWS; i++) {
    const number = DRAWS * page + i;
    if (number < prior.shape[0]) found.push({ kind: "prior", number, z: row(prior, number) });
  }
  return drawing ? [...found, { kind: "drawing", number: 0, z: drawing }] : found;
}

// Where a key leads in a tray of n tiles, so many a row; null for a key that is not ours.
export function tileAfter(key, at, n, columns) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (step !== undefined) return at + step >= 0 && at + step < n ? at + step : at;
  return { Home: 0, End: n - 1 }[key] ?? null;
}

export class Ends {
  // `choose(end, { kind, number, z })` hears of a choice; `painter` paints the pictures.
  constructor(root, painter, choose) {
    const box = root.appendChild(document.createElement("section"));
    box.setAttribute("aria-label", "Ends of the walk");
    box.innerHTML = PICK;
    const $ = (selector) => box.querySelector(selector);
    Object.assign(this, { painter, choose, box, tray: $(".tray"), hint: $(".hint span"), others: $(".others") });
    this.slots = Object.fromEntries(ENDS.map((end) => [end, $(`.slot[data-end=${end}]`)]));
    this.page = this.at = 0;
    this.tiles = [];
    this.mark("a");
    this.hint.textContent = matchMedia("(hover: none)").matches ? "Drag a digit onto an end, or tap it:" : "Drag a digit onto an end, or click it:";
    this.hint.append(" it goes to the end that is marked.");
    for (const end of ENDS) this.slots[end].addEventListener("click", () => this.mark(end));
    this.others.addEventListener("click", () => {
      this.page = (this.page + 1) % pagesOf(this.tables, this.classes);
      this.fill();
    });
    this.tray.addEventListener("click", ({ target }) => {
      const tile = this.tileOf(target);
      if (tile) this.choose(this.marked, tile.item);
    });
    this.tray.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const columns = this.tiles.filter(({ button }) => button.offsetTop === this.tiles[0].button.offsetTop).length;
      const to = tileAfter(event.key, this.at, this.tiles.length, columns);
      if (to === null) return;
      event.preventDefault();
      this.rove(to);
      this.tiles[to].button.focus();
    });
    this.tray.addEventListener("focusin", ({ target }) => this.rove(this.tiles.indexOf(this.tileOf(target))));
    this.carrying = carry(root, {
      grip: (target) => this.tileOf(target),
      places: () => ENDS.map((name) => ({ name, element: this.slots[name] })),
      over: (end) => ENDS.forEach((name) => this.slots[name].classList.toggle("over", name === end)),
      dropped: (item, end) => {
        this.mark(end);
        this.choose(end, item);
      },
    });
  }

  tileOf(target) {
    const button = target.closest?.(".tile");
    return this.tiles.find((tile) => tile.button === button) ?? null;
  }

  // The end that a click or Enter sets.
  mark(end) {
    this.marked = end;
    for (const name of ENDS) this.slots[name].setAttribute("aria-pressed", String(name === end));
    this.tray.setAttribute("aria-label", `Digits for the end that is marked, “${WORDS[end]}”`);
  }

  rove(to) {
    if (to < 0) return;
    this.at = to;
    this.tiles.forEach(({ button }, i) => { button.tabIndex = i === to ? 0 : -1; });
  }

  // What the test images are: { shape, classes, prefix }.
  of({ shape, classes, prefix }) {
    Object.assign(this, { shape, classes, prefix });
    for (const { canvas } of this.tiles) sizeCanvas(canvas, ...fitted(shape, TILE - 6));
  }

  // The ends as they are: { a: { kind, number, z }, b: … }.
  show(ends) {
    for (const end of ENDS) {
      const { kind, z } = ends[end];
      const canvas = this.slots[end].querySelector("canvas");
      this.slots[end].querySelector(".name").textContent = this.name(kind);
      this.painter.soon(canvas, z);
    }
    this.ends = ends;
    this.showChosen();
  }

  name(kind) {
    return nameOf(kind, this.classes, this.prefix);
  }

  // The pictures of the ends, in CSS pixels.
  size(side) {
    for (const end of ENDS) sizeCanvas(this.slots[end].querySelector("canvas"), ...fitted(this.shape, side));
  }

  showChosen() {
    for (const { button, item } of this.tiles) {
      const chosen = ENDS.some((end) => this.ends?.[end].kind === item.kind && this.ends[end].number === item.number);
      button.classList.toggle("chosen", chosen);
    }
  }

  useTray(tables, drawing) {
    if (tables === this.tables && String(drawing) === String(this.drawing)) return;
    if (tables !== this.tables) this.page = 0;
    Object.assign(this, { tables, drawing });
    this.others.hidden = pagesOf(tables, this.classes) < 2;
    this.fill();
  }

  // The tiles of the page; a tile that stays keeps its node, and the focus with it.
  fill() {
    const items = candidates(this.tables, this.page, this.drawing, this.classes);
    while (this.tiles.length > items.length) {
      const { button, canvas } = this.tiles.pop();
      this.painter.forget(canvas);
      button.remove();
    }
    while (this.tiles.length < items.length) {
      const button = this.tray.appendChild(document.createElement("button"));
      Object.assign(button, { type: "button", className: "tile" });
      const canvas = button.appendChild(document.createElement("canvas"));
      sizeCanvas(canvas, ...fitted(this.shape, TILE - 6));
      this.tiles.push({ button, canvas });
    }
    this.tiles.forEach((tile, i) => {
      tile.item = items[i];
      tile.button.setAttribute("aria-label", `${this.name(items[i].kind)}, number ${items[i].number + 1}`);
      tile.button.title = this.name(items[i].kind);
      this.painter.soon(tile.canvas, items[i].z);
    });
    this.rove(Math.min(this.at, items.length - 1));
    this.showChosen();
  }

  close() {
    this.carrying.stop();
  }
}
