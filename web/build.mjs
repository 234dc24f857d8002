// Puts the page together, its own files as they are and what it needs of its packages:
// node web/build.mjs [FOLDER], by default web/dist.

import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = (path) => new URL(path, import.meta.url);
const dist = process.argv[2] ? resolve(process.argv[2]) : fileURLToPath(here("dist"));
const inDist = (...path) => resolve(dist, ...path);
const PAGES = ["index.html", "gallery.html", "style.css", "icon.svg", "src", "gallery"];
const PACKAGES = {
  "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": "ort.mjs",
  "three/build/three.module.js": "three.js",
  "three/build/three.core.js": "three.core.js",
  "three/examples/jsm/controls/OrbitControls.js": "orbit.js",
};
const NETWORKS = ["light", "road"];
// Another folder of networks with these names, such as those of `depthlib export --int8`.
const models = resolve(process.env.NETWORKS || fileURLToPath(here("../depthlib/models")));

rmSync(dist, { recursive: true, force: true });
mkdirSync(inDist("vendor"), { recursive: true });
for (const page of PAGES) cpSync(fileURLToPath(here(page)), inDist(page), { recursive: true });
for (const [from, to] of Object.entries(PACKAGES)) {
  cpSync(here(`node_modules/${from}`), inDist("vendor", to));
}
// Compressed here, since not every host compresses it; the page unpacks it.
const wasm = readFileSync(here("node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"));
writeFileSync(inDist("vendor", "ort.wasm.gz"), gzipSync(wasm, { level: 9 }));
for (const network of NETWORKS) {
  cpSync(resolve(models, `${network}.onnx`), inDist("models", `${network}.onnx`));
}
writeFileSync(inDist(".nojekyll"), ""); // GitHub Pages serves the files as they are
writeFileSync(inDist("vendor", "LICENSES.txt"), licences());

const bytes = readdirSync(dist, { recursive: true })
  .map((path) => statSync(inDist(path)))
  .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
console.log(`${dist}: ${(bytes / 1e6).toFixed(1)} MB`);

function licences() {
  const three = readFileSync(here("node_modules/three/LICENSE"), "utf-8");
  const [title, , ...terms] = three.split("\n\n");
  return [
    "three.js, https://github.com/mrdoob/three.js",
    three,
    "ONNX Runtime, https://github.com/microsoft/onnxruntime",
    [title, "Copyright (c) Microsoft Corporation", ...terms].join("\n\n"),
  ].join("\n\n");
}
