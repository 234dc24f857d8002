// The colour bar: near to far in metres, and where the pointer's depth stands on it.

import { COLOURS } from "./colours.js";
import { chooseTicks, place } from "./depthmap.js";

const $ = (id) => document.getElementById(id);

export function showBar(map) {
  const canvas = document.querySelector("#scale canvas");
  const pixels = new ImageData(256, 1);
  for (let i = 0; i < 256; i++) pixels.data.set([...COLOURS.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  const limits = map.limits();
  $("scale").hidden = !limits;
  if (!limits) return;
  const ticks = chooseTicks(limits, map.logarithmic).map((tick) => {
    const mark = document.createElement("span");
    mark.textContent = `${tick} m`;
    mark.style.left = `${100 * place(tick, limits, map.logarithmic)}%`;
    return mark;
  });
  $("ticks").replaceChildren(...ticks);
  $("sky").hidden = map.far === Infinity;
  const [near, far] = limits.map((limit) => limit.toPrecision(3));
  const sky = map.sky >= 0.005 ? ` ${Math.round(100 * map.sky)} per cent is sky.` : "";
  $("scale").setAttribute("aria-label", `Colour bar from near, ${near} metres, to far, ${far} metres.${sky}`);
}

/** metres: null for none. */
export function point(map, metres) {
  const limits = map?.limits();
  $("needle").hidden = !metres || !limits;
  if (metres && limits) $("needle").style.left = `${100 * place(metres, limits, map.logarithmic)}%`;
}
