// The page: what is chosen, computed and shown.

import { Engine, hasSimd } from "./engine.js";
import { chooseScale } from "./files.js";
import { DepthMap } from "./depthmap.js";
import { millimetresOf, shareOf } from "./lens.js";
import { openPhoto } from "./photo.js";
import { SHARES } from "./geometry.js";
import { showBar } from "./bar.js";
import { Stage } from "./stage.js";
import { followTheme } from "./theme.js";

const LENSES = [10, 250]; // millimetres of 35-mm film at the slider's ends
const POINTS = matchMedia("(pointer: coarse)").matches ? 150_000 : 400_000;
const EXAMPLES = 4;
const ENDINGS = { npy: "_depth.npy", ply: ".ply", glb: ".glb", colour: "_depth_colour.jpg" };

const $ = (id) => document.getElementById(id);
const engine = new Engine(showProgress);
const stage = new Stage({ onMark: showMarks });

let opened = 0; // photos that were asked for
let photo = null; // {name, width, height, lens}
let chosen = null; // a focal length by the slider, over the photo's width
let map = null; // a DepthMap
let milliseconds = 0;
let viewer = null;
let shownIn3D = null; // the photo whose cloud is shown
let camera = null; // a MediaStream
let computing = null; // a promise while the network computes
let waiting = false; // for it to compute again

followTheme($("theme"));
start();

function start() {
  if (!hasSimd()) return say("This browser cannot run the network: it lacks WebAssembly with SIMD. A newer one can.");
  for (const input of [$("file"), $("shot")]) {
    input.onchange = () => {
      if (input.files[0]) openFile(input.files[0]);
      input.value = ""; // the same file may be chosen again
    };
  }
  document.onpaste = (event) => {
    const [file] = event.clipboardData.files;
    if (file) openFile(file);
  };
  followDrops();
  $("live").onclick = () => (camera ? stopCamera() : startCamera());
  $("networks").onchange = () => {
    forgetScale();
    compute();
  };
  $("views").onchange = show;
  $("lens").oninput = () => {
    const [low, high] = LENSES.map(Math.log);
    const share = shareOf(Math.exp(low + $("lens").value * (high - low)), photo.height, photo.width);
    chosen = Math.min(Math.max(share, SHARES[0]), SHARES[1]);
    showLens();
    compute();
  };
  $("lens-reset").onclick = () => {
    chosen = null;
    compute();
  };
  $("known").onsubmit = (event) => {
    event.preventDefault();
    fitScale(Number($("known-metres").value));
  };
  $("scale-reset").onclick = () => setMap(map.rescale(1));
  $("saves").onclick = ({ target }) => save(target.closest("button"));
  $("message").querySelector("button").onclick = () => say("");
  return showExamples();
}

// Photos

async function openFile(blob, name = blob.name || "The pasted photo", network = null) {
  stopCamera();
  const turn = ++opened; // the last one that is asked for stays, however long each takes
  try {
    const next = await openPhoto(blob, name);
    if (turn !== opened) return next.bitmap.close();
    say("");
    await setPhoto(next, network);
  } catch (error) {
    if (turn === opened) say(error.message);
  }
}

/** The gallery's first photos; one of them, or the one that the address asks for, is opened. */
async function showExamples() {
  try {
    const asked = new URLSearchParams(location.search).get("photo");
    // Beside the photo's way here; what goes wrong is said when depth is asked for.
    if (!asked) engine.ask("prepare", { network: networkName() }).catch(() => {});
    const entries = await (await load("gallery/gallery.json")).json();
    for (const entry of entries.slice(0, EXAMPLES)) addExample(entry);
    await openExample(entries.find(({ photo: file }) => file === `${asked}.jpg`) ?? entries[0]);
  } catch (error) {
    say(`The examples could not be loaded (${error.message}). Choose a photo of your own.`);
  }
}

