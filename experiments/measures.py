"""What the studies measure beside the published metrics: edges, lenses, flat maps, a level road."""

from collections.abc import Mapping
from dataclasses import replace
from functools import wraps
from math import nan

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import crop_border, read_pair
from depthlib.data.pairs import Pairs
from depthlib.data.specs import KITTI
from depthlib.evaluation import Predict, evaluate_all
from depthlib.metrics import PROTOCOLS, score
from depthlib.prediction.interface import DepthPredictor

EDGE_ROWS = 240  # of the maps in which Hu et al. (2019, arXiv 1803.08673) look for edges


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


def measure_cuts(
    predict: DepthPredictor, pairs: Pairs, cuts: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """How well metres hold for other shapes and lenses: scores on parts of each photo.

    cuts: by name, the shares of the photo's width and height that are kept about its middle. A part
    of all the height is a photo of another shape, one of less width and height alike that of a
    longer lens. A row a cut and lens, "given" (the part's focal length, by that of the pairs' spec)
    and "unknown": cut, lens, delta1 (mean over images), whole (the same pixels of the whole
    photo's prediction), ratio of the two, and images. Truth is what the pairs' protocol has within
    its crop. Errors: ValueError for pairs whose focal length is not known.
    """
    if pairs.spec.focal is None:
        raise ValueError(
            f"Parts of photos need their focal length. Received: `{pairs.spec.name}`, without one."
        )
    protocol = PROTOCOLS[pairs.spec.protocol]
    inside = replace(protocol, rows=(0.0, 1.0), columns=(0.0, 1.0))
    rows = []
    for index in tqdm(range(len(pairs)), "parts of photos"):
        rgb, depth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        truth = np.zeros_like(depth)
        truth[protocol.crop(*depth.shape)] = depth[protocol.crop(*depth.shape)]
        (whole,) = predict([rgb], focals=[pairs.spec.focal])
        for name, (width, height) in cuts.items():
            border = ((1 - height) / 2, (1 + height) / 2, (1 - width) / 2, (1 + width) / 2)
            part, part_truth, part_whole = (
                crop_border(image, border) for image in (rgb, truth, whole)
            )
            uncut = score(part_truth, part_whole, inside)["delta1"]
            for lens, focal in (("given", pairs.spec.focal / width), ("unknown", None)):
                scores = score(part_truth, predict([part], focals=[focal])[0], inside)
                rows.append({"cut": name, "lens": lens, "delta1": scores["delta1"], "whole": uncut})
    table = pd.DataFrame(rows).groupby(["cut", "lens"], sort=False).mean()
    table["ratio"] = table["delta1"] / table["whole"]
    return table.assign(images=len(pairs)).reset_index()


def measure_depth(predict: Predict, pairs: Pairs) -> dict[str, float]:
    """Means over images by the pairs' protocol, of networks in metres and of relative ones alike.

    `affine_delta1` and `affine_abs_rel` after the alignment "affine", which every network can be
    judged by; `metres_delta1` and `metres_abs_rel` as predicted, NaN where `predict` says that its
    unit is "relative"; `spread`, the standard deviation of ln depth over a photo's predicted
    pixels: 0 is a flat map, of a network that tells nothing.
    """
    protocol, spreads = PROTOCOLS[pairs.spec.protocol], []

    @wraps(predict)  # it is told the photos' lenses where `predict` would be
    def remember(*told):
        depths = predict(*told)
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


def ground_plane(
    focal: float,
    horizon: float | None = None,
    camera_height: float | None = None,
    farthest: float = 80.0,
) -> Predict:
    """The depth of a level road and nothing on it, to `farthest` metres; a baseline for driving.

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


def edge_scores(
    truth: np.ndarray, prediction: np.ndarray, threshold: float = 0.25
) -> dict[str, float]:
    """Precision, recall and F1 of the prediction's edge pixels, as edge_precision and so on.

    truth, prediction: (height, width) metres, truth 0 where not measured. An edge is where the
    gradient by Sobel's 3x3 masks is longer than `threshold`: beside a step of s metres it is 4 s
    (Hu et al. 2019, arXiv 1803.08673, who take .25, .5 and 1). Pixels with a neighbour that was not
    measured do not count. NaN where there is nothing to divide by: no edge in one map or in both.
    Errors: ValueError where the shapes differ.
    """
    if truth.shape != prediction.shape or truth.ndim != 2:
        raise ValueError(
            "Truth and prediction must both have the shape (height, width). Received: "
            f"truth.shape={truth.shape}, prediction.shape={prediction.shape}."
        )
    measured = cv2.erode((truth > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    true, guessed = (_find_edges(depth, threshold) & measured for depth in (truth, prediction))
    both, found, there = (np.count_nonzero(edges) for edges in (true & guessed, guessed, true))
    return {
        "edge_precision": both / found if found else nan,
        "edge_recall": both / there if there else nan,
        "edge_f1": 2 * both / (found + there) if found + there else nan,
    }


def _find_edges(depth: np.ndarray, threshold: float) -> np.ndarray:
    depth = depth.astype(np.float32)
    return np.hypot(cv2.Sobel(depth, -1, 1, 0), cv2.Sobel(depth, -1, 0, 1)) > threshold
