// The photo with its depth over it: pointing, marking, comparing, by pointer and by keyboard.

import { paint } from "./colours.js";
import { point } from "./bar.js";

const LARGEST = 1600; // pixels of the photo as shown
const LARGEST_DEPTH = 960;
const STEP = 1 / 50; // of the picture's width, by an arrow key; a tenth with Shift

const $ = (id) => document.getElementById(id);

export class Stage {
  marks = []; // pixels [column, row] of the photo, two at most
  #map = null;
  #size = [4, 3];
  #cursor = null;
  #label = "";
  #onMark;

  constructor({ onMark }) {
    this.#onMark = onMark;
    const picture = $("picture");
    picture.onpointermove = (event) => this.#point(this.#pixelOf(event));
    picture.onpointerleave = () => this.#point(null);
    picture.onclick = (event) => this.#mark(this.#pixelOf(event));
    picture.onkeydown = (event) => this.#press(event);
    picture.onblur = () => this.#point(null);
    $("split").oninput = () => this.#split();
    this.#split();
  }

  /** Draws a photo; the bitmap is still whole afterwards. */
  showPhoto(bitmap) {
    const size = [bitmap.width, bitmap.height];
    if (String(size) !== String(this.#size)) this.clearMarks();
    this.#size = size;
    const canvas = $("photo");
    const scale = Math.min(1, LARGEST / Math.max(...size));
    [canvas.width, canvas.height] = size.map((length) => Math.max(1, Math.round(length * scale)));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    $("stage").style.setProperty("--aspect", size[0] / size[1]);
    $("marks").setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
  }

  /** Draws a DepthMap; null: there is none yet. */
  showDepth(map) {
    this.#map = map;
    const canvas = $("depth");
    canvas.hidden = !map;
    if (!map) {
      this.clearMarks();
      return this.#point(null);
    }
    const [width, height] = this.#size;
    const scale = Math.min(1, LARGEST_DEPTH / Math.max(width, height));
    [canvas.width, canvas.height] = [width, height].map((length) => Math.max(1, Math.round(length * scale)));
    const pixels = paint(map, canvas.height, canvas.width);
    canvas.getContext("2d").putImageData(new ImageData(pixels, canvas.width, canvas.height), 0, 0);
    return this.#draw();
  }

  /** view: compare, depth, photo or cloud. */
  show(view) {
    $("stage").dataset.view = view;
  }

  busy(on) {
    $("stage").setAttribute("aria-busy", String(on));
  }

  clearMarks() {
    this.marks = [];
    this.#onMark(this.marks);
    this.#draw();
  }

  /** What stands at the line between the marks. */
  label(text) {
    this.#label = text;
    this.#draw();
  }

  #split() {
    $("stage").style.setProperty("--split", `${$("split").value}%`);
  }

  #pixelOf({ clientX, clientY }) {
    const box = $("picture").getBoundingClientRect();
    const [width, height] = this.#size;
    const place = (share, length) => Math.min(Math.max(Math.floor(share * length), 0), length - 1);
    return [place((clientX - box.left) / box.width, width), place((clientY - box.top) / box.height, height)];
  }

  #point(pixel) {
    this.#cursor = pixel;
    const tip = $("tip");
    tip.hidden = !pixel || !this.#map;
    if (tip.hidden) return point(null, null);
    const metres = this.#map.at(...pixel);
    tip.textContent = metres ? `${metres.toFixed(metres < 10 ? 2 : 1)} m` : "sky";
    const [x, y] = pixel.map((value, i) => (value + 0.5) / this.#size[i]);
    tip.style.left = `${100 * x}%`;
    tip.style.top = `${100 * y}%`;
    tip.classList.toggle("left", x > 0.8);
    return point(this.#map, metres);
  }

  #mark(pixel) {
    if (!this.#map) return;
    this.marks = [...(this.marks.length < 2 ? this.marks : []), pixel];
    this.#onMark(this.marks);
    this.#draw();
  }

  #press(event) {
    const [width, height] = this.#size;
    const step = Math.max(1, Math.round(width * STEP * (event.shiftKey ? 0.1 : 1)));
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [column, row] = this.#cursor ?? [width >> 1, height >> 1];
    if (moves[event.key]) {
      const [right, down] = moves[event.key];
      const clamp = (value, length) => Math.min(Math.max(value, 0), length - 1);
      this.#point([clamp(column + right * step, width), clamp(row + down * step, height)]);
      $("announce").textContent = $("tip").textContent;
    } else if (event.key === "Enter" || event.key === " ") {
      this.#point([column, row]);
      this.#mark([column, row]);
    } else if (event.key === "Escape") {
      this.clearMarks();
    } else return;
    event.preventDefault();
  }

  #draw() {
    const size = Math.max(...this.#size) / 100;
    const middle = ([column, row]) => [column + 0.5, row + 0.5];
    const shapes = [];
    if (this.marks.length === 2) {
      const [[x1, y1], [x2, y2]] = this.marks.map(middle);
      for (const kind of ["halo", "line"]) shapes.push(`<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`);
      const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2 - 2 * size];
      const inside = Math.min(Math.max(x, 8 * size), this.#size[0] - 8 * size);
      shapes.push(`<text x="${inside}" y="${Math.max(y, 4 * size)}" font-size="${3.4 * size}">${this.#label}</text>`);
    }
    for (const mark of this.marks) {
      const [x, y] = middle(mark);
      shapes.push(`<circle cx="${x}" cy="${y}" r="${size}"/>`);
    }
    $("marks").innerHTML = shapes.join("");
  }
}
