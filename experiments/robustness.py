"""How a network bears corrupted photos: DEE, mCE and mRR as in RoboDepth, and the fog control."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from depthlib.data.images import read_depth, read_pair, resize_depth, resize_rgb
from depthlib.data.pairs import Pairs
from depthlib.evaluation import Predict, see_through_lenses
from depthlib.metrics import EvaluationProtocol, bootstrap_interval, score
from experiments.corruptions import NYU_CORRUPTIONS, corrupt

CLEAN = "clean"
# A photo and its pair's number in; the photo that the network shall see out.
Change = Callable[[np.ndarray, int], np.ndarray]
# An effect of `weather`: a photo, its depth in metres, a strength from 0 to 1, a generator.
Effect = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], np.ndarray]


def depth_error(abs_rel, delta1):
    """DEE, 0 for a perfect map: (AbsRel - δ1 + 1) / 2 (RoboDepth, arXiv 2310.15171)."""
    return (abs_rel - delta1 + 1) / 2


def evaluate_corruptions(
    models: Mapping[str, Sequence[Predict]],
    pairs: Pairs,
    protocol: EvaluationProtocol,
    corruptions: Sequence[str] = NYU_CORRUPTIONS,
    severities: Sequence[int] = (1, 2, 3, 4, 5),
    alignment: str = "none",
    size: tuple[int, int] | None = None,
    most: int | None = None,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Scores of each model on corrupted photos: a table a model, all having seen the same photos.

    A model is one network or several that differ in their seed, whose rows are under one another.
    A row a network, image, corruption and severity: corruption, severity, rgb, scene, METRICS,
    pixels, dee; the photo as it is counts as the corruption "clean" of severity 0. A photo's noise
    depends on `seed` and on the pair's number in `pairs` alone. alignment: of `metrics.align`.
    size: the (height, width) to which photos are brought before they are corrupted; None: they
    keep the dataset's, as in RoboDepth. Corrupting 192x256 takes a sixth of the time of 480x640,
    but its blurs and noise weigh more. most: so many pairs at most, evenly spaced.
    Errors: those of `corrupt`, `read_pair` and `score`.
    """

    def make(name, severity):
        return lambda rgb, index: corrupt(rgb, name, severity, [seed, index])

    changes = {(CLEAN, 0): _leave}
    changes |= {(name, level): make(name, level) for name in corruptions for level in severities}
    names, chosen = ["corruption", "severity"], _choose(pairs, most)
    return _evaluate(models, pairs, protocol, changes, names, alignment, size, chosen)


def mean_corruption_error(
    scores: pd.DataFrame, base: pd.DataFrame, seed: int = 0
) -> tuple[float, float, float]:
    """mCE in percent, with its low and high: the mean over corruptions of DEE / DEE of the base.

    Both of `evaluate_corruptions`. DEE is a mean over networks, images and severities; the 95 %
    interval is over scenes, which the two share. Errors: ValueError where they saw other photos.
    """
    errors, of_base = _pivot(scores), _pivot(base)
    if not (errors.index.equals(of_base.index) and errors.columns.equals(of_base.columns)):
        raise ValueError(
            "A network and its base must be scored on the same photos and corruptions. Received: "
            f"{errors.shape} and {of_base.shape} images and corruptions. Evaluate both alike."
        )
    return _mean_ratio(errors.drop(columns=CLEAN), of_base.drop(columns=CLEAN), seed)


def mean_resilience_rate(scores: pd.DataFrame, seed: int = 0) -> tuple[float, float, float]:
    """mRR in percent, with its low and high: the mean of (1 - DEE) / (1 - DEE of clean photos).

    As `mean_corruption_error`, but a network against itself on clean photos.
    """
    accuracy = 1 - _pivot(scores)
    corrupted = accuracy.drop(columns=CLEAN)
    clean = pd.DataFrame({name: accuracy[CLEAN] for name in corrupted}, index=accuracy.index)
    return _mean_ratio(corrupted, clean, seed)


def summarise_corruptions(
    scores: Mapping[str, pd.DataFrame], base: str, seed: int = 0
) -> pd.DataFrame:
    """A row a model: mCE against the model `base` and mRR with their 95 % intervals, DEE of each.

    `scores` maps a model to its table of `evaluate_corruptions`. Columns: model, images, mce,
    mce_low, mce_high, mrr, mrr_low, mrr_high, clean, and the corruptions.
    """
    if base not in scores:
        raise ValueError(f"`base` must be one of {', '.join(scores)}. Received: base={base!r}.")
    rows = []
    for model, table in scores.items():
        row = {"model": model, "images": table["rgb"].nunique()}
        for name, values in (
            ("mce", mean_corruption_error(table, scores[base], seed)),
            ("mrr", mean_resilience_rate(table, seed)),
        ):
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row | dict(_pivot(table).mean()))
    return pd.DataFrame(rows)


