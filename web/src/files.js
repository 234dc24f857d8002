// Files of depth that other programs open: depthlib/prediction/writers.py and cloud.py.

const PNG_START = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const LARGEST_COUNT = 65535;

/** How a 16-bit PNG of a network with this range is named, and the metres of one count. */
export function chooseScale(maxDepth) {
  return Math.round(maxDepth * 1000) <= LARGEST_COUNT ? ["mm", 0.001] : ["m256", 1 / 256];
}

/** NumPy's format, version 1.0: float32, height x width. */
export function makeNpy(depth, height, width) {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${height}, ${width}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = `${text.padEnd(length - 1)}\n`;
  const start = Uint8Array.of(0x93, ...bytesOf("NUMPY"), 1, 0, length & 255, length >> 8);
  return new Blob([start, header, depth]);
}

/** 16-bit grey PNG of counts, 0 where unknown; its texts say unit and scale. */
export async function makePng16(depth, height, width, maxDepth) {
  const [, scale] = chooseScale(maxDepth);
  const counts = Uint16Array.from(depth, (metres) => {
    const count = Math.round(metres / scale);
    if (count > LARGEST_COUNT) return 0;
    return Math.max(count, metres > 0 ? 1 : 0);
  });
  const size = new DataView(new ArrayBuffer(13));
  size.setUint32(0, width);
  size.setUint32(4, height);
  size.setUint8(8, 16); // bits, of grey; deflate, adaptive filters, not interlaced
  return new Blob([
    PNG_START,
    makeChunk("IHDR", new Uint8Array(size.buffer)),
    makeChunk("tEXt", bytesOf(`depth_scale_metres\0${scale}`)),
    makeChunk("tEXt", bytesOf("unit\0metre")),
    makeChunk("IDAT", await squeeze(filterUp(counts, height, width), "deflate")),
    makeChunk("IEND", new Uint8Array()),
  ], { type: "image/png" });
}

/** What `makePng16` and `depthlib predict` write, as {depth, height, width} in metres. */
export async function readPng16(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = [];
  let scale = NaN;
  let [width, height] = [0, 0];
  for (let place = 8; place < bytes.length; ) {
    const length = view.getUint32(place);
    const kind = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    const data = bytes.subarray(place + 8, place + 8 + length);
    if (kind === "IHDR") [width, height] = [view.getUint32(place + 8), view.getUint32(place + 12)];
    if (kind === "IDAT") parts.push(data);
    const [key, value] = kind === "tEXt" ? String.fromCharCode(...data).split("\0") : [];
    if (key === "depth_scale_metres") scale = Number(value);
    place += 12 + length;
  }
  const lines = await unpack(new Blob(parts), "deflate");
  return { depth: unfilter(lines, height, width).map((count) => count * scale), height, width };
}

/** Points with colours as binary PLY: x right, y down, z forward. */
export function makePly({ points, colours }) {
  const count = points.length / 3;
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    "comment unit: metre; x right, y down, z forward",
    `element vertex ${count}`,
    ...["x", "y", "z"].map((axis) => `property float ${axis}`),
    ...["red", "green", "blue"].map((colour) => `property uchar ${colour}`),
    "end_header\n",
  ].join("\n");
  const body = new DataView(new ArrayBuffer(count * 15));
  for (let i = 0; i < count; i++) {
    for (let axis = 0; axis < 3; axis++) {
      body.setFloat32(15 * i + 4 * axis, points[3 * i + axis], true);
      body.setUint8(15 * i + 12 + axis, colours[3 * i + axis]);
    }
  }
  return new Blob([header, body]);
}

/**
 * A surface with colours as binary glTF (2.0, section 4), unlit: the photo has its light already.
 *
 * Its axes are x right, y up, z towards the viewer; its colours are linear in light.
 */
