// The gallery: photos with depth that Python has predicted, and their clouds.

import { DepthMap } from "./depthmap.js";
import { findSurface } from "./cloud.js";
import { followTheme } from "./theme.js";
import { paint } from "./colours.js";
import { readPng16 } from "./files.js";

let open = null; // what closes the one cloud that is shown

followTheme(document.getElementById("theme"));
start();

async function start() {
  try {
    const entries = await (await load("gallery/gallery.json")).json();
    document.getElementById("gallery").append(...entries.map(makeFigure));
  } catch (error) {
    say(`The gallery could not be loaded (${error.message}). Load the page again.`);
  }
}

function makeFigure(entry) {
  const figure = document.getElementById("figure").content.cloneNode(true).firstElementChild;
  const [image, canvas, slider, button] = ["img", "canvas", "input", "button"].map((tag) => figure.querySelector(tag));
  image.src = `gallery/${entry.photo}`;
  image.alt = entry.title;
  figure.querySelector("b").textContent = entry.title;
  slider.setAttribute("aria-label", `${entry.title}: how much of the photo is seen beside its depth, per cent`);
  slider.oninput = () => figure.querySelector(".pair").style.setProperty("--split", `${slider.value}%`);
  button.setAttribute("aria-label", `Turn ${entry.title} in 3D`);
  const whenSeen = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    whenSeen.disconnect();
    try {
      const map = await readMap(entry);
      [canvas.width, canvas.height] = [map.layout.width, map.layout.height];
      const pixels = paint(map, canvas.height, canvas.width);
      canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
      describe(figure, entry, map);
      button.onclick = () => toggle(figure, button, map, image);
      figure.dataset.ready = "";
    } catch (error) {
      say(`${entry.title} could not be loaded (${error.message}). Load the page again.`);
    }
  }, { rootMargin: "300px" });
  whenSeen.observe(figure);
  return figure;
}

async function readMap({ depth, width, height, focal, far, max_depth }) {
  const file = await load(`gallery/${depth}`);
  const map = await readPng16(new Uint8Array(await file.arrayBuffer()));
  const layout = {
    rows: map.height, columns: map.width, height, width, focal,
    far: far ?? Infinity, view: { maxDepth: max_depth },
  };
  return new DepthMap(layout, map.depth);
}

function describe(figure, { photo, network, source }, map) {
  const [near, far] = map.limits().map((limit) => limit.toPrecision(2));
  const link = document.createElement("a");
  link.href = `./?photo=${photo.replace(".jpg", "")}`;
  link.textContent = "open it in the page";
  figure.querySelector(".note").append(`${near} to ${far} m by ${network}. ${source}; `, link);
}

async function toggle(figure, button, map, image) {
  const isOpen = button.getAttribute("aria-pressed") === "true";
  open?.();
  if (isOpen) return;
  const { CloudViewer } = await import("./viewer.js");
  const space = document.createElement("div");
  space.className = "space";
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("aria-label", `Point cloud of ${image.alt}. Drag or use the arrow keys to turn it.`);
  space.append(canvas);
  figure.querySelector(".pair").append(space);
  button.setAttribute("aria-pressed", "true");
  const { width, height } = map.layout;
  const surface = findSurface(map.full(), readColours(image, width, height), height, width, 1, map.camera);
  const viewer = new CloudViewer(canvas);
  viewer.turning = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  viewer.show({ ...surface, columns: width }, map.camera.f / width, width / height);
  open = () => {
    viewer.close();
    space.remove();
    button.setAttribute("aria-pressed", "false");
    open = null;
  };
}

function readColours(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  return rgba.filter((_, i) => i % 4 < 3);
}

async function load(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${response.status} for ${path}`);
  return response;
}

function say(text) {
  const message = document.getElementById("message");
  message.hidden = false;
  message.textContent = text;
}