def evaluate_fog(
    models: Mapping[str, Sequence[Predict]],
    pairs: Pairs,
    protocol: EvaluationProtocol,
    fog: Effect,
    strengths: Sequence[float],
    alignment: str = "none",
    size: tuple[int, int] | None = None,
    most: int | None = None,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """The control that fog is not read as depth: fog by the pair's own depth and by another's.

    Fog that is made from a depth map shows that map. Here the same fog is also made from the map of
    another scene, which says nothing of this one: a network that reads fog as depth does worse
    there (`fog_gap`). A table a model, a row a network, image, depth ("own", "shuffled") and
    strength; the rest as in `evaluate_corruptions`. Errors: ValueError where one scene has more
    than half of the pairs; theirs.
    """
    chosen = _choose(pairs, most)
    partners = chosen[_shuffle_scenes(pairs.table["scene"].iloc[chosen], seed)]
    others = dict(zip(chosen.tolist(), partners.tolist(), strict=True))

    def make(strength, shuffled):
        def change(rgb, index):
            source = others[index] if shuffled else index
            depth = read_depth(pairs.depth_path(source), pairs.spec)
            depth = resize_depth(depth, *rgb.shape[:2])
            return fog(rgb, depth, strength, np.random.default_rng([seed, index]))

        return change

    changes = {
        (name, strength): make(strength, name == "shuffled")
        for strength in strengths
        for name in ("own", "shuffled")
    }
    names = ["depth", "strength"]
    return _evaluate(models, pairs, protocol, changes, names, alignment, size, chosen)


def fog_gap(
    scores: pd.DataFrame, metric: str = "abs_rel", seed: int = 0
) -> tuple[float, float, float]:
    """The metric in fog of another's depth less that in fog of the own, with its low and high.

    The mean over images and strengths, with a 95 % interval over scenes: around 0, fog is not read
    as depth. `scores` is of `evaluate_fog`.
    """
    means = scores.pivot_table(metric, ["rgb", "scene"], "depth")
    gap = means["shuffled"] - means["own"]
    return float(gap.mean()), *bootstrap_interval(gap, gap.index.get_level_values("scene"), seed)


def _evaluate(
    models: Mapping[str, Sequence[Predict]],
    pairs: Pairs,
    protocol: EvaluationProtocol,
    changes: Mapping[tuple[Hashable, ...], Change],
    names: Sequence[str],
    alignment: str,
    size: tuple[int, int] | None,
    chosen: np.ndarray,
) -> dict[str, pd.DataFrame]:
    """A row a network, image and change: its key under `names`, rgb, scene, scores, dee."""
    relative = pairs.spec.is_relative
    networks = [
        (model, see_through_lenses(predict, pairs))
        for model, seeds in models.items()
        for predict in seeds
    ]
    rows = {model: [] for model in models}
    for index in tqdm(chosen.tolist(), "evaluate"):
        rgb, truth = read_pair(pairs.rgb_path(index), pairs.depth_path(index), pairs.spec)
        shown = resize_rgb(rgb, *size) if size else rgb
        photos = [change(shown, index) for change in changes.values()]
        image = dict(pairs.table[["rgb", "scene"]].iloc[index])
        for model, look in networks:
            depths = look([index] * len(photos), photos, protocol.flip_average)
            for key, depth in zip(changes, depths, strict=True):
                depth = cv2.resize(depth, truth.shape[::-1])
                metrics = score(truth, depth, protocol, alignment, relative)
                error = {"dee": depth_error(metrics["abs_rel"], metrics["delta1"])}
                rows[model].append(dict(zip(names, key, strict=True)) | image | metrics | error)
    return {model: pd.DataFrame(table) for model, table in rows.items()}


def _leave(rgb: np.ndarray, index: int) -> np.ndarray:
    return rgb


def _choose(pairs: Pairs, most: int | None) -> np.ndarray:
    """The numbers of at most `most` pairs, evenly spaced."""
    return np.linspace(0, len(pairs) - 1, min(most or len(pairs), len(pairs))).astype(int)


def _shuffle_scenes(scenes: pd.Series, seed: int) -> np.ndarray:
    """A permutation of the images under which none meets its own scene."""
    largest = scenes.value_counts().max()
    if largest > len(scenes) / 2:
        raise ValueError(
            "To give each image a depth map of another scene, no scene may have more than half of "
            f"them. Received: {largest} of {len(scenes)} from one scene. Add scenes."
        )
    rng = np.random.default_rng(seed)
    keys = dict(zip(scenes.unique(), rng.permutation(scenes.nunique()), strict=True))
    order = np.lexsort((rng.random(len(scenes)), scenes.map(keys)))  # scene by scene
    # A step as long as the largest scene leaves every scene, and cannot come round to it again.
    partners = np.empty(len(scenes), int)
    partners[order] = np.roll(order, -largest)
    return partners


def _pivot(scores: pd.DataFrame) -> pd.DataFrame:
    """DEE, the mean over networks and severities: a row an image, a column a corruption."""
    order = scores["corruption"].unique()
    return scores.pivot_table("dee", ["rgb", "scene"], "corruption")[order]


def _mean_ratio(over: pd.DataFrame, under: pd.DataFrame, seed: int) -> tuple[float, float, float]:
    """The mean over columns of mean(over) / mean(under), in percent, with low and high.

    An image's share in a ratio r of means is r + (over - r under) / mean(under), to first order:
    their mean is r, and their spread over scenes that of r, with over and under kept together.
    """
    ratio = over.mean() / under.mean()
    shares = 100 * (ratio + (over - ratio * under) / under.mean()).mean(axis=1)
    scenes = over.index.get_level_values("scene")
    return 100 * float(ratio.mean()), *bootstrap_interval(shares, scenes, seed)