export function makeGlb({ points, colours, faces }) {
  const count = points.length / 3;
  const places = points.map((value, i) => (i % 3 ? -value : value));
  const linear = makeLinear(colours);
  const ends = (pick) => [0, 1, 2].map((axis) => {
    let end = places[axis];
    for (let i = axis; i < places.length; i += 3) end = pick(end, places[i]);
    return end;
  });
  const parts = [places, linear, faces];
  const starts = [0, places.byteLength, places.byteLength + linear.byteLength];
  const tree = {
    asset: { version: "2.0", generator: "depthlib" },
    extensionsUsed: ["KHR_materials_unlit"],
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: [{ mesh: 0 }],
    materials: [{ extensions: { KHR_materials_unlit: {} } }],
    meshes: [{ primitives: [{ attributes: { POSITION: 0, COLOR_0: 1 }, indices: 2, material: 0 }] }],
    accessors: [
      { bufferView: 0, componentType: 5126, count, type: "VEC3", min: ends(Math.min), max: ends(Math.max) },
      { bufferView: 1, componentType: 5121, count, type: "VEC4", normalized: true },
      { bufferView: 2, componentType: 5125, count: faces.length, type: "SCALAR" },
    ],
    bufferViews: parts.map((part, i) => ({
      buffer: 0,
      byteOffset: starts[i],
      byteLength: part.byteLength,
      target: i === 2 ? 34963 : 34962,
    })),
    buffers: [{ byteLength: starts[2] + faces.byteLength }],
  };
  const json = bytesOf(JSON.stringify(tree));
  const padding = " ".repeat(-json.length & 3);
  const lengths = [json.length + padding.length, starts[2] + faces.byteLength];
  const head = Uint32Array.of(0x46546c67, 2, 28 + lengths[0] + lengths[1], lengths[0], 0x4e4f534a);
  return new Blob([head, json, padding, Uint32Array.of(lengths[1], 0x004e4942), ...parts]);
}

/** Compressed data unpacked; `format` as DecompressionStream has it. */
export async function unpack(blob, format) {
  const stream = blob.stream().pipeThrough(new DecompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function squeeze(bytes, format) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Big-endian rows, each less the one above it: PNG's filter 2 (ISO/IEC 15948, section 9). */
function filterUp(counts, height, width) {
  const lines = new Uint8Array(height * (1 + 2 * width));
  for (let row = 0, target = 0; row < height; row++) {
    lines[target++] = 2;
    for (let i = row * width; i < (row + 1) * width; i++) {
      const above = row ? counts[i - width] : 0;
      lines[target++] = (counts[i] >> 8) - (above >> 8);
      lines[target++] = counts[i] - above;
    }
  }
  return lines;
}

function unfilter(lines, height, width) {
  const stride = 2 * width;
  const bytes = new Uint8Array(height * stride);
  for (let row = 0; row < height; row++) {
    const filter = lines[row * (stride + 1)];
    for (let i = 0; i < stride; i++) {
      const place = row * stride + i;
      const left = i >= 2 ? bytes[place - 2] : 0;
      const above = row ? bytes[place - stride] : 0;
      const corner = row && i >= 2 ? bytes[place - stride - 2] : 0;
      const guess = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter];
      bytes[place] = lines[row * (stride + 1) + 1 + i] + guess;
    }
  }
  return Float32Array.from({ length: height * width }, (_, i) => 256 * bytes[2 * i] + bytes[2 * i + 1]);
}

function paeth(left, above, corner) {
  const guess = left + above - corner;
  const [toLeft, toAbove, toCorner] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function makeChunk(kind, data) {
  const chunk = new Uint8Array(12 + data.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, data.length);
  chunk.set(bytesOf(kind), 4);
  chunk.set(data, 8);
  view.setUint32(8 + data.length, crc32(chunk.subarray(4, 8 + data.length)));
  return chunk;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** sRGB bytes as RGBA bytes that are linear in light (IEC 61966-2-1). */
function makeLinear(colours) {
  const table = Uint8Array.from({ length: 256 }, (_, i) => {
    const share = i / 255;
    return Math.round(255 * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4));
  });
  const rgba = new Uint8Array((colours.length / 3) * 4).fill(255);
  for (let i = 0; i < colours.length / 3; i++) {
    for (let channel = 0; channel < 3; channel++) rgba[4 * i + channel] = table[colours[3 * i + channel]];
  }
  return rgba;
}

function bytesOf(text) {
  return new TextEncoder().encode(text);
}
