"""How good predictions are: a row an image, means with intervals, and the floors to beat."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.datasets import KITTI
from depthlib.edges import edge_scores
from depthlib.images import crop_border, read_depth, read_pair, resize_depth
from depthlib.metrics import (
    METRICS,
    PROTOCOLS,
    EvaluationProtocol,
    bootstrap_interval,
    pooled_rmse,
    score,
)
from depthlib.pairs import Pairs

# Photos and whether to average over flips in, depth maps of the photos' sizes out.
Predict = Callable[[Sequence[np.ndarray], bool], list[np.ndarray]]

EDGE_ROWS = 240  # of the maps in which Hu et al. (2019, arXiv 1803.08673) look for edges


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
    relative = pairs.spec.unit == "relative"
    ways = list(product(protocols, alignments))
    rows = {(protocol.name, alignment): [] for protocol, alignment in ways}
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


def measure_edges(predict: Predict, pairs: Pairs) -> dict[str, float]:
    """Means over images of `edges.edge_scores` within the crop of the pairs' protocol.

    Maps are thinned to about EDGE_ROWS rows: a network's map enlarged from 96 rows to 480 has no
    steps between neighbours at all. An image without edges in one of the maps does not count where
    its score is NaN.
    """
    rows = []
    for index in range(len(pairs)):
        rgb, truth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        crop = PROTOCOLS[pairs.spec.protocol].crop(*truth.shape)
        every = max(1, round(len(truth) / EDGE_ROWS))
        maps = (depth[crop][::every, ::every] for depth in (truth, predict([rgb], False)[0]))
        rows.append(edge_scores(*maps))
    return pd.DataFrame(rows).mean().to_dict()


def measure_focal(predict: Predict, pairs: Pairs, shares: Sequence[float]) -> pd.DataFrame:
    """How well depth scaled by the focal length holds: scores on the middle of each photo.

    The middle `share` of a photo's height and width is the photo of a lens 1/share times as long.
    A row for each share and way, "as trained" and "scaled" (by 1/share, see `Predictor`): share,
    way, delta1, abs_rel, images. Truth is what the pairs' protocol has within its crop.
    """
    protocol = PROTOCOLS[pairs.spec.protocol]
    inside = replace(protocol, rows=(0.0, 1.0), columns=(0.0, 1.0))
    rows = []
    for index in tqdm(range(len(pairs)), "focal length"):
        rgb, depth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        truth = np.zeros_like(depth)
        truth[protocol.crop(*depth.shape)] = depth[protocol.crop(*depth.shape)]
        for share in shares:
            edge = (1 - share) / 2
            middle = (edge, 1 - edge, edge, 1 - edge)
            part, part_truth = crop_border(rgb, middle), crop_border(truth, middle)
            depth_m = predict([part], False)[0]
            for way, factor in (("as trained", 1), ("scaled", 1 / share)):
                scores = score(part_truth, depth_m * factor, inside)
                rows.append({"share": share, "way": way, **scores})
    groups = pd.DataFrame(rows).groupby(["share", "way"])
    table = groups[["delta1", "abs_rel"]].mean().assign(images=len(pairs))
    return table.reset_index()


def measure_depth(predict: Predict, pairs: Pairs) -> dict[str, float]:
    """Means over images by the pairs' protocol, of networks in metres and of relative ones alike.

    `affine_delta1` and `affine_abs_rel` after the alignment "affine", which every network can be
    judged by; `metres_delta1` and `metres_abs_rel` as predicted, NaN where `predict` says that its
    unit is "relative"; `spread`, the standard deviation of ln depth over a photo's predicted
    pixels: 0 is a flat map, of a network that tells nothing.
    """
    protocol, spreads = PROTOCOLS[pairs.spec.protocol], []

    def remember(photos, flip_average):
        depths = predict(photos, flip_average)
        spreads.extend(float(np.log(np.maximum(depth, 1e-3)).std()) for depth in depths)
        return depths

    metric = "metre" == getattr(predict, "unit", "metre") == pairs.spec.unit
    ways = {"affine": "affine"} | ({"none": "metres"} if metric else {})
    tables = evaluate_all(remember, pairs, [protocol], list(ways))
    values = dict.fromkeys(("metres_delta1", "metres_abs_rel"), np.nan)
    for way, prefix in ways.items():
        means = tables[protocol.name, way][["delta1", "abs_rel"]].mean()
        values |= {f"{prefix}_{name}": float(mean) for name, mean in means.items()}
    return values | {"spread": float(np.mean(spreads))}


def fit_floors(training: Pairs, most: int = 2000) -> dict[str, Predict]:
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


def ground_plane(
    focal: float,
    horizon: float | None = None,
    camera_height: float | None = None,
    farthest: float = 80.0,
) -> Predict:
    """The depth of a level road and nothing on it, to `farthest` metres; a floor for driving.

    focal: horizontal focal length over the photo's width. horizon: its row over the height,
    None for the middle. camera_height: metres above the road, None for KITTI's.
    """
    horizon = 0.5 if horizon is None else horizon
    camera_height = KITTI.camera_height if camera_height is None else camera_height

    def predict(photos, flip_average=False):
        depths = []
        for height, width in (photo.shape[:2] for photo in photos):
            below = (np.arange(height, dtype=np.float32) + 0.5 - horizon * height).clip(1e-6)
            depth = (focal * width * camera_height / below).clip(max=farthest)
            depths.append(np.repeat(depth[:, None], width, axis=1))
        return depths

    return predict


def _predict_map(depth: np.ndarray) -> Predict:
    def predict(photos, flip_average=False):
        shown = (depth + depth[:, ::-1]) / 2 if flip_average else depth
        shown = shown.astype(np.float32)
        return [cv2.resize(shown, photo.shape[1::-1]) for photo in photos]

    return predict
