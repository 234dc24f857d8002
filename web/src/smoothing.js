// Depth that flickers less from frame to frame: depthlib/video/smoothing.py.

import { blur, resizeRgb, roundEven } from "./arrays.js";

const SMOOTHING = 0.8;
const CHANGE = 10;
const JUMP = Math.log(2);
const NOISE = 5;
const SEAM = 9;
const CUT = 0.6;
const THUMBNAIL = [24, 32]; // height and width
const DARK = 32;
const LIGHT = Uint8Array.from({ length: 256 }, (_, i) => roundEven(100 * Math.log1p(i / DARK)));

/** Averages each pixel's ln depth over time, with the past held back where the photo changed. */
export class TemporalFilter {
  #last = null;

  /** rgb: bytes, 3 a pixel. depth: Float32, of the same size. Gives the filtered depth. */
  filter(rgb, depth, height, width) {
    const light = Uint8Array.from(rgb, (value) => LIGHT[value]);
    const fresh = depth.map(Math.log);
    const last = this.#last;
    let smooth = fresh;
    if (last?.light.length === light.length && !isCut(light, last.light, height, width)) {
      const change = blur(findChange(light, last.light), height, width, NOISE).map(Math.round);
      const share = change.map((by, i) => {
        const step = last.smooth[i] - fresh[i];
        return Math.exp(-((by / CHANGE) ** 2) - (step / JUMP) ** 2);
      });
      const around = blur(share, height, width, SEAM);
      smooth = fresh.map(
        (value, i) => value + SMOOTHING * Math.min(share[i], around[i]) * (last.smooth[i] - value),
      );
    }
    this.#last = { light, smooth };
    return smooth.map(Math.exp);
  }
}

/** By how much each pixel's light differs, in grey levels (ITU-R BT.601). */
function findChange(light, before) {
  const change = new Float32Array(light.length / 3);
  for (let i = 0; i < change.length; i++) {
    const by = (channel) => Math.abs(light[3 * i + channel] - before[3 * i + channel]);
    change[i] = Math.round(0.299 * by(0) + 0.587 * by(1) + 0.114 * by(2));
  }
  return change;
}

/** Whether another scene began between two frames: by the correlation of their thumbnails. */
function isCut(light, before, height, width) {
  const [now, then] = [light, before].map((image) => centre(shrink(image, height, width)));
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const norm = Math.sqrt(dot(now, now) * dot(then, then));
  return (norm ? dot(now, then) / norm : 1) < CUT;
}

function shrink(rgb, height, width) {
  const read = (top, count) => {
    const rgba = new Uint8Array(count * width * 4);
    for (let i = 0; i < count * width; i++) {
      for (let channel = 0; channel < 3; channel++) {
        rgba[4 * i + channel] = rgb[3 * (top * width + i) + channel];
      }
    }
    return rgba;
  };
  return resizeRgb(read, height, width, ...THUMBNAIL);
}

/** Each channel without its mean. */
function centre(rgb) {
  const means = [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let i = channel; i < rgb.length; i += 3) sum += rgb[i];
    return (sum * 3) / rgb.length;
  });
  return Float64Array.from(rgb, (value, i) => value - means[i % 3]);
}
