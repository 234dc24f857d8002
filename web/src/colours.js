// Depth in colours: red is near, blue is far, grey is sky or unknown (`writers.DEPTH_COLOURS`).

import { linearWeights } from "./arrays.js";
import { chooseTicks, place } from "./depthmap.js";

export const GREY = 153;
export const COLOURS = Uint8Array.from(
  atob(
    [
      "egQDfgUCgQYChQcCiAgCiwkCjgoBkgsBlQ0BmA4Bmw8BnhABoRIBpBMBpxQBqRYBrBcBrxgBshoBtBsBtx0CuR4CvCACviEC",
      "wSMCwyUDxSYDyCgDyioEzCsEzi0E0C8F0jEF1DMF1jUG2DcG2jkH3DsH3T0I3z8I4UEJ4kMK5EUK5UcL50kM6EsM6k4N61AO",
      "7FMP7VUQ71gR8FsS8V0T8mAU82MV9GYX9WkY9mwZ928a+HIc+XUd+Xge+nsf+34h+4Ei/IQj/Icl/Yom/Y0n/pAp/pMq/pYr",
      "/pks/pst/p4v/qEw/qQx/qcy/qkz/aw0/a41/LE2/LM2+7Y3+7g4+ro5+bw5+L4598E69sM69cU69Mc68sk68cs678067s86",
      "7NE669M56dU559c55dk449s44d0339833eA32+I22eQ21+U11Oc10uk10Oo0zew0y+00yO80xvA0w/E0wfM0vvQ0vPU0ufY1",
      "t/c1tPg2sfk2r/o3rPs4qfs5p/w6pPw8of09n/0/nP5Amf5Clv5Ekv9Hj/9Ji/9LiP9OhP9RgP9Tff9Wef5Zdf5ccf5fbf5i",
      "af1mZf1pYfxsXfxvWftzVfp2Uvp6Tvl9SviARviEQ/eHP/aKPPWOOPSRNfOUMvKYL/GbLPCeKu+hJ+6kJeynIuuqIOqsH+mv",
      "HeeyHOa0GuS2GeO5GeK7GOC9GN7AGN3CGNvFGNnIGNfKGdXNGtTQGtLSG9DVHM3YHsvaH8ndIMffIsXiI8PkJcDnJ77pKLzr",
      "KrnuLLfwLrTyL7L0Ma/1M633Nav4N6j6OKX7OqP8O6D9PZ7+Ppv+QJn/QZb/QpT/Q5H+RI/+RYz9RYr8Rof7RoX6RoL4RoD2",
      "Rn30R3vyR3jwR3buR3PrR3HpR27mRmvjRmngRmbdRmTaRmHWRV7TRVzPRVnLRFbHRFTDRFG/Q066Qku1QkmxQUasQUOnQECi",
      "Pz6cPzuXPjiRPTWLPDKGOy+AOi15OSpzOCdtNyRmNiFfNR5YNBtRMxhKMhVDMBI7",
    ].join(""),
  ),
  (letter) => letter.charCodeAt(0),
);

/** A picture of a map, RGBA bytes rows x columns; depth is interpolated first, then coloured. */
export function paint(map, rows, columns) {
  const { layout, values, scale, far, logarithmic } = map;
  const limits = map.limits();
  const down = linearWeights(layout.rows, rows);
  const across = linearWeights(layout.columns, columns);
  const pixels = new Uint8ClampedArray(rows * columns * 4).fill(255);
  for (let row = 0, i = 0; row < rows; row++) {
    const upper = down.first[row] * layout.columns;
    const lower = down.second[row] * layout.columns;
    const below = down.share[row];
    for (let column = 0; column < columns; column++, i += 4) {
      const [left, right, beside] = [across.first[column], across.second[column], across.share[column]];
      const top = values[upper + left] + beside * (values[upper + right] - values[upper + left]);
      const bottom = values[lower + left] + beside * (values[lower + right] - values[lower + left]);
      const metres = scale * (top + below * (bottom - top));
      if (limits && metres < far) {
        const shade = 3 * Math.round(255 * place(metres, limits, logarithmic));
        pixels[i] = COLOURS[shade];
        pixels[i + 1] = COLOURS[shade + 1];
        pixels[i + 2] = COLOURS[shade + 2];
      } else {
        pixels.fill(GREY, i, i + 3);
      }
    }
  }
  return pixels;
}

/** The colour of a share from 0, near, to 1, far, as CSS has it. */
export function cssColour(share) {
  const shade = 3 * Math.round(255 * share);
  return `rgb(${COLOURS.subarray(shade, shade + 3).join(" ")})`;
}

/** A picture with its colour bar below it, drawn on a canvas (an OffscreenCanvas too). */
export function drawPicture(canvas, map) {
  const { height, width } = map.layout;
  const unit = Math.max(12, Math.round(Math.max(height, width) / 60)); // of the letters
  canvas.width = width;
  canvas.height = height + 4 * unit;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.putImageData(new ImageData(paint(map, height, width), width, height), 0, 0);
  const limits = map.limits();
  if (!limits) return;
  const hasSky = map.sky > 0;
  const [start, end] = [2 * unit, width - (hasSky ? 6 : 2) * unit];
  const top = height + unit;
  for (let column = start; column < end; column++) {
    context.fillStyle = cssColour((column - start) / (end - start));
    context.fillRect(column, top, 1, unit);
  }
  context.fillStyle = "black";
  context.font = `${unit}px sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const tick of chooseTicks(limits, map.logarithmic)) {
    const column = start + place(tick, limits, map.logarithmic) * (end - start);
    context.fillRect(column, top + unit, 1, unit / 3);
    context.fillText(`${tick} m`, column, top + 1.5 * unit);
  }
  if (hasSky) {
    context.fillText("sky", width - 2.5 * unit, top + 1.5 * unit);
    context.fillStyle = `rgb(${GREY} ${GREY} ${GREY})`;
    context.fillRect(width - 4 * unit, top, 3 * unit, unit);
  }
}
