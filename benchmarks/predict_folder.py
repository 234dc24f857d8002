"""`depthlib predict` against its network alone: python -m benchmarks.predict_folder

ONNX Runtime computes both. How long it takes to start, a folder of photos of 480x640 to 16-bit PNG
and colours, and the memory that photos of 12 megapixels take. Without Keras, as the command itself.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.rounds import median_ratio, run_rounds
from depthlib.commands.predict import predict_files
from depthlib.data.images import read_rgb, write_rgb
from depthlib.data.lenses import parse_focal
from depthlib.prediction.interface import DepthPredictor
from depthlib.prediction.zoo import open_network

ROOT = Path(__file__).parents[1]
NETWORK = "light"
PHOTOS = 200
SIZE = 480, 640
LARGE = 3000, 4000  # 12 megapixels
LARGE_PHOTOS = (5, 15)  # of two runs: memory must not grow with their number


def bench_predict_folder(folder: Path, photos: int = PHOTOS) -> dict[str, list[float]]:
    """Photos a second of a folder and of the network alone, and seconds to the first files."""
    source = make_photos(folder / "photos", photos, *SIZE)
    network = open_network(NETWORK)
    rgb = read_rgb(source / "0.jpg")
    return run_rounds(
        {
            f"start_{NETWORK}": lambda: _time_start(source / "0.jpg"),
            f"alone_onnx_{NETWORK}": lambda: _time_network(network, rgb, photos),
            f"folder_{NETWORK}": lambda: _time_folder(network, source, photos),
        }
    )


def measure_memory() -> list[dict[str, float]]:
    """Megabytes at the peak of a process that predicts so many photos of 12 megapixels."""
    rows = []
    for count in LARGE_PHOTOS:
        command = [sys.executable, "-m", "benchmarks.predict_folder", "memory", str(count)]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rows.append(json.loads(answer.stdout.splitlines()[-1]))
    return rows


def make_photos(folder: Path, count: int, height: int, width: int) -> Path:
    """Writes photos of the sample's rooms with a camera's noise, once; gives their folder."""
    rng = np.random.default_rng(0)
    rooms = sorted((ROOT / "datasets/sample/nyu2_test").glob("*_colors.png"))
    for number in range(count):
        path = folder / f"{number}.jpg"
        if not path.exists():
            rgb = cv2.resize(read_rgb(rooms[number % len(rooms)]), (width, height))
            noisy = cv2.add(rgb, rng.integers(0, 8, rgb.shape, np.uint8))
            write_rgb(path, noisy)
    return folder


def _time_start(photo: Path) -> float:
    """Seconds from the start of the process to its end, its files written."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        command = [sys.executable, "-m", "depthlib", "predict", str(photo), "--out", out]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return time.perf_counter() - start


def _time_network(network: DepthPredictor, rgb: np.ndarray, photos: int) -> float:
    canvas = cv2.resize(rgb, (network.width, network.height))[np.newaxis]
    start = time.perf_counter()
    for _ in range(photos):
        network.predict_canvases(canvas)
    return photos / (time.perf_counter() - start)


def _time_folder(network: DepthPredictor, source: Path, photos: int) -> float:
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        predict_files(network, [source], out, lens=parse_focal("none"), progress=False)
        return photos / (time.perf_counter() - start)


def _predict_large(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        source = make_photos(Path(folder, "in"), 1, *LARGE)
        for number in range(1, count):
            (source / f"{number}.jpg").symlink_to("0.jpg")
        lens = parse_focal("none")
        predict_files(open_network(NETWORK), [source], Path(folder, "out"), lens=lens)
    status = Path("/proc/self/status").read_text()
    return {"photos": count, "peak_mb": int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e3}


def main(words: Sequence[str]) -> None:
    if words[:1] == ["memory"]:
        print(json.dumps(_predict_large(int(words[1]))))
        return
    rounds = bench_predict_folder(ROOT / "runs" / "bench" / "predict")
    for name, values in rounds.items():
        print(f"{name}: median {np.median(values):.3g}, {min(values):.3g} to {max(values):.3g}")
    share = median_ratio(rounds, f"folder_{NETWORK}", f"alone_onnx_{NETWORK}")
    print(f"folder over network: {share:.2f}")
    print(measure_memory())


if __name__ == "__main__":
    main(sys.argv[1:])
