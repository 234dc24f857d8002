// The page's modules answer as Python does: `python -m tools.web_golden` writes what that is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { enlarge, join, layOut, makeView, shrink, split } from "../src/geometry.js";
import { chooseScale, makePng16, readPng16 } from "../src/files.js";
import { COLOURS } from "../src/colours.js";
import { DepthMap } from "../src/depthmap.js";
import { findLens, readHeader } from "../src/lens.js";
import { findSurface } from "../src/cloud.js";
import { TemporalFilter } from "../src/smoothing.js";

const golden = JSON.parse(readFileSync(new URL("golden.json", import.meta.url), "utf-8"));
const KINDS = { uint8: Uint8Array, float32: Float32Array, uint16: Uint16Array };

function unpack({ dtype, shape, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { values: new KINDS[dtype](bytes.buffer), shape };
}

/** An array of arrays: one for each of the first dimension. */
function unpackEach(packed) {
  const { values, shape } = unpack(packed);
  const length = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) => values.subarray(i * length, (i + 1) * length));
}

function viewOf(view) {
  return makeView(view.height, view.width, view);
}

/** Rows of an RGB photo as the page reads them. */
function readerOf(rgb, width) {
  return (top, count) => {
    const rgba = new Uint8ClampedArray(count * width * 4).fill(255);
    for (let i = 0; i < count * width; i++) {
      for (let channel = 0; channel < 3; channel++) rgba[4 * i + channel] = rgb[3 * (top * width + i) + channel];
    }
    return rgba;
  };
}

function assertNear(received, expected, tolerance, what) {
  assert.equal(received.length, expected.length, `${what}: its length`);
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(received[i] - expected[i]);
    if (received[i] !== expected[i] && !(off <= tolerance * Math.max(1, Math.abs(expected[i])))) {
      assert.fail(`${what}: ${received[i]} in place of ${expected[i]} at ${i}`);
    }
  }
}

function each(kind, name, check) {
  test(name, async (context) => {
    assert.ok(golden[kind].length > 0);
    for (const [number, { given, expected }] of golden[kind].entries()) {
      await context.test(`${kind} ${number}`, () => check(given, expected));
    }
  });
}

each("layout", "a photo of any shape and lens is laid out as in Python", (given, expected) => {
  const layout = layOut(given.height, given.width, viewOf(given.view), given.focal);
  const whole = ["rows", "columns", "tops", "lefts"];
  for (const key of whole) assert.deepEqual(layout[key], expected[key], key);
  for (const key of ["factor", "skyFactor"]) assertNear([layout[key]], [expected[key]], 1e-12, key);
  assert.equal(layout.focal === null, expected.focal === null);
  assertNear([layout.focal ?? 0], [expected.focal ?? 0], 1e-12, "focal");
  assertNear([layout.far], [expected.far ?? Infinity], 1e-12, "far");
});

each("photo", "the network sees the same pixels, and its depth becomes the same metres", (given, expected) => {
  const { values, shape } = unpack(given.photo);
  const layout = layOut(shape[0], shape[1], viewOf(given.view), given.focal);
  const canvases = split(shrink(readerOf(values, shape[1]), layout), layout);
  const wanted = unpackEach(expected.canvases);
  assert.equal(canvases.length, wanted.length);
  canvases.forEach((canvas, i) => {
    // OpenCV computes with 11 bits where it enlarges, so that a grey level may differ by one.
    assert.ok(canvas.every((value, j) => Math.abs(value - wanted[i][j]) <= 1));
    const same = canvas.filter((value, j) => value === wanted[i][j]).length;
    assert.ok(same >= 0.8 * canvas.length, `${same} of ${canvas.length}`);
  });
  const joined = join(unpackEach(given.depths), layout);
  const depth = unpack(expected.depth).values;
  assertNear(enlarge(joined, layout), depth, 2e-5, "depth");
  const map = new DepthMap(layout, joined);
  const places = [[0, 0], [shape[1] - 1, shape[0] - 1], [shape[1] >> 1, shape[0] >> 2]];
  for (const [column, row] of places) {
    assertNear([map.raw(column, row)], [depth[row * shape[1] + column]], 2e-5, "a pixel's depth");
  }
});

