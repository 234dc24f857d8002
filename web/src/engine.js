// The page's side of the worker: questions and answers.

export class Engine {
  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #count = 0;

  /** report: called with the bytes of a network that have come, and how many there are. */
  constructor(report) {
    this.#worker.onmessage = ({ data }) => {
      if (data.progress) return report(...data.progress);
      const { resolve, reject } = this.#waiting.get(data.number);
      this.#waiting.delete(data.number);
      return data.error ? reject(new Error(data.error)) : resolve(data.value);
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message || "it cannot start"));
      this.#waiting.clear();
    };
  }

  /** kind: a function of worker.js; `given`: what it takes; `transfer`: what goes over whole. */
  ask(kind, given = {}, transfer = []) {
    const number = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, kind, ...given }, transfer);
    });
  }
}

/** Whether the browser has what ONNX Runtime needs: WebAssembly with SIMD. */
export function hasSimd() {
  // A function that returns i8x16.popcnt of a constant: what WebAssembly without SIMD refuses.
  const module = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
    253, 98, 11,
  ];
  return typeof WebAssembly === "object" && WebAssembly.validate(Uint8Array.from(module));
}
