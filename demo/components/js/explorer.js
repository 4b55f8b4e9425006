// The explorer: the plane of decoded digits, one large digit that follows the hand, and log p(x) = ELBO + KL beneath it.
// Decodes in the browser; the three numbers come from a lattice computed on the server. Knows nothing of how they were made.
import { fromShelf, sigmoid } from "./decoder.js";
import { ENLARGED, REACH, enlargeInto } from "./enlarge.js";
import { keep, recall } from "./held.js";
import { BOX, afterKey, fromCentre, inBox, lensWidth, logPrior, nearestNode, rulerEnds, sentence, tourPoint, written } from "./latent.js";
import { PIXELS, SIDE, inkTable, onThemeChange, putDigit, rgb } from "./ink.js";

const MARKUP = `
<div class="plane-box">
  <div class="plane" tabindex="0" role="slider" aria-roledescription="two-dimensional slider" aria-valuemin="-3" aria-valuemax="3"
    aria-label="Latent plane, z1 across and z2 up. Arrow keys move z by 0.05, with Shift by 0.5, Home to the origin.">
    <canvas class="mosaic"></canvas>
    <canvas class="codes" hidden></canvas>
    <svg class="sigmas" viewBox="-3 -3 6 6" aria-hidden="true"></svg>
    <div class="at"><i></i></div>
    <div class="hint" aria-hidden="true"></div>
  </div>
  <div class="beneath small faint"><span class="how"></span><button type="button" class="layer" aria-pressed="false" hidden>Show 10,000 test codes</button></div>
</div>
<figure class="digit"><canvas width="${SIDE * ENLARGED}" height="${SIDE * ENLARGED}"></canvas>
  <figcaption class="small faint">Decoded at <i class="z">z</i>: grey is the chance of ink</figcaption></figure>
<figure class="example"><canvas width="${SIDE}" height="${SIDE}"></canvas>
  <figcaption class="small faint"><i class="x">x</i>: ink where its chance is over ½</figcaption></figure>
<p class="where numbers"><span><span class="math"><i class="z">z</i> = </span><output class="z-value"></output></span>
  <span><span class="math">log <i class="prior">p</i>(<i class="z">z</i>) = </span><output class="log-p-z"></output> <small class="faint">nats</small></span></p>
<div class="line">
  <div class="equation numbers">
    <div class="term"><span class="symbol math">log <i class="evidence">p</i>(<i class="x">x</i>)</span><output class="evidence-value"></output><span class="word">evidence</span></div>
    <div class="op math"><span>=</span><span>=</span></div>
    <div class="term"><span class="symbol math">ELBO</span><output class="elbo-value"></output><span class="word">lower bound</span></div>
    <div class="op math"><span>+</span><span>+</span></div>
    <div class="term gap-term"><span class="symbol math"><span class="upright">KL</span>(<i class="q">q</i><span class="bars">‖</span><i class="posterior">p</i>(<i class="z">z</i>|<i class="x">x</i>))</span><output class="gap-value"></output><span class="word">gap, in nats</span></div>
  </div>
  <div class="ruler numbers" aria-hidden="true">
    <div class="ticks small faint"></div>
    <div class="strip"><b></b><s></s><u></u></div>
    <div class="beam"></div>
    <div class="strip lens"><b></b><s></s><u></u></div>
    <div class="reading small faint"></div>
  </div>
  <p class="note small faint"></p>
</div>
<div class="spoken" aria-live="polite"></div>`;

const CLASS_COLOURS = ["#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#777777"];