each("lens", "a photo's EXIF says the same focal length, or none", ({ file }, { focal }) => {
  const bytes = Uint8Array.from(Buffer.from(file, "base64"));
  const header = readHeader(bytes);
  const stored = header.size ?? [12, 16]; // of the WebP, whose size its picture tells
  const lies = header.tags[0x0112] >= 5;
  const found = findLens(header, lies ? [stored[1], stored[0]] : stored);
  assert.equal(found.focal === null, focal === null, found.note);
  assertNear([found.focal ?? 0], [focal ?? 0], 1e-9, "focal");
  assert.ok(found.focal !== null || found.note.length > 10);
});

each("known", "a known distance sets the same scale", (given, expected) => {
  const layout = layOut(given.height, given.width, viewOf(given.view));
  const map = new DepthMap(layout, join(unpackEach(given.depths), layout));
  const fitted = map.fit(given.first, given.second, given.metres);
  assertNear([fitted.scale], [expected.scale], 1e-4, "scale");
  assertNear([fitted.distance(given.first, given.second)], [given.metres], 1e-6, "distance");
  const again = fitted.fit(given.first, given.second, 2 * given.metres);
  assertNear([again.scale], [2 * expected.scale], 1e-4, "scale of a scaled one");
});

each("surface", "the cloud has the same points, colours and triangles", (given, expected) => {
  const { values, shape } = unpack(given.depth);
  const rgb = unpack(given.rgb).values;
  const [rows, columns] = shape.map((length) => Math.ceil(length / given.step));
  const depth = new Float32Array(rows * columns);
  const colours = new Uint8Array(rows * columns * 3);
  for (let i = 0; i < depth.length; i++) {
    const source = Math.floor(i / columns) * given.step * shape[1] + (i % columns) * given.step;
    depth[i] = values[source];
    colours.set(rgb.subarray(3 * source, 3 * source + 3), 3 * i);
  }
  const camera = { f: given.focal, cx: (shape[1] - 1) / 2, cy: (shape[0] - 1) / 2 };
  const surface = findSurface(depth, colours, rows, columns, given.step, camera);
  assertNear(surface.points, unpack(expected.points).values, 1e-5, "points");
  assert.deepEqual([...surface.colours], [...unpack(expected.colours).values]);
  const triangles = (faces) => {
    const list = Array.from({ length: faces.length / 3 }, (_, i) => String(faces.slice(3 * i, 3 * i + 3)));
    return list.sort();
  };
  assert.deepEqual(triangles(surface.faces), triangles(unpack(expected.faces).values));
});

each("smoothing", "the temporal filter averages as in Python", (given, expected) => {
  const smooth = new TemporalFilter();
  const depths = unpackEach(given.depths);
  const [height, width] = given.depths.shape.slice(1);
  unpackEach(expected.depths).forEach((wanted, i) => {
    const photo = unpackEach(given.photos)[i];
    assertNear(smooth.filter(photo, depths[i], height, width), wanted, 2e-3, `frame ${i}`);
  });
});

each("png", "a 16-bit PNG of Python's is read, and the page's own holds the same", async (given, expected) => {
  const { values, shape } = unpack(given.depth);
  const [name] = chooseScale(given.max_depth);
  assert.equal(expected.name, `photo_depth_${name}.png`);
  const wanted = await readPng16(Uint8Array.from(Buffer.from(expected.file, "base64")));
  const file = await makePng16(values, shape[0], shape[1], given.max_depth);
  const own = await readPng16(new Uint8Array(await file.arrayBuffer()));
  assert.deepEqual(own, wanted);
  assert.deepEqual([wanted.height, wanted.width], shape);
  assertNear(wanted.depth, values, 1 / 256, "depth");
});

each("colours", "near is red and far is blue, as in Python", (_, { colours }) => {
  assert.deepEqual([...COLOURS], [...unpack(colours).values]);
});
