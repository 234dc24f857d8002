"""python -m benchmarks: every figure of docs/performance.md that a CPU can give, in one run.

Prints a table and writes runs/bench/bench.json.
"""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.loading import bench_loading, bench_weather
from benchmarks.onednn import NETWORKS, bench_onednn
from benchmarks.predict_folder import bench_predict_folder, measure_memory
from benchmarks.prediction import bench_prediction
from benchmarks.rounds import median_ratio
from benchmarks.synthetic import ROOT, make_pairs
from benchmarks.training import bench_original_loop, bench_steps
from benchmarks.video import bench_video
from depthlib.device import choose_precision, describe_device
from depthlib.files import write_bytes
from depthlib.weather import EFFECTS

SIZES = {"128": (128, 128), "240x320": (240, 320)}
NYU_PAIRS = 50_688
UNITS = {
    "plain": "pairs/s",
    "cold": "pairs/s",
    "warm": "pairs/s",
    "augment": "pairs/s",
    "predict": "ms",
    "alone": "frames/s",
    "video": "frames/s",
    "folder": "photos/s",
    "start": "s",
    "matmul": "GFLOP/s",
}


def main(folder: Path = ROOT / "runs" / "bench") -> None:
    start = time.perf_counter()
    pairs = make_pairs(folder / "data")
    cache = folder / "cache"
    rounds = {}
    for name, size in SIZES.items():
        _say(start, f"loading at {name}")
        rates = bench_loading(pairs, folder / "loading", *size)
        rounds |= {f"{job}_{name}": values for job, values in rates.items()}
    _say(start, "weather at 240x320")
    rounds |= bench_weather(pairs, folder / "loading" / "warm", *SIZES["240x320"])
    _say(start, "prediction")
    rounds |= bench_prediction(pairs)
    _say(start, "a folder of photos")
    rounds |= bench_predict_folder(folder / "predict")
    large = measure_memory()
    _say(start, "video")
    rounds |= bench_video(pairs, folder)
    _say(start, "training steps")
    steps, gflop = bench_steps(pairs, cache)
    _say(start, "whole runs")
    rounds |= steps | bench_original_loop(pairs, cache)
    _say(start, "oneDNN")
    rounds |= bench_onednn()
    _say(start, "memory and growth")
    growth = [_measure_memory(NYU_PAIRS // share) for share in (16, 4, 1)]
    ratios = _compare(rounds, gflop)
    report = {
        "hardware": describe_device() | {"training precision": choose_precision()},
        "seconds": time.perf_counter() - start,
        "ratios": ratios,
        "rounds": rounds,
        "gflop_an_image": gflop,
        "growth": growth,
        "large_photos": large,
    }
    write_bytes(folder / "bench.json", json.dumps(report, indent=2).encode())
    _show(report)
    print(f"\n{folder / 'bench.json'}, {report['seconds']:.0f} s")


def _compare(rounds: dict, gflop: dict) -> dict[str, float]:
    """What the project promises, each a ratio within this run."""
    shares = {}
    for name in ("resnet34", "resnet34_float32"):
        shares[name] = median_ratio(rounds, f"step_{name}", "matmul") * gflop[name]
    return {
        "warm_over_plain_128": median_ratio(rounds, "warm_128", "plain_128"),
        "warm_over_plain_240x320": median_ratio(rounds, "warm_240x320", "plain_240x320"),
        "cold_over_plain": median_ratio(rounds, "cold_128", "plain_128"),
        **{
            f"weather_{name}_over_augment": median_ratio(rounds, f"weather_{name}", "augment")
            for name in EFFECTS
        },
        "fit_over_step_resnet34": median_ratio(rounds, "fit_resnet34", "step_resnet34"),
        "fit_over_step_unet": median_ratio(rounds, "fit_unet", "step_unet"),
        "matmul_share_resnet34": shares["resnet34_float32"],
        "matmul_share_resnet34_as_trained": shares["resnet34"],
        "run_over_seed_loop": median_ratio(rounds, "run", "seed_loop"),
        **{
            f"onednn_over_eigen_{name}": median_ratio(rounds, f"onednn_{name}", f"eigen_{name}")
            for name in NETWORKS
        },
        "folder_over_network_light": median_ratio(rounds, "folder_light", "alone_onnx_light"),
        "video_over_network_light": median_ratio(rounds, "video_light", "alone_light"),
        "video_over_network_resnet34": median_ratio(rounds, "video_resnet34", "alone_resnet34"),
        "unet_over_seed_unet": median_ratio(rounds, "step_unet", "step_seed_unet"),
    }


def _measure_memory(count: int) -> dict[str, float]:
    """Peak memory is a process' own, so each count gets one."""
    command = [sys.executable, "-m", "benchmarks.memory", str(count)]
    environment = os.environ | {"TQDM_DISABLE": "1"}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(answer.stderr)
    return json.loads(answer.stdout.splitlines()[-1])


def _show(report: dict) -> None:
    rows = {
        name: {
            "unit": UNITS.get(name.partition("_")[0], "images/s"),
            "median": np.median(values),
            "lowest": min(values),
            "highest": max(values),
        }
        for name, values in report["rounds"].items()
    }
    for heading, table in (
        ("rounds", pd.DataFrame(rows).T),
        ("ratios", pd.Series(report["ratios"], name="median").to_frame()),
        ("growth", pd.DataFrame(report["growth"]).set_index("pairs")),
        ("large photos", pd.DataFrame(report["large_photos"]).set_index("photos")),
        ("hardware", pd.Series(report["hardware"], name="").to_frame()),
    ):
        print(f"\n{heading}\n{table.to_string(float_format='{:.3g}'.format)}")


def _say(start: float, what: str) -> None:
    print(f"{time.perf_counter() - start:4.0f} s  {what}", flush=True)


if __name__ == "__main__":
    main()
