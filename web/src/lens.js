// A photo's focal length by its EXIF: depthlib/data/lenses.py.

import { SHARES } from "./geometry.js";

const DIAGONAL = Math.hypot(36, 24); // of a film frame, millimetres
const PANORAMA = 2.1; // the longer side over the shorter one
const EXIF_IFD = 0x8769;
const ORIENTATION = 0x0112;
const FOCAL_LENGTH = 0x920a;
const FOCAL_LENGTH_35MM = 0xa405;
const DIGITAL_ZOOM = 0xa404;
const PIXEL_X_DIMENSION = 0xa002;
const PIXEL_Y_DIMENSION = 0xa003;
const FOCAL_PLANE_X_RESOLUTION = 0xa20e;
const FOCAL_PLANE_UNIT = 0xa210;
const MILLIMETRES = { 2: 25.4, 3: 10, 4: 1, 5: 1e-3 };

/** The focal length over the width of a photo of this size, of a 35-mm equivalent one. */
export function shareOf(millimetres, height, width) {
  return (millimetres * Math.hypot(height, width)) / DIAGONAL / width;
}

/** The other way round. */
export function millimetresOf(share, height, width) {
  return (share * width * DIAGONAL) / Math.hypot(height, width);
}

/**
 * What a photo's bytes say without its pixels.
 *
 * Gives {size: [height, width] as stored or null, tags: {number: value}, panorama: bool}. Of JPEG,
 * PNG and WebP; damaged EXIF is none.
 */
export function readHeader(bytes) {
  const header = { size: null, bits: 8, grey: false, tags: {}, panorama: false };
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint16(0) === 0xffd8) readJpeg(view, bytes, header);
    else if (view.getUint32(0) === 0x89504e47) readPng(view, bytes, header);
    else if (ascii(bytes, 8, 4) === "WEBP") readWebp(view, bytes, header);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // cut off: what was read counts
  }
  return header;
}

/**
 * The focal length over the width as shown, as {focal, note}; null with a reason where it is none.
 *
 * shown: [height, width] of the decoded photo, upright.
 */
export function findLens(header, shown) {
  const { tags } = header;
  const lies = number(tags, ORIENTATION) >= 5 && number(tags, ORIENTATION) <= 8;
  const size = header.size ?? (lies ? [shown[1], shown[0]] : shown);
  const original = findOriginal(size, tags);
  const found = [pixelsOfFilm(tags, original), pixelsOfSensor(tags)].filter((pixels) => pixels > 0);
  const unknown = (note) => ({ focal: null, note });
  if (!found.length) return unknown("no EXIF says it");
  if (header.panorama || Math.max(...original) > PANORAMA * Math.min(...original)) {
    return unknown("a panorama or a strip, for which the focal length of its EXIF does not hold");
  }
  const scale = scaleSince(size, original);
  const sizes = `${size.join("×")} of ${original.join("×")} (height × width)`;
  if (!scale) return unknown(`an enlarged part or a montage, ${sizes}`);
  const shares = found.map((pixels) => (scale * pixels) / shown[1]);
  const focal = shares.find((share) => SHARES[0] <= share && share <= SHARES[1]);
  if (focal === undefined) {
    return unknown(`a focal length that no lens has, ${shares[0].toPrecision(3)} of the photo's width`);
  }
  const isPart = scale === 1 && String(sorted(size)) !== String(sorted(original));
  return { focal, note: isPart ? `a part, ${sizes}: it holds if that was not resized` : "" };
}

function pixelsOfFilm(tags, size) {
  return (number(tags, FOCAL_LENGTH_35MM) / DIAGONAL) * Math.hypot(...size);
}

function pixelsOfSensor(tags) {
  const zoom = number(tags, DIGITAL_ZOOM) || 1;
  const unit = MILLIMETRES[number(tags, FOCAL_PLANE_UNIT, 2)];
  const resolution = number(tags, FOCAL_PLANE_X_RESOLUTION);
  return unit ? (number(tags, FOCAL_LENGTH) * zoom * resolution) / unit : 0;
}

function findOriginal([height, width], tags) {
  const x = number(tags, PIXEL_X_DIMENSION);
  const y = number(tags, PIXEL_Y_DIMENSION);
  if (!x && !y) return [height, width];
  return [Math.round(y || (x * height) / width), Math.round(x || (y * width) / height)];
}

function scaleSince(size, original) {
  const inside = sorted(size).every((n, i) => n <= sorted(original)[i]);
  const cut = inside && size.some((n, i) => n === original[i]);
  const turned = [original[1], original[0]];
  if (sameAspect(...size, ...original) || (sameAspect(...size, ...turned) && !cut)) {
    return Math.hypot(...size) / Math.hypot(...original);
  }
  return inside ? 1 : 0;
}

