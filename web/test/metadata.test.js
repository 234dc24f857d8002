// What a network's file says it sees is read from whole files, and cut-off ones end in an error.

import assert from "node:assert/strict";
import { test } from "node:test";

import { readView } from "../src/metadata.js";

/** A field of a protobuf message that has a length. */
function field(number, bytes) {
  return [8 * number + 2, ...(bytes.length < 128 ? [] : [(bytes.length & 127) | 128]),
    bytes.length < 128 ? bytes.length : bytes.length >> 7, ...bytes];
}

const text = (words) => [...new TextEncoder().encode(words)];
const view = { max_depth: 10, focal: 0.81, aspect: 1.333, horizon: null };
const graph = field(7, new Array(300).fill(255)); // weights, which may look like anything
const said = field(14, [...field(1, text("depthlib")), ...field(2, text(JSON.stringify({ view })))]);
const file = [8, 9, ...graph, ...field(14, [...field(1, text("other")), ...field(2, text("1"))]), ...said];

test("the view that a network's file names is read", () => {
  assert.deepEqual(readView(Uint8Array.from(file)), view);
});

test("a file that ends anywhere else is refused, and nothing waits for more", () => {
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => readView(Uint8Array.from(file.slice(0, length))), Error, `${length} bytes`);
  }
});
