// What is known of one photo: metres at its pixels, points in space, distances, colours' limits.

import { enlarge } from "./geometry.js";

const LONG_RANGE = 20; // metres; networks that see farther are of roads: colours are logarithmic
const TICKS = 7;

export class DepthMap {
  #limits;

  /**
   * layout: of `layOut`. values: what `join` gives, rows x columns. scale: of a known distance.
   */
  constructor(layout, values, scale = 1) {
    this.layout = layout;
    this.values = values;
    this.scale = scale;
    const { width, height, focal } = layout;
    this.camera = { f: (focal || 1) * width, cx: (width - 1) / 2, cy: (height - 1) / 2 };
    this.far = layout.far * scale;
    this.logarithmic = layout.view.maxDepth > LONG_RANGE;
  }

  /** Metres at a pixel as Python has them at the photo's own size, also where they are sky. */
  raw(column, row) {
    const { rows, columns, height, width } = this.layout;
    const [top, bottom, below] = between(row, height, rows);
    const [left, right, beside] = between(column, width, columns);
    const value = (y, x) => this.values[y * columns + x];
    const upper = value(top, left) + beside * (value(top, right) - value(top, left));
    const lower = value(bottom, left) + beside * (value(bottom, right) - value(bottom, left));
    return this.scale * (upper + below * (lower - upper));
  }

  /** Metres at a pixel; 0 in the sky, or where it is too far to tell. */
  at(column, row) {
    const metres = this.raw(column, row);
    return metres < this.far ? metres : 0;
  }

  /** Depth at the photo's own size, 0 in the sky. */
  full() {
    const depth = enlarge(this.values, this.layout);
    for (let i = 0; i < depth.length; i++) {
      depth[i] *= this.scale;
      if (depth[i] >= this.far) depth[i] = 0;
    }
    return depth;
  }

  /** The place in space of what a pixel shows: metres right, down and forward; null without depth. */
  point(column, row) {
    const metres = medianAround(this, column, row);
    if (!metres) return null;
    const { f, cx, cy } = this.camera;
    return [((column - cx) / f) * metres, ((row - cy) / f) * metres, metres];
  }

  /** Metres between what two pixels [column, row] show; null where one has no depth. */
  distance(first, second) {
    const ends = [this.point(...first), this.point(...second)];
    return ends[0] && ends[1] && Math.hypot(...ends[0].map((value, i) => value - ends[1][i]));
  }

  /** The same depth with its scale set so that this distance is right (`KnownDistance`). */
  fit(first, second, metres) {
    const distance = this.distance(first, second);
    if (distance === null) throw new RangeError("A known distance must be between pixels that have depth.");
    if (!(distance > 0)) throw new RangeError("A known distance must be between two places.");
    return this.rescale((this.scale * metres) / distance);
  }

  rescale(scale) {
    return new DepthMap(this.layout, this.values, scale);
  }

  /** Where sky is: how much of the photo, as a share. */
  get sky() {
    return this.values.reduce((sum, value) => sum + (value * this.scale >= this.far), 0) / this.values.length;
  }

  /** The nearest and the farthest depth of the colours: they span 98 % of what is known. */
  limits() {
    return (this.#limits ??= this.#findLimits());
  }

  #findLimits() {
    const known = this.values.filter((value) => value > 0 && value * this.scale < this.far).sort();
    if (!known.length) return null;
    let [low, high] = [1, 99].map((share) => percentile(known, share) * this.scale);
    if (!(low < high)) [low, high] = [0.9 * low, 1.1 * high];
    return [low, high];
  }
}

/** Where depth stands among the colours, from 0 to 1. */
export function place(metres, [low, high], logarithmic) {
  const share = logarithmic
    ? Math.log(metres / low) / Math.log(high / low)
    : (metres - low) / (high - low);
  return Math.min(Math.max(share, 0), 1);
}

/** Round numbers between the limits, for a colour bar. */
export function chooseTicks([low, high], logarithmic) {
  const powers = [];
  for (let power = Math.floor(Math.log10(low)) - 2; power < Math.log10(high) + 1; power++) powers.push(power);
  let ticks = powers.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  if (!logarithmic) {
    const step = ticks.find((tick) => tick >= (high - low) / (TICKS - 1));
    ticks = Array.from({ length: Math.floor(high / step) }, (_, i) => Number((step * (i + 1)).toPrecision(12)));
  }
  ticks = ticks.filter((tick) => low <= tick && tick <= high);
  return ticks.filter((_, i) => i % Math.ceil(ticks.length / TICKS) === 0);
}

/** NumPy's percentile of sorted numbers, linear between two. */
function percentile(sorted, share) {
  const index = ((sorted.length - 1) * share) / 100;
  const low = sorted[Math.floor(index)];
  return low + (index % 1) * (sorted[Math.ceil(index)] - low);
}

/** The median depth of the 3 x 3 pixels around one, without those that have none. */
function medianAround(map, column, row) {
  const { width, height } = map.layout;
  const [left, top] = [Math.max(0, Math.trunc(column) - 1), Math.max(0, Math.trunc(row) - 1)];
  const around = [];
  for (let y = top; y < Math.min(top + 3, height); y++) {
    for (let x = left; x < Math.min(left + 3, width); x++) around.push(map.at(x, y));
  }
  const known = around.filter((value) => value > 0).sort((a, b) => a - b);
  const half = known.length / 2;
  if (!known.length) return 0;
  return half % 1 ? known[Math.floor(half)] : (known[half - 1] + known[half]) / 2;
}

/** The two of `length` pixels that a pixel of `target` lies between, and how near the second. */
function between(pixel, target, length) {
  const spot = Math.min(Math.max(((pixel + 0.5) * length) / target - 0.5, 0), length - 1);
  const first = Math.floor(spot);
  return [first, Math.min(first + 1, length - 1), spot - first];
}
