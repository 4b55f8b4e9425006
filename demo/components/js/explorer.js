// The explorer: the plane of decoded digits, one large digit that follows the hand, and log p(x) = ELBO + KL beneath it, or
// log p(x,z) = log p(z) + log p(x|z) of a pinned x. Puts the parts together: decodes in the browser, while the numbers of
// the lattice come from the server. Knows nothing of how weights and lattice were made.
import { REACH, enlarger } from "./enlarge.js";
import { WHOLE, following, placeOf } from "./explorercamera.js";
import { codesOf, looksLike, nearestCodes, saidOfCode } from "./explorercodes.js";
import { followHand } from "./explorerhand.js";
import { Layers } from "./explorerlayers.js";
import { Line } from "./explorerline.js";
import { MARKUP } from "./explorermarkup.js";
import { Mosaic } from "./explorermosaic.js";
import { Nodes } from "./explorernodes.js";
import { jointTerms, packPin, unpackPin } from "./explorerpin.js";
import { keep, recall } from "./held.js";
import { inkTable, onThemeChange, pixelsOf, putDigit, rgb, tellShape } from "./ink.js";
import { inBox, logPrior, sentence, tourPoint, written } from "./latent.js";
import { sigmoid } from "./logits.js";
import { fromShelf } from "./shelf.js";

