// Paints digits as ink on paper in the colours of the theme. Knows nothing of models or of what a digit means.
// A digit is its pixels row by row; its shape is [rows, columns].

export const pixelsOf = ([rows, columns]) => rows * columns;

// [width, height] of a picture of that shape in a square: its longer side is `side`.
export function fitted(shape, side) {
  const longer = Math.max(...shape);
  return [shape[1], shape[0]].map((length) => Math.max(1, Math.round((side * length) / longer)));
}

// For style sheets: how much of a square a picture of that shape takes, across and down.
export function tellShape(element, [rows, columns]) {
  const longer = Math.max(rows, columns);
  element.style.setProperty("--across", columns / longer);
  element.style.setProperty("--down", rows / longer);
}

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

// Writes one digit (probabilities 0 to 1, or bytes 0 to 255 where `scale` is 1) into an ImageData at column x0, row y0,
// one pixel of the image for one pixel of the digit.
export function putDigit(image, digit, [rows, columns], table, x0 = 0, y0 = 0, scale = 255) {
  const words = new Uint32Array(image.data.buffer);
  for (let row = 0; row < rows; row++) {
    let at = (y0 + row) * image.width + x0;
    for (let i = row * columns; i < (row + 1) * columns; i++) words[at++] = table[Math.round(digit[i] * scale)];
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

// A canvas of so many CSS pixels with as many dots as the screen has for them. Clears it where the size changed.
export function sizeCanvas(canvas, width, height = width) {
  const [across, down] = [width, height].map((side) => Math.max(1, Math.round(side * (globalThis.devicePixelRatio || 1))));
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
}

// Paints one digit over the whole of a canvas of any size. Where a pixel of the digit is no whole number of dots, it is
// enlarged sharply first and then shrunk smoothly, so that all pixels look equally large.
export function paintDigit(canvas, digit, shape, table, scale = 255) {
  const [rows, columns] = shape;
  const scratch = (paintDigit.scratch ??= [0, 1].map(() => document.createElement("canvas")));
  const [small, large] = scratch;
  if (small.width !== columns || small.height !== rows) Object.assign(small, { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  putDigit(image, digit, shape, table, 0, 0, scale);
  small.getContext("2d").putImageData(image, 0, 0);
  let source = small;
  const whole = canvas.width % columns === 0 && canvas.height % rows === 0;
  if (!whole) {
    const [width, height] = [columns * Math.ceil(canvas.width / columns), rows * Math.ceil(canvas.height / rows)];
    if (large.width !== width || large.height !== height) Object.assign(large, { width, height });
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, width, height);
    source = large;
  }
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = !whole;
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
}
