// Resampling of photos and depth maps as OpenCV does it, and Python's rounding.

/** The nearest whole number, halves to the even one, as Python's `round` and `np.rint` have it. */
export function roundEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/**
 * A photo at another size: area average when it shrinks, bilinear when it grows (`resize_rgb`).
 *
 * read(top, count): RGBA bytes of `count` rows from `top` on, so that a large photo never lies in
 * memory as a whole. Gives RGB bytes, rows x columns x 3.
 */
export function resizeRgb(read, height, width, rows, columns) {
  const shrinks = rows <= height && columns <= width;
  return shrinks
    ? averageAreas(read, height, width, rows, columns)
    : interpolateRgb(read(0, height), height, width, rows, columns);
}

const STRIP = 256; // rows that are read at a time

function averageAreas(read, height, width, rows, columns) {
  const across = areaWeights(width, columns);
  const down = areaWeights(height, rows);
  const sums = new Float32Array(rows * columns * 3);
  const line = new Float32Array(columns * 3);
  let entry = 0;
  for (let top = 0; top < height; top += STRIP) {
    const count = Math.min(STRIP, height - top);
    const rgba = read(top, count);
    for (let row = top; row < top + count; row++) {
      averageLine(rgba, (row - top) * width * 4, across, line);
      // A row on the edge of two areas is a part of both.
      for (let back = entry; back < down.from.length && down.from[back] === row; back++) {
        const start = down.to[back] * columns * 3;
        const weight = down.weight[back];
        for (let i = 0; i < line.length; i++) sums[start + i] += weight * line[i];
        entry = back + 1;
      }
    }
  }
  return Uint8ClampedArray.from(sums, roundEven);
}

function averageLine(rgba, start, { from, to, weight }, line) {
  line.fill(0);
  for (let i = 0; i < from.length; i++) {
    const source = start + from[i] * 4;
    const target = to[i] * 3;
    const share = weight[i];
    line[target] += share * rgba[source];
    line[target + 1] += share * rgba[source + 1];
    line[target + 2] += share * rgba[source + 2];
  }
}

/** Which share of each target pixel is which source pixel, in the order of the source. */
function areaWeights(length, target) {
  const scale = length / target;
  const entries = [];
  for (let to = 0; to < target; to++) {
    const start = to * scale;
    const end = start + scale;
    const cell = Math.min(scale, length - start);
    const last = Math.min(Math.floor(end), length - 1);
    const first = Math.min(Math.ceil(start), last);
    if (first - start > 1e-3) entries.push([first - 1, to, (first - start) / cell]);
    for (let from = first; from < last; from++) entries.push([from, to, 1 / cell]);
    const rest = Math.min(end - last, 1, cell);
    if (rest > 1e-3) entries.push([last, to, rest / cell]);
  }
  return {
    from: Int32Array.from(entries, (entry) => entry[0]),
    to: Int32Array.from(entries, (entry) => entry[1]),
    weight: Float32Array.from(entries, (entry) => entry[2]),
  };
}

function interpolateRgb(rgba, height, width, rows, columns) {
  const down = linearWeights(height, rows);
  const across = linearWeights(width, columns);
  const rgb = new Uint8ClampedArray(rows * columns * 3);
  for (let row = 0, i = 0; row < rows; row++) {
    const [upper, lower, below] = [down.first[row], down.second[row], down.share[row]];
    for (let column = 0; column < columns; column++) {
      const [left, right, beside] = [across.first[column], across.second[column], across.share[column]];
      for (let channel = 0; channel < 3; channel++, i++) {
        const value = (y, x) => rgba[(y * width + x) * 4 + channel];
        const top = value(upper, left) + beside * (value(upper, right) - value(upper, left));
        const bottom = value(lower, left) + beside * (value(lower, right) - value(lower, left));
        rgb[i] = roundEven(top + below * (bottom - top));
      }
    }
  }
  return rgb;
}

/** For each of `target` pixels the two of `length` that it lies between, and how near the second. */
export function linearWeights(length, target) {
  const first = new Int32Array(target);
  const second = new Int32Array(target);
  const share = new Float32Array(target);
  for (let i = 0; i < target; i++) {
    const place = Math.min(Math.max(((i + 0.5) * length) / target - 0.5, 0), length - 1);
    first[i] = Math.floor(place);
    second[i] = Math.min(first[i] + 1, length - 1);
    share[i] = place - first[i];
  }
  return { first, second, share };
}

/** A map at another size, bilinear (`cv2.resize`, INTER_LINEAR). Float32, rows x columns. */
export function resizeMap(values, height, width, rows, columns) {
  const down = linearWeights(height, rows);
  const across = linearWeights(width, columns);
  const result = new Float32Array(rows * columns);
  for (let row = 0, i = 0; row < rows; row++) {
    const upper = down.first[row] * width;
    const lower = down.second[row] * width;
    const below = down.share[row];
    for (let column = 0; column < columns; column++, i++) {
      const left = across.first[column];
      const right = across.second[column];
      const beside = across.share[column];
      const top = values[upper + left] + beside * (values[upper + right] - values[upper + left]);
      const bottom = values[lower + left] + beside * (values[lower + right] - values[lower + left]);
      result[i] = top + below * (bottom - top);
    }
  }
  return result;
}

/** Where a place beyond either end is mirrored to; the end itself is not doubled (REFLECT_101). */
export function mirror(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inside = ((place % period) + period) % period;
  return inside < length ? inside : period - inside;
}

/** The mean of `size` x `size` pixels around each, mirrored at the edges (`cv2.blur`). */
export function blur(values, height, width, size) {
  const half = (size - 1) / 2;
  const lines = new Float32Array(height * width);
  const result = new Float32Array(height * width);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let by = -half; by <= half; by++) sum += values[row * width + mirror(column + by, width)];
      lines[row * width + column] = sum;
    }
  }
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let by = -half; by <= half; by++) sum += lines[mirror(row + by, height) * width + column];
      result[row * width + column] = sum / (size * size);
    }
  }
  return result;
}
