"""How good predictions are: a row an image, means with intervals, trivial baselines to beat."""

from collections.abc import Callable, Sequence
from itertools import product

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_depth, read_pair, resize_depth
from depthlib.data.pairs import Pairs
from depthlib.metrics import (
    METRICS,
    EvaluationProtocol,
    bootstrap_interval,
    pooled_rmse,
    score,
)

# Photos and whether to average over flips in, depth maps of the photos' sizes out.
Predict = Callable[[Sequence[np.ndarray], bool], list[np.ndarray]]


def evaluate(
    predict: Predict,
    pairs: Pairs,
    protocol: EvaluationProtocol,
    alignment: str = "none",
    batch_size: int = 8,
) -> pd.DataFrame:
    """Scores of `predict` on each pair: a row an image with rgb, scene, METRICS and pixels.

    Errors: ValueError for relative depth that is not aligned; what `images` raises for bad files.
    """
    tables = evaluate_all(predict, pairs, [protocol], [alignment], batch_size)
    return tables[protocol.name, alignment]


def evaluate_all(
    predict: Predict,
    pairs: Pairs,
    protocols: Sequence[EvaluationProtocol],
    alignments: Sequence[str],
    batch_size: int = 8,
) -> dict[tuple[str, str], pd.DataFrame]:
    """`evaluate` by each protocol with each alignment: a table for each (protocol, alignment).

    A photo is read once and predicted once, and once more where a protocol averages over flips.
    """
    relative = pairs.spec.is_relative
    ways = list(product(protocols, alignments))
    rows: dict[tuple[str, str], list[dict[str, float]]] = {
        (protocol.name, alignment): [] for protocol, alignment in ways
    }
    for start in tqdm(range(0, len(pairs), batch_size), "evaluate"):
        indices = range(start, min(start + batch_size, len(pairs)))
        loaded = [
            read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
            for index in indices
        ]
        photos, truths = zip(*loaded, strict=True)
        flips = {protocol.flip_average for protocol in protocols}
        predictions = {flip: predict(photos, flip) for flip in flips}
        for protocol, alignment in ways:
            predicted = predictions[protocol.flip_average]
            rows[protocol.name, alignment] += [
                score(truth, prediction, protocol, alignment, relative)
                for truth, prediction in zip(truths, predicted, strict=True)
            ]
    images = pairs.table[["rgb", "scene"]]
    return {way: pd.concat([images, pd.DataFrame(table)], axis=1) for way, table in rows.items()}


def summarise(scores: dict[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """A row a model: mean of each metric over images, `<metric>_low` and `_high` at 95 %.

    Intervals are bootstrapped over scenes. `rmse_pooled` is over all pixels at once, to compare
    with DenseDepth's released code.
    """
    rows = []
    for model, table in scores.items():
        metrics = [metric for metric in METRICS if metric in table]
        row = {"model": model, **table[metrics].mean()}
        row["images"] = len(table)
        for metric in metrics:
            low, high = bootstrap_interval(table[metric], table["scene"], seed)
            row |= {f"{metric}_low": low, f"{metric}_high": high}
        if "rmse" in table:
            row["rmse_pooled"] = pooled_rmse(table["rmse"], table["pixels"])
        rows.append(row)
    return pd.DataFrame(rows)


def summarise_all(
    scores: dict[str, dict[tuple[str, str], pd.DataFrame]], seed: int = 0
) -> pd.DataFrame:
    """`summarise` of what `evaluate_all` gave: a row a model, protocol and alignment."""
    summaries = []
    for model, tables in scores.items():
        for (protocol, alignment), table in tables.items():
            summary = summarise({model: table}, seed)
            summary.insert(1, "protocol", protocol)
            summary.insert(2, "alignment", alignment)
            summaries.append(summary)
    return pd.concat(summaries, ignore_index=True)


def fit_trivial_baselines(training: Pairs, most: int = 2000) -> dict[str, Predict]:
    """What needs no photo at all: `mean_map`, training's mean log depth at each pixel, `constant`.

    A network that does not beat them has learned nothing. At most `most` maps, evenly spaced, are
    read. Constant is the median of their pixels.
    """
    spec = training.spec
    indices = np.linspace(0, len(training) - 1, min(most, len(training))).astype(int)
    maps = np.stack(
        [
            resize_depth(read_depth(training.depth_path(index), spec), 120, 160, spec.sparse)
            for index in tqdm(indices, "mean map")
        ]
    )
    log_depth = np.log(np.where(maps > 0, maps, np.nan))
    median = np.nanmedian(maps[maps > 0])
    measured = np.isfinite(log_depth).any(axis=0)
    mean = np.full(maps.shape[1:], median, np.float32)
    mean[measured] = np.exp(np.nanmean(log_depth[:, measured], axis=0))
    return {"mean_map": _predict_map(mean), "constant": _predict_map(np.full((2, 2), median))}


def _predict_map(depth: np.ndarray) -> Predict:
    """What predicts `depth` (height, width), resized, for any photo."""

    def predict(photos: Sequence[np.ndarray], flip_average: bool = False) -> list[np.ndarray]:
        shown = (depth + depth[:, ::-1]) / 2 if flip_average else depth
        shown = shown.astype(np.float32)
        return [cv2.resize(shown, photo.shape[1::-1]) for photo in photos]

    return predict
