// A drawing as a list of acts (strokes, erasures, restored bits, pictures, clearings) replayed onto a canvas of ink: undo is one
// act less. Coordinates are in pixels of the picture. Knows nothing of pointers, buttons or the page.

const LARGE = 280; // dots of the longer side of the ink canvas, about
const BRUSH = 2.4; // pixels wide of 28: MNIST's strokes have a median of 2.5 (twice their area over their outline)
const THINNEST = 1.4; // pixels, of which one is inked to a half or more wherever the stroke lies
const ERASER = 1.5; // brushes

// Of a picture of that shape: [width, height] of the ink canvas in dots, dots a pixel, and the brush in pixels.
export function paperOf([rows, columns]) {
  const cell = Math.max(1, Math.round(LARGE / Math.max(rows, columns)));
  const brush = Math.max(THINNEST, (BRUSH * Math.max(rows, columns)) / 28);
  return { width: columns * cell, height: rows * cell, cell, brush };
}

export class Drawing {
  constructor(shape, acts = []) {
    Object.assign(this, { shape, acts, paper: paperOf(shape) });
    this.canvas = document.createElement("canvas");
    this.canvas.width = this.paper.width;
    this.canvas.height = this.paper.height;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.replay();
  }

  // Starts an act: { kind: "ink" | "erase", points: [[x, y], …] }, { kind: "bits", bits },
  // { kind: "picture", dots } with the ink of each dot, 0 to 255, or { kind: "clear" }.
  add(act) {
    this.acts.push(act);
    this.put(act, 0);
  }

  // Carries the last stroke on to a point.
  extend(point) {
    const act = this.acts[this.acts.length - 1];
    act.points.push(point);
    this.put(act, act.points.length - 2);
  }

  undo() {
    this.acts.pop();
    this.replay();
  }

  replay() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const act of this.acts) this.put(act, 0);
  }

  // Draws an act from its point number `from` on.
  put(act, from) {
    const g = this.context;
    const { cell, brush } = this.paper;
    const columns = this.shape[1];
    if (!act.points) g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (act.kind === "bits") act.bits.forEach((bit, i) => { if (bit) g.fillRect((i % columns) * cell, Math.floor(i / columns) * cell, cell, cell); });
    if (act.kind === "picture") g.putImageData(inkImage(g, act.dots), 0, 0);
    if (!act.points) return;
    g.globalCompositeOperation = act.kind === "erase" ? "destination-out" : "source-over";
    g.lineWidth = cell * brush * (act.kind === "erase" ? ERASER : 1);
    g.lineCap = g.lineJoin = "round";
    g.beginPath();
    const points = act.points.slice(from);
    points.forEach(([x, y], i) => g[i ? "lineTo" : "moveTo"](x * cell, y * cell));
    if (points.length === 1) g.lineTo(points[0][0] * cell, points[0][1] * cell);
    g.stroke();
    g.globalCompositeOperation = "source-over";
  }

  // The bits that the drawing is and nothing else, or null once a stroke has changed them.
  get bits() {
    const last = this.acts[this.acts.length - 1];
    return last?.kind === "bits" ? last.bits : null;
  }

  // How much ink each dot holds, 0 to 1, [width × height].
  grey() {
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    const grey = new Float32Array(data.length / 4);
    for (let i = 0; i < grey.length; i++) grey[i] = data[4 * i + 3] / 255;
    return grey;
  }
}

function inkImage(context, dots) {
  const image = context.createImageData(context.canvas.width, context.canvas.height);
  dots.forEach((dot, i) => (image.data[4 * i + 3] = dot));
  return image;
}
