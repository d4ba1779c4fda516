// A heatmap in colour: brighter for more evidence, transparent where there is none.

// Matplotlib's inferno at tenths: lightness rises evenly from first to last.
const COLOURS = [
  [0, 0, 4], [22, 11, 57], [66, 10, 104], [106, 23, 110], [147, 38, 103], [188, 55, 84],
  [221, 81, 58], [243, 120, 25], [252, 165, 10], [246, 215, 70], [252, 255, 164],
];

function colourOf(share) {
  const at = share * (COLOURS.length - 1);
  const below = Math.min(Math.floor(at), COLOURS.length - 2);
  return [0, 1, 2].map(
    (channel) => COLOURS[below][channel] + (at - below) * (COLOURS[below + 1][channel] - COLOURS[below][channel]),
  );
}

const TABLE = Uint8ClampedArray.from(
  { length: 256 * 4 },
  (_, at) => (at % 4 === 3 ? Math.floor(at / 4) : colourOf(Math.floor(at / 4) / 255)[at % 4]),
);

function paint(pixels) {
  for (let at = 0; at < pixels.data.length; at += 4) {
    const value = pixels.data[at];
    pixels.data.set(TABLE.subarray(4 * value, 4 * value + 4), at);
  }
  return pixels;
}

export function asPicture(base64) {
  return `data:image/png;base64,${base64}`;
}

/** A grey PNG in base64, ready to be drawn. */
export async function decoded(base64) {
  const picture = new Image();
  picture.src = asPicture(base64);
  await picture.decode();
  return picture;
}

/** Draw a heatmap, a grey picture, onto a canvas of its size. */
export function drawHeat(canvas, picture) {
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  context.putImageData(paint(context.getImageData(0, 0, canvas.width, canvas.height)), 0, 0);
}

/** The colours from no evidence to most, on a canvas one pixel high. */
export function drawScale(canvas) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  for (let at = 0; at < 256; at += 1) pixels.data[4 * at] = at;
  context.putImageData(paint(pixels), 0, 0);
}
