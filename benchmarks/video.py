"""A video of 480x640 with its depth, against the network alone on such photos."""

from pathlib import Path

import numpy as np

from benchmarks.rounds import run_rounds
from benchmarks.synthetic import ROOT, enlarge_pair
from depthlib.data.pairs import Pairs
from depthlib.networks.saving import load_model
from depthlib.prediction.predictor import Predictor
from depthlib.video.frames import open_writer
from depthlib.video.render import predict_video, time_alone

NETWORKS = ("light", "resnet34")
FRAMES = 96
SECONDS = 3.0  # for which the network is timed alone


def bench_video(pairs: Pairs, folder: Path) -> dict[str, list[float]]:
    """Frames a second of each round, of `predict_video` and of the network alone."""
    rng = np.random.default_rng(0)
    photos = [enlarge_pair(pairs, row)[0] for row in rng.integers(len(pairs), size=FRAMES)]
    film = folder / "film.avi"
    with open_writer(film, 10, *photos[0].shape[:2]) as write:
        for photo in photos:
            write(photo)
    jobs = {}
    for name in NETWORKS:
        predictor = Predictor(load_model(ROOT / "models" / f"{name}.keras"))
        batch = photos[: predictor.batch_size]
        jobs[f"alone_{name}"] = lambda p=predictor, batch=batch: time_alone(p, batch, SECONDS)
        jobs[f"video_{name}"] = lambda p=predictor: predict_video(p, film, folder / "out.avi").rate
    return run_rounds(jobs)
