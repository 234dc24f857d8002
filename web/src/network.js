// A depth network of depthlib in an ONNX file, run by ONNX Runtime Web.

import * as ort from "../vendor/ort.mjs";

import { unpack } from "./files.js";
import { makeView } from "./geometry.js";
import { readView } from "./metadata.js";

let runtime = null;

/** Opens a network; `report` is called with the bytes that have come and, once known, how many. */
export async function openNetwork(url, report) {
  const tell = { runtime: [0, 0], network: [0, 0] };
  const follow = (part) => (loaded, total) => {
    tell[part] = [loaded, total];
    report(tell.runtime[0] + tell.network[0], tell.runtime[1] + tell.network[1]);
  };
  runtime ??= openRuntime(follow("runtime")).catch((error) => {
    runtime = null; // the next try may have a connection
    throw error;
  });
  const [bytes] = await Promise.all([download(url, follow("network")), runtime]);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const [, height, width] = session.inputMetadata[0].shape;
  return { session, view: makeView(height, width, readView(bytes)) };
}

/** The network's own depth of one input, Float32 of its size. */
export async function run({ session, view }, canvas) {
  const input = new ort.Tensor("uint8", canvas, [1, view.height, view.width, 3]);
  const output = await session.run({ [session.inputNames[0]]: input });
  return output[session.outputNames[0]].data;
}

async function openRuntime(report) {
  const packed = await download(new URL("../vendor/ort.wasm.gz", import.meta.url), report);
  const isPacked = packed[0] === 0x1f; // a host may have unpacked it
  ort.env.wasm.wasmBinary = isPacked ? await unpack(new Blob([packed]), "gzip") : packed;
  // Several threads need a page that is isolated from other origins, which few static hosts offer.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? 0 : 1;
  ort.env.logLevel = "error";
}

async function download(url, report) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${new URL(url).pathname}`);
  const total = Number(response.headers.get("Content-Length")) || 0;
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    loaded += part.value.length;
    report(loaded, Math.max(total, loaded));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
