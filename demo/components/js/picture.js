// A picture from elsewhere (a photo of a digit, a screenshot) as ink on the pad's paper. Knows nothing of the page.

const MOST_BYTES = 20e6;
const LEAST_CONTRAST = 0.12; // of white minus black, below which there is no ink but noise
export const FAULTS = {
  type: "That is no picture. Take a PNG, JPEG or WebP file.",
  size: "That picture is over 20 MB. Take a smaller one.",
  unread: "This browser cannot read that picture. Try a PNG or JPEG file.",
  blank: "No ink was found in that picture.",
};

const median = (values) => Float32Array.from(values).sort()[values.length >> 1];

// RGBA bytes, row by row → ink of each pixel, 0 to 1, or null where nothing stands out. Paper is what most of the rim
// is, dark or light; ink is what differs from it, fully from 3/4 of the strongest difference on and not at all below 1/4
// of it, so that shadows and the grain of paper fall away.
export function inkOf(rgba, width, height) {
  const light = new Float32Array(width * height);
  for (let i = 0; i < light.length; i++) {
    const [r, g, b, a] = rgba.subarray(4 * i, 4 * i + 4);
    light[i] = 1 + (a / 255) * ((0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 - 1); // on white, where it lets through
  }
  const rim = [];
  for (let x = 0; x < width; x++) rim.push(light[x], light[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) rim.push(light[y * width], light[y * width + width - 1]);
  const paper = median(rim);
  const apart = light.map((value) => Math.abs(value - paper));
  const strongest = Float32Array.from(apart).sort()[Math.floor(0.995 * (apart.length - 1))] || Math.max(...apart);
  if (!(strongest >= LEAST_CONTRAST)) return null;
  return apart.map((value) => Math.min(1, Math.max(0, 2 * (value / strongest) - 0.5)));
}

// Ink [width × height] in the middle of the pad's paper, as bytes 0 to 255 of each of its dots; what is too large is an
// error of the caller.
export function onPaper(ink, width, height, paper) {
  const field = new Uint8Array(paper.width * paper.height);
  const [left, top] = [(paper.width - width) >> 1, (paper.height - height) >> 1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) field[(top + y) * paper.width + left + x] = Math.round(255 * ink[y * width + x]);
  }
  return field;
}

// The picture among pasted or dropped things, or null.
export function pictureIn(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? null;
}

// A file → bytes of the dots of the pad's paper, { width, height }. Throws an Error whose message is a sentence for the visitor.
export async function readPicture(file, paper) {
  if (!file?.type.startsWith("image/")) throw new Error(FAULTS.type);
  if (file.size > MOST_BYTES) throw new Error(FAULTS.size);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(FAULTS.unread);
  }
  const scale = Math.min(paper.width / bitmap.width, paper.height / bitmap.height);
  const [width, height] = [bitmap.width, bitmap.height].map((length) => Math.max(1, Math.round(length * scale)));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const ink = inkOf(context.getImageData(0, 0, width, height).data, width, height);
  if (!ink) throw new Error(FAULTS.blank);
  return onPaper(ink, width, height, paper);
}
