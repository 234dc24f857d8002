// A photo's file: looked at before it is decoded, upright, or refused with a sentence.

import { findLens, readHeader } from "./lens.js";

const MAX_PIXELS = 100_000_000; // as depthlib's `MAX_PIXELS`
const MAX_BYTES = 200_000_000;

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
  return { bitmap, name, lens: findLens(header, [bitmap.height, bitmap.width]) };
}

function refusal(blob, name, header) {
  if (/\.hei[cf]$/i.test(name)) return `This browser does not read HEIC (${name}). Save it as JPEG.`;
  if (header.size) return `${name} is damaged, or too large for this browser. Save it again, or smaller.`;
  return `${name} is no photo that this browser reads. Choose a JPEG, PNG, WebP or AVIF.`;
}
