"""One view in several lights: errors where light differs, changes between lights, false edges.

The views are of one depth, so whatever changes in the prediction is not of the scene.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, nan

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_depth, read_rgb
from depthlib.data.pairs import Pairs
from depthlib.evaluation import Predict
from depthlib.metrics import KITTI_GARG, EvaluationProtocol, bootstrap_interval, score

MEASURES = (
    "abs_rel_inside", "abs_rel_outside", "delta1_inside", "delta1_outside", "change_inside",
    "change_outside", "false_edges",
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """One camera and scene in several lights.

    photos: uint8 RGB (height, width, 3) by condition. truth: depth in metres (height, width), 0
    where invalid. masks: bool (height, width) by condition, true where its light differs from the
    reference condition's (a cast shadow, a reflection). A condition without a mask (fog, night)
    differs everywhere.
    """

    scene: str
    photos: Mapping[str, np.ndarray]
    truth: np.ndarray
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_views(pairs: Pairs) -> Iterator[View]:
    """A view for each scene of `pairs`, whose table says which condition each photo shows.

    A mask lies beside its photo, as clear_mask.png beside clear.jpg: 0 where nothing is changed.
    Errors: ValueError for pairs without conditions; what `images` raises for bad files.
    """
    if "condition" not in pairs.table:
        raise ValueError(
            "Pairs must say their conditions, in index.csv's third column. Received: pairs of "
            f"{pairs.spec.name} in {pairs.root} without. `make roads` renders such pairs."
        )
    for scene, rows in pairs.table.groupby("scene", sort=False):
        photos = {row.condition: pairs.root / row.rgb for row in rows.itertuples()}
        masks = {name: path.with_name(f"{path.stem}_mask.png") for name, path in photos.items()}
        yield View(
            scene,
            {name: read_rgb(path) for name, path in photos.items()},
            read_depth(pairs.root / rows["depth"].iat[0], pairs.spec),
            {name: read_rgb(path).any(axis=2) for name, path in masks.items() if path.exists()},
        )


def score_conditions(
    predict: Predict, views: Iterable[View], protocol: EvaluationProtocol, reference: str
) -> pd.DataFrame:
    """Two rows a view and condition other than `reference`, both within the condition's mask.

    Columns: scene, condition, light ("changed" for the condition's photo, "reference" for the same
    places in the reference photo: what would be wrong there without the effect), then MEASURES.
    abs_rel and delta1 by the protocol; change is the mean |ln d - ln d of the reference photo|,
    both predictions clipped as the protocol clips; false_edges see there. Each is NaN where it has
    no pixel. Errors: ValueError for a view without the reference condition, or a mask that has
    another size; those of `score`.
    """
    rows = []
    for view in tqdm(views, "conditions"):
        _check(view, reference)
        depths = predict(list(view.photos.values()), protocol.flip_average)
        depths = dict(zip(view.photos, depths, strict=True))
        base = depths.pop(reference)
        for condition, depth in depths.items():
            mask = view.masks.get(condition, np.ones(view.truth.shape, bool))
            for light, predicted in (("changed", depth), ("reference", base)):
                measures = _measure(view.truth, predicted, base, mask, protocol)
                rows.append(
                    {"scene": view.scene, "condition": condition, "light": light} | measures
                )
    return pd.DataFrame(rows)


def score_variants(
    networks: Mapping[str, Sequence[Predict]],
    views: Sequence[View],
    reference: str,
    protocol: EvaluationProtocol = KITTI_GARG,
) -> dict[str, pd.DataFrame]:
    """`score_conditions` of each variant: those of its networks, one a seed, under one another."""
    return {
        variant: pd.concat([score_conditions(each, views, protocol, reference) for each in seeds])
        for variant, seeds in networks.items()
    }


def summarise_conditions(scores: Mapping[str, pd.DataFrame], seed: int = 0) -> pd.DataFrame:
    """A row a model, condition and light: the mean of each measure, `_low` and `_high` at 95 %.

    `scores` maps a model to its table of `score_conditions`. Views where a measure is NaN are left
    out of its mean; intervals are bootstrapped over scenes.
    """
    rows = []
    for model, table in scores.items():
        for (condition, light), group in table.groupby(["condition", "light"], sort=False):
            row = {"model": model, "condition": condition, "light": light, "views": len(group)}
            for measure in MEASURES:
                known = group[group[measure].notna()]
                row[measure] = known[measure].mean()
                low, high = bootstrap_interval(known[measure], known["scene"], seed)
                row |= {f"{measure}_low": low, f"{measure}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def false_edges(
    truth: np.ndarray,
    prediction: np.ndarray,
    mask: np.ndarray,
    within: int = 3,
    reach: int = 2,
    threshold: float = log(1.1),
) -> float:
    """The share of a mask's border along which the prediction has an edge that the truth has not.

    A map's relief at a pixel is the range of ln d over the square of `reach` pixels to each side.
    The border is what lies within `within` pixels of the mask's edge, where the truth is valid all
    over that square and its own relief is at most `threshold`: no true edge. There an edge is false
    where the prediction's relief exceeds the truth's by more than `threshold`; on flat ground that
    is a step of 10 %, and a road's own slope is no edge. NaN where no such border is.
    truth, prediction, mask: (height, width); a truth of 0 is invalid.
    """
    shown = np.asarray(mask, np.uint8)
    border = _spread(shown, within, cv2.MORPH_GRADIENT).astype(bool)
    border &= _spread((truth > 0).astype(np.uint8), reach, cv2.MORPH_ERODE).astype(bool)
    relief, predicted = (_find_relief(depth, reach) for depth in (truth, prediction))
    border &= relief <= threshold
    return float(np.mean((predicted - relief > threshold)[border])) if border.any() else nan


def _check(view: View, reference: str) -> None:
    if reference not in view.photos:
        raise ValueError(
            f"Each view must have the reference condition. Received: {view.scene} without "
            f"{reference!r}, with {', '.join(view.photos)}."
        )
    for condition, mask in view.masks.items():
        if mask.shape != view.truth.shape:
            raise ValueError(
                f"A mask must have its view's size, {view.truth.shape}. Received: {mask.shape} for "
                f"{condition} of {view.scene}."
            )


def _measure(truth, prediction, base, mask, protocol) -> dict[str, float]:
    crop = protocol.crop(*truth.shape)
    valid = np.zeros(truth.shape, bool)
    valid[crop] = (truth[crop] > protocol.min_depth) & (truth[crop] < protocol.max_depth)
    nearest, farthest = protocol.prediction_range
    clipped, before = (np.clip(depth, nearest, farthest) for depth in (prediction, base))
    change = np.abs(np.log(clipped) - np.log(before))
    row = dict.fromkeys(MEASURES, nan)
    for side, part in (("inside", valid & mask), ("outside", valid & ~mask)):
        if part.any():
            metrics = score(np.where(part, truth, 0), prediction, protocol)
            row |= {f"{name}_{side}": metrics[name] for name in ("abs_rel", "delta1")}
            row[f"change_{side}"] = float(change[part].mean())
    row["false_edges"] = false_edges(np.where(valid, truth, 0), clipped, mask)
    return row


def _find_relief(depth: np.ndarray, reach: int) -> np.ndarray:
    logarithm = np.log(np.maximum(depth, 1e-6)).astype(np.float32)
    return _spread(logarithm, reach, cv2.MORPH_GRADIENT)


def _spread(image: np.ndarray, reach: int, operation: int) -> np.ndarray:
    """A morphological operation over the square of `reach` pixels to each side."""
    return cv2.morphologyEx(image, operation, np.ones((2 * reach + 1,) * 2, np.uint8))