async function openExample({ photo: file, title, network }) {
  try {
    const response = await load(`gallery/${file}`);
    await openFile(await response.blob(), title, network);
  } catch (error) {
    say(`The example could not be loaded (${error.message}). Choose a photo of your own.`);
  }
}

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${response.status} for ${path}`);
  return response;
}

async function setPhoto({ bitmap, name, lens }, network) {
  photo = { name, lens, width: bitmap.width, height: bitmap.height };
  chosen = null;
  if (network) document.querySelector(`[name=network][value=${network}]`).checked = true;
  setMap(null);
  stage.showPhoto(bitmap);
  await engine.ask("keep", { bitmap }, [bitmap]);
  await compute();
}

function addExample(example) {
  const button = document.createElement("button");
  button.type = "button";
  button.title = example.source;
  const image = new Image(160, 120);
  image.src = `gallery/${example.photo}`;
  image.alt = example.title;
  button.append(image);
  button.onclick = () => openExample(example);
  $("examples").append(button);
}

function followDrops() {
  let depth = 0; // of elements that the file is over
  const over = (by) => {
    depth = Math.max(0, depth + by);
    $("curtain").hidden = !depth;
  };
  document.ondragenter = () => over(1);
  document.ondragleave = () => over(-1);
  document.ondragover = (event) => event.preventDefault();
  document.ondrop = (event) => {
    event.preventDefault();
    over(-depth);
    const [file] = event.dataTransfer.files;
    if (file) openFile(file);
    else say("That is no file. Drop a photo from a folder.");
  };
}

// Depth

/** Has the network compute; what is asked for meanwhile is done once, with the last settings. */
function compute() {
  waiting = true;
  computing ??= computeAll().finally(() => (computing = null));
  return computing;
}

async function computeAll() {
  while (waiting && photo && !camera) {
    waiting = false;
    const before = photo;
    stage.busy(true);
    try {
      const result = await engine.ask("predict", { network: networkName(), focal: focal() });
      if (before === photo && !camera) take(result);
    } catch (error) {
      say(explain(error));
    }
    stage.busy(false);
    $("loading").hidden = true;
  }
}

function take({ layout, values, milliseconds: time }) {
  milliseconds = time;
  setMap(new DepthMap(layout, values, map?.scale ?? 1));
}

function setMap(next) {
  map = next;
  for (const button of $("saves").children) button.disabled = !map;
  $("lens").disabled = !map;
  if (!map) return stage.showDepth(null);
  const [name] = chooseScale(map.layout.view.maxDepth);
  $("png-scale").textContent = name === "mm" ? "millimetres (÷ 1000)" : "metres × 256";
  stage.showDepth(map);
  showBar(map);
  showLens();
  showMarks(stage.marks);
  show();
  document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
}

function networkName() {
  return document.querySelector("[name=network]:checked").value;
}

function focal() {
  return chosen ?? photo.lens.focal;
}

function explain(error) {
  if (/fetch|network error|\b[45]\d\d for/i.test(error.message)) {
    return `The network could not be loaded (${error.message}). Connect, and choose it again.`;
  }
  if (/memory|allocat/i.test(error.message)) return "The photo does not fit into this browser's memory. Make it smaller.";
  return `No depth could be computed: ${error.message}. Choose another photo, or load the page again.`;
}

// What is seen

function show() {
  const view = document.querySelector("[name=view]:checked").value;
  stage.show(view);
  $("space").hidden = view !== "cloud";
  if (view === "cloud") showCloud();
  else {
    viewer?.close();
    viewer = shownIn3D = null;
    if (map) $("status").textContent = describeWork();
  }
}

function describeWork() {
  if (camera) return `${(1000 / milliseconds).toFixed(1)} a second`;
  return `${map.layout.width} × ${map.layout.height}, ${Math.round(milliseconds)} ms`;
}

async function showCloud() {
  if (!map || camera) return;
  const before = map;
  try {
    const { CloudViewer } = await import("./viewer.js");
    const surface = await engine.ask("cloud", { ...describe(), most: POINTS });
    if (before !== map || $("space").hidden) return;
    if (!surface.points.length) return say("The cloud has no points: all is sky, or too far to tell.");
    viewer ??= Object.assign(new CloudViewer(renewCanvas()), {
      turning: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    });
    const { width, height } = map.layout;
    viewer.show(surface, map.camera.f / width, width / height, shownIn3D !== photo);
    shownIn3D = photo;
    $("status").textContent = `${viewer.count.toLocaleString("en")} points`;
  } catch (error) {
    say(`The cloud could not be shown: ${error.message}. It needs WebGL; the files can be saved all the same.`);
  }
}

/** A canvas that has lost its drawing context cannot have another. */
function renewCanvas() {
  const fresh = $("cloud").cloneNode();
  $("cloud").replaceWith(fresh);
  return fresh;
}

function showLens() {
  const share = chosen ?? map?.layout.focal ?? null;
  if (share === null) return;
  const millimetres = millimetresOf(share, photo.height, photo.width);
  const [low, high] = LENSES.map(Math.log);
  if (document.activeElement !== $("lens") || chosen === null) {
    $("lens").value = (Math.log(millimetres) - low) / (high - low);
  }
  const angle = (2 * Math.atan(1 / (2 * share)) * 180) / Math.PI;
  const text = `${millimetres.toFixed(millimetres < 30 ? 1 : 0)} mm, ${Math.round(angle)}° across`;
  $("lens-text").textContent = text;
  $("lens").setAttribute("aria-valuetext", text);
  $("lens-reset").hidden = chosen === null;
  $("lens-note").textContent = chosen !== null ? "35-mm equivalent, as you say."
    : photo.lens.focal !== null ? `35-mm equivalent, by the photo's EXIF. ${photo.lens.note}`
    : `35-mm equivalent, assumed: ${photo.lens.note}. The right one makes the metres right.`;
}

