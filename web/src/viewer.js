// The point cloud, turning: three.js in a canvas.

import * as three from "../vendor/three.js";
import { OrbitControls } from "../vendor/orbit.js";

const STEP = 0.1; // radians, by an arrow key
const OVERLAP = 1.4; // of points with the next ones

/** Shows points in `canvas` until `close`; they turn slowly until someone turns them. */
export class CloudViewer {
  #renderer;
  #scene = new three.Scene();
  #camera = new three.PerspectiveCamera(50, 1, 0.01, 1000);
  #controls;
  #cloud = null;
  #observer;

  constructor(canvas) {
    this.canvas = canvas;
    this.#renderer = new three.WebGLRenderer({ canvas, antialias: true, alpha: true });
    this.#renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.#controls = new OrbitControls(this.#camera, canvas);
    this.#controls.autoRotateSpeed = 1.2;
    this.#controls.addEventListener("start", () => this.turn(false));
    this.#controls.addEventListener("change", () => this.#draw());
    canvas.onkeydown = (event) => this.#press(event);
    this.#observer = new ResizeObserver(() => this.#fit());
    this.#observer.observe(canvas.parentElement);
  }

  /**
   * surface: of `findSurface`, and how many points a row of the photo has. focal: over the photo's
   * width; aspect: its width over its height. anew: from the photo's own place, not where the cloud was
   * turned to.
   */
  show({ points, colours, columns }, focal, aspect, anew = true) {
    this.#clear();
    const geometry = new three.BufferGeometry();
    const places = points.map((value, i) => (i % 3 ? -value : value)); // y up, z towards the viewer
    geometry.setAttribute("position", new three.BufferAttribute(places, 3));
    geometry.setAttribute("color", new three.BufferAttribute(colours, 3, true));
    const depths = points.filter((_, i) => i % 3 === 2).sort();
    const [near, middle, far] = [0.02, 0.5, 0.98].map((share) => depths[Math.floor(share * (depths.length - 1))]);
    const material = new three.PointsMaterial({ vertexColors: true, toneMapped: false });
    material.onBeforeCompile = (shader) => {
      // Each point is as large as its gap to the next one, which grows with its depth. The photo's
      // colours are shown as they are.
      shader.vertexShader = shader.vertexShader.replace(
        "gl_PointSize = size;",
        "gl_PointSize = size * max(-position.z, 0.001);",
      );
      shader.fragmentShader = shader.fragmentShader.replace("#include <colorspace_fragment>", "");
    };
    this.#cloud = new three.Points(geometry, material);
    this.#scene.add(this.#cloud);
    this.#camera.near = middle / 1000;
    this.#camera.far = 20 * far;
    this.#camera.userData = { focal, aspect, columns };
    if (anew) {
      this.#camera.position.set(0, 0, 0.15 * near);
      this.#controls.target.set(0, 0, -(near + middle) / 2);
    }
    this.#fit();
    this.#sway();
  }

  get count() {
    return this.#cloud?.geometry.attributes.position.count ?? 0;
  }

  /** Whether the cloud turns by itself. */
  turn(on) {
    this.turning = on;
    if (on) this.#sway();
  }

  close() {
    this.turning = false;
    this.#observer.disconnect();
    this.#controls.dispose();
    this.#clear();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  #clear() {
    this.#scene.clear();
    this.#cloud?.geometry.dispose();
    this.#cloud?.material.dispose();
  }

  /** To and fro, since behind what the camera saw there is nothing to see. */
  #sway() {
    if (!this.turning || this.swaying) return;
    this.swaying = true;
    let last = performance.now();
    const step = (now) => {
      if (!this.turning) {
        this.swaying = false;
        return;
      }
      this.phase = (this.phase ?? 0) + Math.min(now - last, 100) / 1500;
      last = now;
      this.#rotate(0.35 * Math.sin(this.phase), 0.12 * Math.sin(this.phase / 1.7));
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Looks at the cloud from these angles, radians, to the side and up. */
  #rotate(aside, up) {
    const { target } = this.#controls;
    const away = Math.max(this.#camera.position.distanceTo(target), 1e-3);
    const spherical = new three.Spherical(away, Math.PI / 2 - up, aside);
    this.#camera.position.setFromSpherical(spherical).add(target);
    this.#controls.update();
    this.#draw();
  }

  #press(event) {
    const turns = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const zooms = { "+": 0.9, "=": 0.9, "-": 1 / 0.9 };
    if (!turns[event.key] && !zooms[event.key]) return;
    event.preventDefault();
    this.turn(false);
    const offset = this.#camera.position.clone().sub(this.#controls.target);
    const { theta, phi } = new three.Spherical().setFromVector3(offset);
    if (zooms[event.key]) this.#camera.position.copy(offset.multiplyScalar(zooms[event.key])).add(this.#controls.target);
    const [aside, up] = turns[event.key] ?? [0, 0];
    this.#rotate(theta + aside, Math.min(Math.max(Math.PI / 2 - phi + up, -1.5), 1.5));
  }

  /** The photo's own view, whole, in a canvas of any shape. */
  #fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!width || !height || !this.#camera.userData.focal) return;
    const { focal, aspect, columns } = this.#camera.userData;
    const across = 1 / focal;
    this.#camera.aspect = width / height;
    const tall = Math.max(across / aspect, across / this.#camera.aspect);
    this.#camera.fov = (2 * Math.atan(tall / 2) * 180) / Math.PI;
    this.#camera.updateProjectionMatrix();
    this.#cloud.material.size = (OVERLAP * this.#camera.projectionMatrix.elements[5]) / (focal * columns);
    this.#renderer.setSize(width, height, false);
    this.#controls.update();
    this.#draw();
  }

  #draw() {
    this.#renderer.render(this.#scene, this.#camera);
  }
}
