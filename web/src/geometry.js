// How a photo of any shape and lens meets a network, and how its depth comes back in metres.
//
// This is depthlib/prediction/geometry.py, line by line; its docstring says why. golden.json keeps
// the two equal.

import { mirror, resizeMap, resizeRgb, roundEven } from "./arrays.js";

export const SHARES = [0.2, 10]; // focal lengths of lenses over a photo's width
const FAR = 0.8;
const RATIO_POWER = 0.75;
const FILL_WIDE = 0.5;
const FILL_TALL = 0.2;
const DEPTH_POWER = 0.75;
const LEAST_TILING = 1.15;
const OVERLAP = 0.25;

/** What a network sees: its input's size, and what the metadata of its ONNX file say. */
export function makeView(height, width, { max_depth, focal = null, aspect = null, horizon = null }) {
  return { height, width, maxDepth: max_depth, focal, shape: aspect || width / height, horizon };
}

/** The layout of a photo for a network; `focal` over the photo's width, null where unknown. */
export function layOut(height, width, view, focal = null) {
  if (focal !== null && !(SHARES[0] <= focal && focal <= SHARES[1])) {
    throw new RangeError(
      `A focal length must be ${SHARES[0]} to ${SHARES[1]} times the photo's width. Received: ${focal}.`,
    );
  }
  const squeeze = view.width / view.height / view.shape;
  const fits = [view.height / height, view.width / (width * squeeze)];
  const fit = Math.min(...fits);
  const fill = Math.max(...fits);
  const isRoad = view.horizon !== null;
  const own = view.focal && (view.focal * view.height * view.shape) / (fit * width);
  const chosen = focal ?? (isRoad ? view.focal : own);
  const ratio = chosen && own ? chosen / own : 1;
  let scale = fit;
  if (!isRoad) {
    const empty = width / height > view.shape ? FILL_WIDE : FILL_TALL;
    scale = (fit * ratio ** RATIO_POWER * (fill / fit) ** empty) / ratio;
    if (fit < scale && scale < LEAST_TILING * fit) scale = fit;
  }
  const rows = Math.max(1, roundEven(height * scale));
  const columns = Math.max(1, roundEven(width * scale * squeeze));
  const seen = (ratio * scale) / fit;
  const skyFactor = isRoad && chosen && view.focal ? chosen / view.focal : 0;
  return {
    view,
    height,
    width,
    rows,
    columns,
    tops: placeTiles(rows, view.height),
    lefts: placeTiles(columns, view.width),
    focal: chosen,
    factor: isRoad ? seen : seen ** DEPTH_POWER,
    skyFactor,
    far: isRoad ? FAR * view.maxDepth * skyFactor : Infinity,
  };
}

/** The photo as the network sees it: RGB bytes of rows x columns; `read` as `resizeRgb` takes it. */
export function shrink(read, layout) {
  return resizeRgb(read, layout.height, layout.width, layout.rows, layout.columns);
}

/** The network's inputs, RGB bytes of its size each, of what `shrink` gives. */
export function split(small, layout) {
  const { view, columns } = layout;
  const [height, width] = tileOf(layout);
  const [top, left] = borderOf(layout);
  return tilesOf(layout).map(([firstRow, firstColumn]) => {
    const canvas = new Uint8Array(view.height * view.width * 3);
    for (let row = 0, i = 0; row < view.height; row++) {
      const start = (firstRow + mirror(row - top, height)) * columns + firstColumn;
      for (let column = 0; column < view.width; column++, i += 3) {
        const source = (start + mirror(column - left, width)) * 3;
        canvas[i] = small[source];
        canvas[i + 1] = small[source + 1];
        canvas[i + 2] = small[source + 2];
      }
    }
    return canvas;
  });
}

/**
 * Depth of the photo, Float32 of rows x columns, from the network's own depth of each input.
 *
 * Python resizes it to the photo at once; `DepthMap` does so where a pixel is asked for.
 */
export function join(depths, layout) {
  const { view } = layout;
  const [height, width] = tileOf(layout);
  const [top, left] = borderOf(layout);
  const parts = depths.map((depth) => {
    const part = new Float32Array(height * width);
    for (let row = 0; row < height; row++) {
      const start = (row + top) * view.width + left;
      part.set(depth.subarray(start, start + width), row * width);
    }
    return part;
  });
  const depth = parts.length === 1 ? parts[0] : blend(parts, layout);
  if (view.horizon === null) return depth.map((value) => value * layout.factor);
  const far = FAR * view.maxDepth;
  return depth.map((value) => value * (value >= far ? layout.skyFactor : layout.factor));
}

/** Depth at the photo's own size, Float32, as Python's `join` gives it. */
export function enlarge(depth, layout) {
  return resizeMap(depth, layout.rows, layout.columns, layout.height, layout.width);
}

function tileOf({ rows, columns, view }) {
  return [Math.min(rows, view.height), Math.min(columns, view.width)];
}

/** Rows above and columns before the photo in an input. */
function borderOf(layout) {
  const [height, width] = tileOf(layout);
  return [(layout.view.height - height) >> 1, (layout.view.width - width) >> 1];
}

function tilesOf({ tops, lefts }) {
  return tops.flatMap((top) => lefts.map((left) => [top, left]));
}

function placeTiles(length, tile) {
  if (length <= tile) return [0];
  const count = 1 + Math.ceil((length - tile) / (tile * (1 - OVERLAP)));
  const step = (length - tile) / (count - 1);
  return Array.from({ length: count }, (_, i) => roundEven(i === count - 1 ? length - tile : i * step));
}

function blend(parts, layout) {
  const { rows, columns, tops, lefts } = layout;
  const [height, width] = tileOf(layout);
  const sums = new Float32Array(rows * columns);
  const weights = new Float32Array(rows * columns);
  const down = ramp(height, tops.length);
  const across = ramp(width, lefts.length);
  tilesOf(layout).forEach(([top, left], number) => {
    for (let row = 0, i = 0; row < height; row++) {
      for (let column = 0; column < width; column++, i++) {
        const place = (top + row) * columns + left + column;
        const weight = down[row] * across[column];
        sums[place] += weight * Math.log(Math.max(parts[number][i], 1e-6));
        weights[place] += weight;
      }
    }
  });
  return sums.map((sum, i) => Math.exp(sum / weights[i]));
}

function ramp(length, tiles) {
  if (tiles === 1) return new Float32Array(length).fill(1);
  return Float32Array.from({ length }, (_, i) =>
    Math.min(Math.min(i + 1, length - i) / (OVERLAP * length), 1),
  );
}