function create(parentElement) {
  const root = document.createElement("div");
  root.className = "element explorer";
  root.innerHTML = MARKUP;
  parentElement.append(root);
  const $ = (selector) => root.querySelector(selector);
  const plane = $(".plane");
  const large = $(".digit canvas").getContext("2d");
  const small = $(".example canvas").getContext("2d");
  const mosaic = $(".mosaic").getContext("2d");
  const at = $(".at");
  const ruler = $(".ruler");
  const reading = $(".reading");
  const shown = Object.fromEntries([...root.querySelectorAll("output")].map((output) => [output.className, output]));
  const finger = matchMedia("(hover: none)").matches;

  let z = [0, 0];
  let data = null;
  let send = () => {};
  let decoder = null;
  let tables = null;
  let held = false;
  let node = -1;
  let numbers = null;
  const stops = [];

  // Buffers of the drawing, allocated once.
  const logits = new Float32Array(PIXELS);
  const levels = new Uint8Array(PIXELS);
  const rows = new Float32Array(SIDE * SIDE * ENLARGED);
  const largeImage = large.createImageData(SIDE * ENLARGED, SIDE * ENLARGED);
  const smallImage = small.createImageData(SIDE, SIDE);
  const tileImage = mosaic.createImageData(SIDE, SIDE);
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
    if (decoder && table) {
      decoder.decode(z, logits);
      for (let i = 0; i < PIXELS; i++) logits[i] = Math.max(-REACH, Math.min(REACH, logits[i]));
      enlargeInto(largeImage, logits, byLogit, rows);
      large.putImageData(largeImage, 0, 0);
    }
    const side = plane.clientWidth;
    at.style.transform = `translate(${((z[0] + BOX) / (2 * BOX)) * side}px, ${((BOX - z[1]) / (2 * BOX)) * side}px)`;
    shown["z-value"].textContent = `(${written(z[0])}, ${written(z[1])})`;
    shown["log-p-z"].textContent = written(logPrior(z));
    drawLine();
    root.dispatchEvent(new CustomEvent("drawn", { detail: { z, waited: performance.now() - asked } }));
    asked = 0;
    if (!touring) announce();
    if (touring && inSight) request();
  }

  // x and the three numbers, those of the nearest node of the lattice.
  function drawLine() {
    const axis = tables?.axis?.values;
    const point = axis ? [nearestNode(axis, z[0]), nearestNode(axis, z[1])] : null;
    const now = point ? point[1] * axis.length + point[0] : -1;
    if (decoder && table && (now !== node || now === -1)) {
      decoder.decode(point ? point.map((i) => axis[i]) : z, logits);
      for (let i = 0; i < PIXELS; i++) levels[i] = logits[i] > 0 ? 255 : 0;
      putDigit(smallImage, levels, table, 0, 0, 1);
      small.putImageData(smallImage, 0, 0);
      node = now;
    }
    if (!point) return;
    const evidence = tables.log_p_x.values[now];
    const elbo = tables.elbo.values[now];
    const gap = tables.kl.values[now];
    numbers = { evidence, elbo, gap };
    shown["evidence-value"].textContent = written(evidence);
    shown["elbo-value"].textContent = written(elbo);
    shown["gap-value"].textContent = written(gap);
    const [low, high] = ends;
    const share = (value) => `${Math.max(0, (100 * (value - low)) / (high - low))}%`;
    const width = lensWidth(gap, lens);
    const { style } = ruler;
    style.setProperty("--elbo", share(elbo));
    style.setProperty("--evidence", share(evidence));
    style.setProperty("--from", share(evidence - width));
    style.setProperty("--lens-elbo", `${100 * (1 - gap / width)}%`);
    if (width !== lens) reading.textContent = `the last ${width} nats, ${written((high - low) / width, 0)} times as large`;
    lens = width;
  }

  // --- The mosaic, from the centre out, at most 8 ms at a time ---------------------------------------------------
  let tiles = [];
  let done = 0;
  let slice = 0;
  let inks = null;
  const count = () => (plane.clientWidth && plane.clientWidth < 440 ? 15 : 21);

  function beginMosaic() {
    const n = count();
    tiles = fromCentre(n);
    done = 0;
    inks = new Uint8Array(tiles.length * PIXELS);
    mosaic.canvas.width = mosaic.canvas.height = n * SIDE;
    if (!slice) slice = requestAnimationFrame(continueMosaic);
  }

  function continueMosaic() {
    slice = 0;
    const n = Math.sqrt(tiles.length);
    const until = performance.now() + 8 - 1.5;
    while (done < tiles.length && performance.now() < until) {
      const [row, column] = tiles[done];
      decoder.decode([((column + 0.5) / n - 0.5) * 2 * BOX, (0.5 - (row + 0.5) / n) * 2 * BOX], logits);
      const ink = inks.subarray(done * PIXELS, (done + 1) * PIXELS);
      for (let i = 0; i < PIXELS; i++) ink[i] = Math.round(255 * sigmoid(logits[i]));
      putTile(done++);
    }
    if (done < tiles.length) slice = requestAnimationFrame(continueMosaic);
    else root.dataset.mosaic = "whole";
  }

  function putTile(i) {
    putDigit(tileImage, inks.subarray(i * PIXELS, (i + 1) * PIXELS), table, 0, 0, 1);
    mosaic.putImageData(tileImage, tiles[i][1] * SIDE, tiles[i][0] * SIDE);
  }

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
    for (let i = 0; i < done; i++) putTile(i);
    node = -1;
    if (!$(".codes").hidden) drawCodes();
    request();
  }

  function drawSigmas() {
    const circle = (sigma) =>
      `<circle r="${sigma}"/><text x="${-sigma * Math.SQRT1_2}" y="${-sigma * Math.SQRT1_2}">${sigma}σ</text>`;
    $(".sigmas").innerHTML = `<path d="M-3 0H3M0-3V3"/>${[1, 2, 3].map(circle).join("")}
      <text class="axis end" x="2.93" y="-0.13"><tspan>z</tspan>₁</text><text class="axis" x="0.09" y="-2.8"><tspan>z</tspan>₂</text>`;
  }

  // --- The test codes, a layer ----------------------------------------------------------------------------------
  function drawCodes() {
    const canvas = $(".codes");
    const side = plane.clientWidth * devicePixelRatio;
    canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    const { values: loc } = tables.loc;
    const { values: label } = tables.label;
    const dot = 1.1 * devicePixelRatio;
    const styles = getComputedStyle(root);
    const ink = styles.getPropertyValue("--ink");
    const paper = styles.getPropertyValue("--paper");
    const x = (value) => ((value + BOX) / (2 * BOX)) * side;
    const y = (value) => ((BOX - value) / (2 * BOX)) * side;
    const middle = [];
    for (let digit = 0; digit < 10; digit++) {
      context.fillStyle = root.dataset.theme === "dark" ? `color-mix(in srgb, ${CLASS_COLOURS[digit]} 60%, white)` : CLASS_COLOURS[digit];
      const own = [];
      for (let i = 0; i < label.length; i++) {
        if (label[i] !== digit) continue;
        own.push([loc[2 * i], loc[2 * i + 1]]);
        context.beginPath();
        context.arc(x(loc[2 * i]), y(loc[2 * i + 1]), dot, 0, 7);
        context.fill();
      }
      if (own.length) middle.push([digit, ...[0, 1].map((k) => own.map((p) => p[k]).sort((a, b) => a - b)[own.length >> 1])]);
    }
    Object.assign(context, { font: `600 ${17 * devicePixelRatio}px sans-serif`, textAlign: "center", textBaseline: "middle", lineJoin: "round" });
    for (const [digit, z1, z2] of middle) {
      Object.assign(context, { strokeStyle: paper, fillStyle: ink, lineWidth: 4 * devicePixelRatio });
      context.strokeText(digit, x(z1), y(z2));
      context.fillText(digit, x(z1), y(z2));
    }
  }

  $(".layer").addEventListener("click", () => {
    const show = $(".codes").hidden;
    $(".codes").hidden = !show;
    plane.classList.toggle("with-codes", show);
    $(".layer").setAttribute("aria-pressed", show);
    if (show) drawCodes();
  });

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
    speaking = setTimeout(() => ($(".spoken").textContent = sentence(z, numbers)), 500);
  }

  let told = "";
  let sending = 0;
  function commit(delay = 0) {
    clearTimeout(sending);
    sending = setTimeout(() => {
      sending = 0;
      const message = `${data.number} ${z}`;
      if (message === told) return;
      told = message;
      send("held", keep(data.slot, data.number, z));
    }, delay);
  }

  function tell() {
    plane.setAttribute("aria-valuenow", z[0]);
    plane.setAttribute("aria-valuetext", `z1 ${written(z[0])}, z2 ${written(z[1])}`);
    plane.classList.toggle("held", held);
    $(".how").textContent = finger ? "Drag to decode" : held ? "Held: click to let go, or drag" : "Move to decode, click to hold";
  }

  // --- Hand and keys ------------------------------------------------------------------------------------------------
  let pressed = null; // { x, y, wasHeld, moved } of the press in progress

  function goTo(event) {
    const box = plane.getBoundingClientRect();
    const across = (event.clientX - box.left) / box.width;
    const down = (event.clientY - box.top) / box.height;
    z = inBox([(across * 2 - 1) * BOX, (1 - down * 2) * BOX]);
    request(event.timeStamp);
  }

  plane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    touched();
    plane.setPointerCapture(event.pointerId);
    pressed = { x: event.clientX, y: event.clientY, wasHeld: held, moved: false };
    goTo(event);
  });
  plane.addEventListener("pointermove", (event) => {
    if (!event.isPrimary) return;
    if (pressed) pressed.moved ||= Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > 4;
    else if (held || event.pointerType === "touch") return;
    touched();
    goTo(event);
  });
  plane.addEventListener("pointerup", (event) => {
    if (!pressed || !event.isPrimary) return;
    held = pressed.moved || event.pointerType === "touch" || !pressed.wasHeld;
    pressed = null;
    tell();
    commit();
  });
  plane.addEventListener("pointercancel", () => (pressed = null));
  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const next = afterKey(z, event.key, event.shiftKey);
    if (next === null) return;
    event.preventDefault();
    touched();
    held = true;
    z = next;
    request(event.timeStamp);
    tell();
    commit(250);
  });
  plane.addEventListener("focus", touched);
  plane.addEventListener("blur", () => sending && commit());

  const size = new ResizeObserver(() => {
    if (!$(".codes").hidden) drawCodes();
    request();
  });
  size.observe(plane);
  stops.push(() => size.disconnect(), onThemeChange(root, repaint));

  // --- From the shelf and from the page ---------------------------------------------------------------------------
  let ends = [-200, 0];
  let lens = 0;
  let waiting = [];

  function useDecoder(next) {
    if (next === decoder) return;
    decoder = next;
    node = -1;
    if (table) beginMosaic();
    request();
  }

  function useTables(next) {
    tables = next;
    node = -1;
    const known = Boolean(tables.log_p_x);
    root.classList.toggle("without-line", !known);
    root.classList.remove("awaiting-line");
    $(".layer").hidden = !tables.loc;
    if (known) {
      const n = tables.axis.values.length;
      ends = rulerEnds(tables.log_p_x.values);
      lens = 0;
      const [low, high] = ends;
      const ticks = Array.from({ length: (high - low) / 50 + 1 }, (_, i) => low + 50 * i);
      $(".ticks").innerHTML = ticks
        .map((tick) => `<span style="left:${(100 * (tick - low)) / (high - low)}%">${written(tick, 0)}</span>`)
        .join("");
      $(".note").innerHTML = `<i class="x">x</i> and the three numbers belong to the nearest of ${n}&nbsp;×&nbsp;${n} points of the plane; log&nbsp;<i>p</i>(<i>x</i>) was computed there by brute force.`;
    }
    request();
  }

  function update(next, setStateValue) {
    send = setStateValue;
    const first = data === null;
    const renewed = first || next.number !== data.number;
    const changed = first || next.model !== data.model || next.tables !== data.tables;
    if (renewed && !pressed) z = inBox(first ? recall(next.slot, next.number, next.base) : next.base);
    if (renewed && !first) touched();
    data = next;
    if (first) {
      root.classList.add(next.tables ? "awaiting-line" : "without-line");
      $(".hint").textContent = finger ? "drag over the plane" : "move over the plane";
      drawSigmas();
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
    cancelAnimationFrame(slice);
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