function showMarks(marks) {
  const two = marks.length === 2 && map;
  const distance = two ? map.distance(...marks) : null;
  const single = marks.length === 1 && map ? map.at(...marks[0].map(Math.round)) : 0;
  $("measured").textContent = !marks.length ? "Click two places in the picture."
    : !two ? `${single ? `${metres(single)} away. ` : ""}Click the other place.`
    : distance === null ? "One of them has no depth: it is sky or too far to tell."
    : `${metres(distance)} between them`;
  stage.label(distance === null ? "" : metres(distance));
  $("known").hidden = distance === null;
  $("scaled").hidden = !map || map.scale === 1;
  if (map) $("scaled").firstElementChild.textContent = `All depth × ${map.scale.toPrecision(3)}, by your distance`;
}

function fitScale(truth) {
  try {
    setMap(map.fit(...stage.marks, truth));
  } catch (error) {
    say(error.message);
  }
}

function forgetScale() {
  if (map) map = map.rescale(1);
}

function metres(value) {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(1)} m`;
}

function say(text) {
  $("message").hidden = !text;
  $("message").firstElementChild.textContent = text;
}

function showProgress(loaded, total) {
  $("loading").hidden = loaded >= total;
  $("progress").max = total;
  $("progress").value = loaded;
  $("loading").lastElementChild.textContent =
    `Loading the network: ${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
}

// Files

function describe() {
  return { layout: map.layout, values: map.values, scale: map.scale };
}

async function save(button) {
  if (!button || button.disabled) return;
  const { format } = button.dataset;
  button.disabled = true;
  try {
    const blob = await engine.ask("save", { format, ...describe() });
    const ending = ENDINGS[format] ?? `_depth_${chooseScale(map.layout.view.maxDepth)[0]}.png`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = photo.name.replace(/\.\w+$/, "").replace(/\W+/g, "_") + ending;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    say(`The file could not be made: ${error.message}.`);
  }
  button.disabled = false;
}

// Camera

async function startCamera() {
  if (!navigator.mediaDevices) return say("A browser gives the camera to pages of https and of localhost alone. Choose a photo.");
  try {
    camera = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1280 } },
    });
  } catch (error) {
    return say(`The camera could not be opened (${error.message}). Allow it for this page, or choose a photo.`);
  }
  say("");
  const video = document.createElement("video");
  Object.assign(video, { srcObject: camera, muted: true, playsInline: true });
  await video.play();
  photo = { name: "camera", lens: { focal: null, note: "a camera does not say it" }, width: video.videoWidth, height: video.videoHeight };
  chosen = null;
  forgetScale();
  if ($("views").elements.view.value === "cloud") document.querySelector("[value=compare]").checked = true;
  $("live").textContent = "Keep this frame";
  stage.clearMarks();
  await computing;
  return follow(video, camera);
}

/** One frame after the other, as fast as the network computes them. */
async function follow(video, stream) {
  for (let count = 0; camera === stream; count++) {
    const start = performance.now();
    try {
      const bitmap = await createImageBitmap(video);
      const shown = await createImageBitmap(bitmap);
      await engine.ask("keep", { bitmap }, [bitmap]);
      const settings = { network: networkName(), focal: focal(), smooth: true, fresh: !count };
      const result = await engine.ask("predict", settings);
      if (camera !== stream && count) return; // stopped meanwhile: the last frame that is shown stays
      stage.showPhoto(shown);
      take({ ...result, milliseconds: performance.now() - start });
      $("loading").hidden = true;
    } catch (error) {
      stopCamera();
      return say(explain(error));
    }
  }
}

function stopCamera() {
  if (!camera) return;
  for (const track of camera.getTracks()) track.stop();
  camera = null;
  $("live").textContent = "Live camera";
  show();
}

