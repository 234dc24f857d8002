// A photo's file: looked at before it is decoded, upright, or refused with a sentence.

import { findLens, readHeader } from "./lens.js";

const MAX_PIXELS = 100_000_000; // as depthlib's `MAX_PIXELS`
const MAX_BYTES = 200_000_000;
// The brightest of 8 bits, at least, where a file has 16: as depthlib's `_refuse_few_bits`.
const FEWEST = 16;
const FEWEST_OF_GREY = 128; // which may be a depth map
const STRIP = 256; // rows that are looked at together

/** Opens a photo: {bitmap, name, lens}. Errors: an Error whose message is for the user. */
export async function openPhoto(blob, name) {
  if (!blob.size) throw new Error(`${name} is empty. Choose another photo.`);
  if (blob.size > MAX_BYTES) {
    throw new Error(`${name} has ${Math.round(blob.size / 1e6)} MB; a photo may have 200. Make it smaller.`);
  }
  const header = readHeader(new Uint8Array(await blob.arrayBuffer()));
  const [height, width] = header.size ?? [1, 1];
  if (height * width > MAX_PIXELS) {
    const pixels = Math.round((height * width) / 1e6);
    throw new Error(`${name} has ${pixels} megapixels; a photo may have 100. Make it smaller.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error(refusal(blob, name, header));
  }
  if (header.bits === 16 && isDark(bitmap, header.grey ? FEWEST_OF_GREY : FEWEST)) {
    throw new Error(
      `${name} has 16 bits, of which it uses ${header.grey ? 15 : 12} or fewer: it would be dark. ` +
        "It is of a camera of fewer bits, or a depth map. Save it with 8 bits.",
    );
  }
  return { bitmap, name, lens: findLens(header, [bitmap.height, bitmap.width]) };
}

/** Whether a picture has no colour of `fewest` or more, but some: what is all black is as it was. */
function isDark(bitmap, fewest) {
  const canvas = new OffscreenCanvas(bitmap.width, Math.min(STRIP, bitmap.height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let brightest = 0;
  for (let top = 0; top < bitmap.height && brightest < fewest; top += STRIP) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < pixels.length; i++) if (i % 4 < 3 && pixels[i] > brightest) brightest = pixels[i];
  }
  return brightest > 0 && brightest < fewest;
}

function refusal(blob, name, header) {
  if (/\.hei[cf]$/i.test(name)) return `This browser does not read HEIC (${name}). Save it as JPEG.`;
  if (header.size) return `${name} is damaged, or too large for this browser. Save it again, or smaller.`;
  return `${name} is no photo that this browser reads. Choose a JPEG, PNG, WebP or AVIF.`;
}
