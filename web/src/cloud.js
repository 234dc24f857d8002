// Depth as points and as a surface in space: depthlib/prediction/cloud.py, which explains it.

import { roundEven } from "./arrays.js";

const JUMP = 0.08;
const BLUR = 1 / 80;
export const MAX_POINTS = 1_500_000;

/** Every how many-th row and column is taken, so that at most so many points are left. */
export function stepFor(height, width, maxPoints) {
  let step = 1;
  while (Math.ceil(height / step) * Math.ceil(width / step) > maxPoints) step++;
  return step;
}

/**
 * Points with two triangles for each four pixels, but none between something near and something far.
 *
 * z: depth at every `step`-th pixel, rows x columns, 0 where unknown. rgb: colours there, 3 bytes
 * each. camera: {f, cx, cy} in the photo's pixels.
 * Gives {points: Float32Array, colours: Uint8Array, faces: Uint32Array}, three numbers each; the axes
 * are x right, y down, z forward.
 */
export function findSurface(z, rgb, rows, columns, step, camera) {
  const inverse = z.map((depth) => (depth > 0 ? 1 / depth : 0));
  const longest = roundEven(Math.log2(Math.max(1, BLUR * Math.max(rows, columns))));
  const spans = Array.from({ length: longest + 1 }, (_, i) => 2 ** i);
  const across = findJumps(inverse, rows, columns, spans);
  const down = findJumps(transpose(inverse, rows, columns), columns, rows, spans);
  const hangsAcross = findHanging(across, rows, columns);
  const hangsDown = findHanging(down, columns, rows);
  const number = new Int32Array(rows * columns).fill(-1);
  let count = 0;
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      if (z[i] > 0 && !hangsAcross[i] && !hangsDown[column * rows + row]) number[i] = count++;
    }
  }
  const points = new Float32Array(count * 3);
  const colours = new Uint8Array(count * 3);
  const faces = [];
  const joinsRight = (row, column) => {
    const i = row * columns + column;
    return across[row * (columns - 1) + column] === 0 && number[i] >= 0 && number[i + 1] >= 0;
  };
  const joinsBelow = (row, column) => {
    const i = row * columns + column;
    return down[column * (rows - 1) + row] === 0 && number[i] >= 0 && number[i + columns] >= 0;
  };
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      const place = 3 * number[i];
      if (place >= 0) {
        points[place] = ((column * step - camera.cx) / camera.f) * z[i];
        points[place + 1] = ((row * step - camera.cy) / camera.f) * z[i];
        points[place + 2] = z[i];
        colours.set(rgb.subarray(3 * i, 3 * i + 3), place);
      }
      if (row + 1 < rows && column + 1 < columns) {
        const [below, right] = [i + columns, i + 1];
        if (joinsRight(row, column) && joinsBelow(row, column)) {
          faces.push(number[i], number[below], number[right]);
        }
        if (joinsRight(row + 1, column) && joinsBelow(row, column + 1)) {
          faces.push(number[right], number[below], number[below + 1]);
        }
      }
    }
  }
  return { points, colours, faces: Uint32Array.from(faces) };
}

/** Where a row goes from one thing to another: Int8, height x (width - 1), +1 where to a nearer. */
function findJumps(inverse, height, width, spans) {
  const jumps = new Int8Array(height * (width - 1));
  for (const span of spans) {
    if (span >= width) break;
    const length = width - span;
    const rise = new Float32Array(length);
    const known = new Uint8Array(length);
    for (let row = 0; row < height; row++) {
      const line = inverse.subarray(row * width, (row + 1) * width);
      for (let i = 0; i < length; i++) {
        known[i] = line[i] > 0 && line[i + span] > 0 ? 1 : 0;
        rise[i] = known[i] ? line[i + span] - line[i] : 0;
      }
      let last = -1; // the last pair whose jump begins there
      for (let i = 0; i < width - 1; i++) {
        if (i < length && isJump(line, rise, known, i, span, length)) last = i;
        if (last < 0 || i - last >= span) continue;
        const step = line[i + 1] - line[i];
        const nearest = Math.min(line[i + 1], line[i]);
        if (Math.abs(step) > (JUMP / (2 * span)) * nearest) jumps[row * (width - 1) + i] = Math.sign(step);
      }
    }
  }
  return jumps;
}

/** Whether the rise from a pixel on exceeds those before and after it by a jump. */
function isJump(line, rise, known, i, span, length) {
  if (!known[i]) return false;
  const hasBefore = i >= span;
  const hasAfter = i + span < length;
  const outside = span > 1 ? rise[i] : 0;
  const before = hasBefore ? rise[i - span] : outside;
  const after = hasAfter ? rise[i + span] : outside;
  const excess = Math.max(rise[i] - Math.max(before, after), Math.min(before, after) - rise[i]);
  if (!(excess > JUMP * Math.min(line[i], line[i + span]))) return false;
  if (span === 1) return true;
  return !hasBefore || !hasAfter || known[i - span] === 1 || known[i + span] === 1;
}

/** Pixels amid a jump: one to them, and from them on the same way. */
function findHanging(jumps, height, width) {
  const hangs = new Uint8Array(height * width);
  for (let row = 0; row < height; row++) {
    for (let column = 1; column < width - 1; column++) {
      const i = row * (width - 1) + column;
      hangs[row * width + column] = jumps[i - 1] * jumps[i] > 0 ? 1 : 0;
    }
  }
  return hangs;
}

function transpose(values, rows, columns) {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}