function sameAspect(height, width, otherHeight, otherWidth) {
  const off = Math.abs((width * otherHeight) / otherWidth - height);
  return off < 1 || off <= 0.02 * height;
}

function sorted(numbers) {
  return [...numbers].sort((a, b) => a - b);
}

/** A tag's value; 0 for one that is no finite number above 0. */
function number(tags, tag, missing = 0) {
  const value = tags[tag] ?? missing;
  return value > 0 && value < Infinity ? value : 0;
}

function ascii(bytes, start, length) {
  return String.fromCharCode(...bytes.subarray(start, start + length));
}

/** Segments of a JPEG up to its size (ITU-T T.81, B.1.1). */
function readJpeg(view, bytes, header) {
  for (let place = 2; place < view.byteLength; ) {
    if (view.getUint8(place) !== 0xff) return;
    const marker = view.getUint8(place + 1);
    if (marker === 0xff) {
      place += 1; // filling
      continue;
    }
    const length = view.getUint16(place + 2);
    const start = place + 4;
    if (marker === 0xe1 && ascii(bytes, start, 6) === "Exif\0\0") {
      readTiff(bytes.subarray(start + 6, place + 2 + length), header);
    } else if (marker === 0xe1 && ascii(bytes, start, 29).startsWith("http://ns.adobe.com/xap/1.0/")) {
      header.panorama = hasPanorama(bytes.subarray(start, place + 2 + length));
    } else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      header.size = [view.getUint16(start + 1), view.getUint16(start + 3)];
      return;
    }
    place += 2 + length;
  }
}

function readPng(view, bytes, header) {
  header.size = [view.getUint32(20), view.getUint32(16)];
  header.bits = view.getUint8(24);
  header.grey = view.getUint8(25) === 0; // its colour type
  for (let place = 8; place + 8 <= view.byteLength; ) {
    const length = view.getUint32(place);
    const kind = ascii(bytes, place + 4, 4);
    if (kind === "eXIf") readTiff(bytes.subarray(place + 8, place + 8 + length), header);
    if (kind === "iTXt") header.panorama ||= hasPanorama(bytes.subarray(place + 8, place + 8 + length));
    place += 12 + length;
  }
}

function readWebp(view, bytes, header) {
  for (let place = 12; place + 8 <= view.byteLength; ) {
    const kind = ascii(bytes, place, 4);
    const length = view.getUint32(place + 4, true);
    let data = bytes.subarray(place + 8, place + 8 + length);
    if (kind === "EXIF") {
      if (ascii(data, 0, 6) === "Exif\0\0") data = data.subarray(6);
      readTiff(data, header);
    }
    if (kind === "XMP ") header.panorama = hasPanorama(data);
    place += 8 + length + (length % 2);
  }
}

function hasPanorama(bytes) {
  return new TextDecoder("latin1").decode(bytes).includes("GPano:");
}

const SIZES = { 1: 1, 3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8 };

/** The numbers of the main IFD and of the Exif IFD, the first of each (TIFF 6.0, section 2). */
function readTiff(bytes, header) {
  const tags = {};
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const little = view.getUint16(0) === 0x4949;
    readIfd(view, view.getUint32(4, little), little, tags);
    const exif = tags[EXIF_IFD];
    if (exif) readIfd(view, exif, little, tags);
    header.tags = tags;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

function readIfd(view, start, little, tags) {
  const count = view.getUint16(start, little);
  for (let i = 0; i < count; i++) {
    const entry = start + 2 + 12 * i;
    const tag = view.getUint16(entry, little);
    const type = view.getUint16(entry + 2, little);
    const bytes = SIZES[type] * view.getUint32(entry + 4, little);
    if (!bytes) continue; // text, or of an unknown kind
    const place = bytes <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    if (place + SIZES[type] <= view.byteLength) tags[tag] = readValue(view, type, place, little);
  }
}

function readValue(view, type, place, little) {
  switch (type) {
    case 1: return view.getUint8(place);
    case 3: return view.getUint16(place, little);
    case 4: return view.getUint32(place, little);
    case 5: return view.getUint32(place, little) / view.getUint32(place + 4, little);
    case 6: return view.getInt8(place);
    case 8: return view.getInt16(place, little);
    case 9: return view.getInt32(place, little);
    case 10: return view.getInt32(place, little) / view.getInt32(place + 4, little);
    case 11: return view.getFloat32(place, little);
    default: return view.getFloat64(place, little);
  }
}
