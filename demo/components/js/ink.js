// Paints 28×28 digits as ink on paper in the colours of the theme. Knows nothing of models or of what a digit means.

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;

// A CSS colour (any notation the browser knows) as [r, g, b], each 0 to 255.
export function rgb(colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

// 256 RGBA words, little-endian, from paper (probability 0) to ink (1), in the element's theme: dark ink on light
// paper in the light theme, light on dark in the dark one.
export function inkTable(element) {
  const styles = getComputedStyle(element);
  const paper = rgb(styles.getPropertyValue("--paper").trim() || "#ffffff");
  const ink = rgb(styles.getPropertyValue("--ink").trim() || "#000000");
  return Uint32Array.from({ length: 256 }, (_, level) => {
    const [r, g, b] = paper.map((p, i) => Math.round(p + ((ink[i] - p) * level) / 255));
    return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  });
}

// Writes one digit (784 values, probabilities 0 to 1, or bytes 0 to 255 where `scale` is 1) into an ImageData at
// column x0, row y0, one pixel of the image for one pixel of the digit.
export function putDigit(image, digit, table, x0 = 0, y0 = 0, scale = 255) {
  const words = new Uint32Array(image.data.buffer);
  for (let row = 0; row < SIDE; row++) {
    let at = (y0 + row) * image.width + x0;
    for (let i = row * SIDE; i < (row + 1) * SIDE; i++) words[at++] = table[Math.round(digit[i] * scale)];
  }
}

// Calls `repaint` whenever the page's theme changes under the element; returns a function that stops it.
export function onThemeChange(element, repaint) {
  let last = "";
  const look = () => {
    const styles = getComputedStyle(element);
    const now = styles.getPropertyValue("--paper") + styles.getPropertyValue("--ink");
    if (now !== last && last !== "") repaint();
    last = now;
  };
  look();
  const timer = setInterval(look, 500);
  return () => clearInterval(timer);
}

// A canvas of `side` CSS pixels with as many dots as the screen has for them. Clears it where the size changed.
export function sizeCanvas(canvas, side) {
  const dots = Math.max(1, Math.round(side * (globalThis.devicePixelRatio || 1)));
  if (canvas.width !== dots || canvas.height !== dots) canvas.width = canvas.height = dots;
  canvas.style.width = canvas.style.height = `${side}px`;
}

// Paints one digit over the whole of a square canvas of any size. Where a pixel of the digit is no whole number of
// dots, it is enlarged sharply first and then shrunk smoothly, so that all pixels look equally large.
export function paintDigit(canvas, digit, table, scale = 255) {
  const scratch = (paintDigit.scratch ??= [0, 1].map(() => document.createElement("canvas")));
  const [small, large] = scratch;
  if (small.width !== SIDE) small.width = small.height = SIDE;
  const image = new ImageData(SIDE, SIDE);
  putDigit(image, digit, table, 0, 0, scale);
  small.getContext("2d").putImageData(image, 0, 0);
  let source = small;
  const whole = canvas.width % SIDE === 0;
  if (!whole) {
    const enlarged = SIDE * Math.ceil(canvas.width / SIDE);
    if (large.width !== enlarged) large.width = large.height = enlarged;
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, enlarged, enlarged);
    source = large;
  }
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = !whole;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
}