function create(parentElement) {
  performance.mark("explorer:mounted");
  const root = document.createElement("div");
  root.className = "element explorer";
  root.innerHTML = MARKUP;
  parentElement.append(root);
  const $ = (selector) => root.querySelector(selector);
  const plane = $(".plane");
  const codesCanvas = $(".codes");
  const marker = $(".at");
  const large = $(".digit canvas").getContext("2d");
  const small = $(".example canvas").getContext("2d");
  const line = new Line(root);
  const finger = matchMedia("(hover: none)").matches;

  let z = [0, 0];
  let view = WHOLE;
  let pinned = null; // { text, bits }
  let atCode = null; // { z, label } of the code that was jumped to
  let data = null;
  let send = () => {};
  let decoder = null;
  let tables = null;
  let held = false;
  let side = 0; // of the plane, in CSS pixels: read when it changes, never while drawing
  let looks = "";
  let log = null; // { name, value } for the sentence
  const stops = [];

  // Buffers of the drawing, allocated once for pictures of one shape.
  let shape = null;
  let logits, levels, enlarge, largeImage, smallImage;
  function useShape(next) {
    if (String(next) === String(shape)) return;
    shape = next;
    decoder = null; // that of the shape before
    logits = new Float64Array(pixelsOf(shape));
    levels = new Uint8Array(pixelsOf(shape));
    enlarge = enlarger(shape);
    const [rows, columns] = shape;
    Object.assign(large.canvas, { width: enlarge.width, height: enlarge.height });
    Object.assign(small.canvas, { width: columns, height: rows });
    largeImage = large.createImageData(enlarge.width, enlarge.height);
    smallImage = small.createImageData(columns, rows);
    tellShape(root, shape);
    mosaic.useShape(shape);
  }
  let table = null;
  let byLogit = null;

  // --- Drawing, once a frame --------------------------------------------------------------------
  let frame = 0;
  let asked = 0;
  const request = (time = performance.now()) => {
    if (!asked) asked = time;
    if (!frame) frame = requestAnimationFrame(draw);
  };

  function draw(now) {
    frame = 0;
    if (touring) tour(now);
    const ready = decoder && table;
    if (ready) decoder.decode(z, logits);
    if (ready && pinned) drawPinned(); // before the logits are bounded for the eye
    if (ready) {
      for (let i = 0; i < logits.length; i++) logits[i] = Math.max(-REACH, Math.min(REACH, logits[i]));
      enlarge.into(largeImage, logits, byLogit);
      large.putImageData(largeImage, 0, 0);
      if (!drawn) performance.mark("explorer:drawn");
      drawn = true;
    }
    const [across, down] = placeOf(view, z);
    marker.style.transform = `translate(${(across * side).toFixed(1)}px, ${(down * side).toFixed(1)}px)`;
    if (codes) looks = atCode?.z === z ? saidOfCode(atCode.label, data.kinds) : looksLike(codes, z, data.kinds);
    line.write("looks", looks);
    line.write("z-value", `(${written(z[0])}, ${written(z[1])})`);
    line.write("log-p-z", written(logPrior(z)));
    if (ready && !pinned) drawNode();
    root.dispatchEvent(new CustomEvent("drawn", { detail: { z, view, log, waited: performance.now() - asked } }));
    asked = 0;
    if (!touring) announce();
    if (touring && inSight) request();
  }
  let drawn = false;

  function drawPinned() {
    const { logPz, logPxGivenZ } = jointTerms(pinned.bits, z, logits);
    log = { name: "x,z", value: line.joint(logPz, logPxGivenZ), logPz, logPxGivenZ };
    if (node !== pinned.text) putExample(pinned.text, pinned.bits);
  }

  // x and the three numbers, those of the nearest node of the lattice; without a lattice x is that of z itself.
  let node = -1;
  let codes = null;
  const nodes = new Nodes();
  function drawNode() {
    if (!nodes.axis) {
      putExample(-1, logits.map((logit) => (logit > 0 ? 1 : 0)));
      return;
    }
    const now = nodes.nearest(z);
    if (now === node) return;
    putExample(now, nodes.image(now));
    log = { name: "x", value: line.identity(now) };
  }

  function putExample(of, bits) {
    node = of;
    for (let i = 0; i < levels.length; i++) levels[i] = bits[i] ? 255 : 0;
    putDigit(smallImage, levels, shape, table, 0, 0, 1);
    small.putImageData(smallImage, 0, 0);
  }

  // --- The view and its layers ----------------------------------------------------------------------------------
  const mosaic = new Mosaic($(".mosaic"), (whole) => {
    root.dataset.mosaic = whole ? "whole" : "begun";
    if (!whole) return;
    nodes.prepare();
    arrive();
  });

  // The page may show the plane as a picture until it is whole, or is to look otherwise than that picture.
  const room = document.querySelector(".plane-ahead")?.closest("[class*=st-key-]");
  $(".mosaic").style.visibility = room ? "hidden" : "";
  function arrive() {
    if (room) room.dataset.arrived = "";
    $(".mosaic").style.visibility = "";
  }
  stops.push(() => delete room?.dataset.arrived);
  const tilesAcross = () => (side && side < 440 ? 15 : 21);

  function look(next) {
    if (next.half === view.half && next.z1 === view.z1 && next.z2 === view.z2) return;
    view = next;
    arrive();
    mosaic.show(view);
    layers.draw();
    request();
  }

  const layers = new Layers(root, () => ({ view, side, codes, named: data?.kinds !== "none" }));

  function toggle(button, layer) {
    arrive();
    layer.hidden = !layer.hidden;
    button.setAttribute("aria-pressed", !layer.hidden);
    plane.classList.toggle("with-codes", !codesCanvas.hidden);
    layers.draw();
    tell();
  }
  $(".digits").addEventListener("click", () => toggle($(".digits"), $(".mosaic")));
  $(".dots").addEventListener("click", () => toggle($(".dots"), codesCanvas));
  $(".whole").addEventListener("click", () => {
    look(WHOLE);
    plane.focus({ preventScroll: true }); // the button goes, and focus with it
  });

  // --- Colours --------------------------------------------------------------------------------------------------
  function repaint() {
    table = inkTable(root);
    byLogit = Uint32Array.from({ length: 2 * REACH * 64 }, (_, i) => table[Math.round(255 * sigmoid(i / 64 - REACH))]);
    const [r, g, b] = rgb(getComputedStyle(root).getPropertyValue("--paper").trim() || "#ffffff");
    const dark = r + g + b < 384;
    root.dataset.theme = dark ? "dark" : "light";
    for (const [name, [inLight, inDark]] of Object.entries(data?.colours ?? {})) {
      root.style.setProperty(`--c-${name}`, dark ? inDark : inLight);
    }
    mosaic.repaint(table);
    node = -1;
    layers.draw();
    request();
  }

  // --- The idle tour: until the first touch, and never again on this page ------------------------------------------
  let touring = false;
  let tourStart = null;
  let inSight = true;

  function beginTour() {
    touring = !globalThis.__touched && data.tour && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    plane.classList.toggle("untouched", !globalThis.__touched);
  }

  function tour(now) {
    tourStart ??= now;
    z = tourPoint((now - tourStart) / 1000, data.base);
  }

  function touched() {
    globalThis.__touched = true;
    touring = false;
    plane.classList.remove("untouched");
    sight.disconnect(); // only the tour asks, and what is observed is measured in every frame
  }

  const sight = new IntersectionObserver(([entry]) => {
    inSight = entry.isIntersecting;
    if (inSight && touring) request();
  });
  sight.observe(plane);
  stops.push(() => sight.disconnect());

  // --- What was reached, in words and to the server ----------------------------------------------------------------
  let speaking = 0;
  function announce() {
    clearTimeout(speaking);
    speaking = setTimeout(() => ($(".spoken").textContent = sentence(z, looks, log)), 500);
  }

  let told = "";
  let sending = 0;
  function commit(delay = 0) {
    clearTimeout(sending);
    sending = setTimeout(() => {
      sending = 0;
      const value = pinned ? [...z, pinned.text] : z;
      const message = `${data.number} ${value}`;
      if (message === told) return;
      told = message;
      send("held", keep(data.slot, data.number, value));
    }, delay);
  }

  function tell() {
    plane.setAttribute("aria-valuenow", z[0]);
    plane.setAttribute("aria-valuetext", [`z1 ${written(z[0])}, z2 ${written(z[1])}`, looks].filter(Boolean).join(", "));
    plane.classList.toggle("held", held);
    const wheel = held || plane.matches(":focus") ? "wheel zooms" : "Ctrl + wheel zooms";
    const hand = codesCanvas.hidden ? "click to hold" : "click a code to go to it";
    $(".how").textContent = finger ? "Drag to decode, pinch to zoom" : held ? `Held: click to let go; ${wheel}` : `Move to decode, ${hand}; ${wheel}`;
  }

  // --- Hand and keys ------------------------------------------------------------------------------------------------
  function pin(next) {
    pinned = next;
    node = -1;
    log = null;
    $(".pin").setAttribute("aria-pressed", Boolean(pinned));
    $(".pin").innerHTML = pinned ? "Unpin" : 'Pin this <i class="x">x</i>';
    line.begin(tables, Boolean(pinned));
    request();
  }

  function togglePin() {
    if (!decoder || !table) return;
    const bits = Uint8Array.from(levels, (level) => (level ? 1 : 0));
    touched();
    pin(pinned ? null : { text: packPin(bits), bits });
    commit();
  }
  $(".pin").addEventListener("click", togglePin);

  // To the code nearest to z, exactly, if it lies no further than `reach`; whether it does.
  function toCode(reach) {
    if (codesCanvas.hidden || !codes) return false;
    const [nearest] = nearestCodes(codes, z, 1);
    if (!nearest || nearest.distance > reach) return false;
    z = inBox([codes.loc[2 * nearest.index], codes.loc[2 * nearest.index + 1]]);
    atCode = { z, label: codes.label[nearest.index] };
    held = true;
    look(following(view, z));
    request();
    return true;
  }

  const scene = {
    get view() { return view; },
    get z() { return z; },
    get held() { return held; },
    touched,
    look,
    goTo(next, time) {
      z = inBox(next);
      request(time);
    },
    step(next, time) {
      z = next;
      held = true;
      look(following(view, z));
      request(time);
      settled(250);
    },
    settle(stay, reach) {
      held = toCode((reach / Math.max(1, side)) * 2 * view.half) || stay;
      settled(0);
    },
    toCode() {
      if (toCode(Infinity)) settled(0);
    },
    pin: togglePin,
  };
  // `looks` is told with the frame that draws z, hence after it.
  function settled(delay) {
    requestAnimationFrame(tell);
    commit(delay);
  }
  const hand = followHand(plane, scene);
  plane.addEventListener("focus", () => {
    touched();
    tell();
  });
  plane.addEventListener("blur", () => {
    tell();
    if (sending) commit();
  });

  const size = new ResizeObserver(([{ contentRect }]) => {
    side = contentRect.width;
    if (decoder && table && mosaic.n !== tilesAcross()) mosaic.begin(decoder, tilesAcross());
    layers.draw();
    request();
  });
  size.observe(plane);
  stops.push(hand.stop, () => size.disconnect(), onThemeChange(root, () => {
    arrive();
    repaint();
  }));

  // --- From the shelf and from the page ---------------------------------------------------------------------------
  let waiting = [];

  function useDecoder(next) {
    if (next === decoder) return;
    decoder = next;
    node = -1;
    nodes.begin(decoder, tables?.axis?.values);
    side ||= plane.clientWidth;
    if (table) mosaic.begin(decoder, tilesAcross());
    request();
  }

  function useTables(next) {
    tables = next;
    node = -1;
    nodes.begin(decoder, tables.axis?.values);
    codes = codesOf(tables);
    $(".dots").hidden = !codes;
    line.begin(tables, Boolean(pinned));
    if (root.dataset.mosaic === "whole") nodes.prepare();
    layers.draw();
    request();
  }

  function update(next, setStateValue) {
    send = setStateValue;
    const first = data === null;
    const renewed = first || next.number !== data.number;
    const changed = first || next.model !== data.model || next.tables !== data.tables;
    data = next;
    useShape(data.shape);
    if (first) root.classList.toggle("awaiting-line", Boolean(next.tables));
    if (renewed && !hand.busy()) {
      const value = first ? recall(next.slot, next.number, next.base) : next.base;
      z = inBox(value);
      view = following(view, z);
      const bits = unpackPin(value[2], logits.length);
      pin(bits ? { text: value[2], bits } : null);
    }
    if (renewed && !first) touched();
    if (first) {
      $(".hint").textContent = finger ? "drag over the plane" : "move over the plane";
      beginTour();
    }
    repaint();
    tell();
    if (!changed) return;
    waiting.forEach((stop) => stop());
    waiting = [fromShelf(`decoder:${next.model}`, useDecoder), fromShelf(`tables:${next.tables}`, useTables)];
  }

  function destroy() {
    [...stops, ...waiting].forEach((stop) => stop());
    cancelAnimationFrame(frame);
    [mosaic, nodes, layers].forEach((part) => part.halt());
    clearTimeout(speaking);
    clearTimeout(sending);
    root.remove();
  }

  return { update, destroy };
}

export default function ({ data, parentElement, setStateValue }) {
  parentElement.explorer ??= create(parentElement);
  parentElement.explorer.update(data[0], setStateValue);
  return () => {
    parentElement.explorer?.destroy();
    delete parentElement.explorer;
  };
}
