"""From a photo's file to its depth array, by the networks that ship."""

from pathlib import Path

from benchmarks.rounds import run_rounds, time_rate
from benchmarks.synthetic import ROOT
from depthlib.data.images import read_rgb
from depthlib.data.pairs import Pairs
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor

NETWORKS = ("resnet34", "unet")


def bench_prediction(pairs: Pairs) -> dict[str, list[float]]:
    """Milliseconds for one 480x640 photo, of each round."""
    photo = pairs.rgb_path(0)
    jobs = {}
    for name in NETWORKS:
        predictor = Predictor(load_model(ROOT / "models" / f"{name}.keras"))
        jobs[f"predict_{name}"] = lambda predictor=predictor: _time(predictor, photo)
    return run_rounds(jobs)


def _time(predictor: Predictor, photo: Path) -> float:
    def work() -> int:
        predictor([read_rgb(photo)])
        return 1

    return 1000 / time_rate(work, 1.0)
