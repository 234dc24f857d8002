"""Which pairs train and which validate: no scene, and no near-copy of a photo, on both sides."""

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from depthlib.data.scenes import (
    GROUPED,
    KNOWN,
    TELL,
    UNKNOWN,
    find_near_copies,
    group_frames,
    hash_photos,
)

if TYPE_CHECKING:
    from depthlib.data.pairs import Pairs

MOST_COMPARED = 5000  # photos of a side that are decoded to find near-copies


def split_by_scene(
    pairs: "Pairs",
    seed: int,
    validation: float = 0.2,
    counts: tuple[int, int] | None = None,
    scenes: int | None = None,
) -> tuple["Pairs", "Pairs"]:
    """Training and validation pairs with no base scene on both sides.

    `validation` is the share of scenes that validate; 0: none. `scenes` then draws so many of those
    that train, a lower number a part of a higher one's; `counts` (training, validation) draws so
    many pairs of each side, as the original project's (20000, 5000). Where scenes are unknown,
    frames that look alike are taken as one, and a warning says so. Errors: ValueError for fewer
    than two scenes where some are to validate, a share that leaves none to train, or more scenes or
    pairs than a side holds.
    """
    if validation and pairs.scenes != KNOWN:
        pairs = group_unknown(pairs)
        warnings.warn(
            f"The scenes of {len(pairs)} photos in {pairs.root} are unknown. Frames that look alike"
            f" are taken as one: {pairs.table['scene'].nunique()} groups. The same place may still "
            f"train and validate, so the validation is too good. To tell them, {TELL}.",
            stacklevel=2,
        )
    sides = _draw(pairs, seed, validation, counts, scenes)
    return pairs.select(sides[0]), pairs.select(sides[1])


def split_by_frame(pairs: "Pairs", *settings: Any, **named: Any) -> tuple["Pairs", "Pairs"]:
    """`split_by_scene` with every frame a scene of its own: rooms that train validate too.

    The original project's split, whose validation is too good to be true;
    experiments/original_against_ours.ipynb shows by how much. A warning counts the validation
    photos of which a near-copy trains. Takes and raises what `split_by_scene` does.
    """
    photos = pairs.table["rgb"]
    frames = replace(pairs, table=pairs.table.assign(scene=photos), scenes=KNOWN)
    sides = _draw(frames, *settings, **named)
    training, validation = pairs.select(sides[0]), pairs.select(sides[1])
    warn_of_near_copies(training, validation)
    return training, validation


SPLITTERS = {"scene": split_by_scene, "frame": split_by_frame}  # by what a recipe calls them


def split_last(pairs: "Pairs", share: float) -> tuple["Pairs", "Pairs"]:
    """The first pairs and the last `share` of them, by their order: for one video of one place.

    Errors: ValueError for a share that leaves a side empty.
    """
    count = round(share * len(pairs)) if 0 < share < 1 else 0  # NaN is not
    if not 0 < count < len(pairs):
        raise ValueError(
            "A share must leave a pair on each side. Received: "
            f"{share} of {len(pairs)} pairs. Use another, such as 0.25."
        )
    first = len(pairs) - count
    return pairs.select(range(first)), pairs.select(range(first, len(pairs)))


def group_unknown(pairs: "Pairs") -> "Pairs":
    """The pairs with frames that look alike as one scene, where scenes are unknown."""
    if pairs.scenes != UNKNOWN:
        return pairs
    groups = group_frames(pairs.root, [str(photo) for photo in pairs.table["rgb"]])
    return replace(pairs, table=pairs.table.assign(scene=groups), scenes=GROUPED)


def warn_of_near_copies(training: "Pairs", validation: "Pairs") -> int:
    """How many validation photos have a near-copy that trains; a warning says it where any has.

    At most MOST_COMPARED photos of each side are looked at, evenly spaced. Where a side is packed,
    without photos to look at, a warning says so.
    """
    sides = [side.spread(MOST_COMPARED) for side in (training, validation) if len(side)]
    if len(sides) < 2:
        return 0
    if packed := [str(side.root) for side in sides if side.is_packed]:
        warnings.warn(
            f"{packed[0]} is packed, without its photos: which of those that validate have a "
            "near-copy that trains cannot be told, and the validation may be too good. Before "
            f"packing, {TELL}.",
            stacklevel=3,
        )
        return 0
    train, validate = (
        hash_photos([side.rgb_path(row) for row in range(len(side))]) for side in sides
    )
    count = len(find_near_copies(validate, train))
    if count:
        warnings.warn(
            f"{count} of {len(validate)} validation photos have a near-copy that trains, in "
            f"{training.root}: the validation is too good. Split by scene, leave them out, or "
            "validate on another place.",
            stacklevel=3,
        )
    return count


def _draw(
    pairs: "Pairs",
    seed: int,
    validation: float = 0.2,
    counts: tuple[int, int] | None = None,
    scenes: int | None = None,
) -> list[np.ndarray]:
    """The rows that train, and those that validate."""
    names = pairs.table["scene"].to_numpy()
    known = len(set(names))
    if not 0 <= validation < 1 or not known or math.ceil(validation * known) == known:
        raise ValueError(
            "`validation` must be 0, or a share of the scenes that leaves one of them to train. "
            f"Received: validation={validation} of {known} scenes. Add photos of another place, "
            "train on all with validation=0, or, if validation in the same place will do, use "
            "split='frame'."
        )
    sides = [np.arange(len(pairs)), np.arange(0)]
    if validation:
        # Here: it takes a second, and scoring needs no more than what predicting does.
        from sklearn.model_selection import GroupShuffleSplit

        splitter = GroupShuffleSplit(n_splits=1, test_size=validation, random_state=seed)
        sides = [np.sort(side) for side in next(splitter.split(names, groups=names))]
    if scenes is not None:
        held = np.unique(names[sides[0]])
        if not 0 < scenes <= len(held):
            raise ValueError(f"`scenes` must be 1 to {len(held)}. Received: scenes={scenes}.")
        drawn = np.random.default_rng(seed).permutation(held)[:scenes]
        sides[0] = sides[0][np.isin(names[sides[0]], drawn)]
    if counts is not None:
        sizes = tuple(len(side) for side in sides)
        if any(count > size for count, size in zip(counts, sizes, strict=True)):
            raise ValueError(f"`counts` must be at most {sizes}. Received: counts={counts}.")
        rng = np.random.default_rng(seed)
        sides = [np.sort(rng.permutation(side)[:n]) for side, n in zip(sides, counts, strict=True)]
    return sides
