// Computes beside the page, so that it answers meanwhile: networks, points, files.

import { MAX_POINTS, findSurface, stepFor } from "./cloud.js";
import { DepthMap } from "./depthmap.js";
import { drawPicture } from "./colours.js";
import { join, layOut, shrink, split } from "./geometry.js";
import { makeGlb, makeNpy, makePly, makePng16 } from "./files.js";
import { openNetwork, run } from "./network.js";
import { TemporalFilter } from "./smoothing.js";

const networks = new Map(); // promises, by name
let photo = null; // an ImageBitmap
let filter = null;

const ANSWERS = { prepare, keep, predict, cloud, save };

self.onmessage = async ({ data: { number, kind, ...given } }) => {
  try {
    postMessage({ number, value: await ANSWERS[kind](given) });
  } catch (error) {
    postMessage({ number, error: error.message ?? String(error) });
  }
};

/** Opens a network, once; what failed may be tried again. */
async function open({ network }) {
  if (!networks.has(network)) {
    const url = new URL(`../models/${network}.onnx`, import.meta.url);
    const report = (loaded, total) => postMessage({ progress: [loaded, total] });
    networks.set(network, openNetwork(url, report));
  }
  try {
    return await networks.get(network);
  } catch (error) {
    networks.delete(network);
    throw error;
  }
}

/** Opens a network before it is needed. */
async function prepare({ network }) {
  await open({ network });
}

/** Keeps a photo, for `predict` and all that comes after it. */
function keep({ bitmap }) {
  photo?.close();
  photo = bitmap;
}

/** Depth of the photo. `smooth`: as the next frame of a film; `fresh`: its first. */
async function predict({ network, focal, smooth, fresh }) {
  const opened = await open({ network });
  const start = performance.now();
  const layout = layOut(photo.height, photo.width, opened.view, focal);
  const small = shrink(makeReader(photo), layout);
  const depths = [];
  for (const canvas of split(small, layout)) depths.push(await run(opened, canvas));
  let values = join(depths, layout);
  if (!smooth || fresh) filter = null;
  if (smooth) {
    filter ??= new TemporalFilter();
    values = filter.filter(small, values, layout.rows, layout.columns);
  }
  return { layout, values, milliseconds: performance.now() - start };
}

/** Points and triangles of the photo, at most so many. */
function cloud({ layout, values, scale, most = MAX_POINTS }) {
  const { height, width } = layout;
  const step = stepFor(height, width, most);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const map = new DepthMap(layout, values, scale);
  const full = map.full();
  const depth = new Float32Array(rows * columns);
  const rgb = new Uint8Array(rows * columns * 3);
  const read = makeReader(photo);
  for (let row = 0, i = 0; row < rows; row++) {
    const line = read(row * step, 1);
    for (let column = 0; column < columns; column++, i++) {
      depth[i] = full[row * step * width + column * step];
      rgb.set(line.subarray(4 * step * column, 4 * step * column + 3), 3 * i);
    }
  }
  return { ...findSurface(depth, rgb, rows, columns, step, map.camera), columns };
}

async function save({ format, layout, values, scale }) {
  const { height, width, view } = layout;
  const map = new DepthMap(layout, values, scale);
  if (format === "npy") return makeNpy(map.full(), height, width);
  if (format === "png16") return makePng16(map.full(), height, width, view.maxDepth);
  if (format === "ply") return makePly(cloud({ layout, values, scale }));
  if (format === "glb") return makeGlb(cloud({ layout, values, scale }));
  const canvas = new OffscreenCanvas(1, 1);
  drawPicture(canvas, map);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

/** Gives rows of a photo as RGBA bytes: never all at once, since a large one fills the memory. */
function makeReader(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, 1);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (top, count) => {
    canvas.height = count; // which clears it
    context.drawImage(bitmap, 0, -top);
    return context.getImageData(0, 0, bitmap.width, count).data;
  };
}
