"""The depth of photos that nobody measured, as several networks together see it: teachers.

Networks that err in different ways err less together: the mean of two in log depth was better than
either on NYU's test. Where they differ, and where one differs from what it says of the mirrored
photo, the label is not to be trusted: its confidence is low.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthlib.data.images import check_rgb
from depthlib.metrics import align
from depthlib.prediction.hub import PREFIX, open_hub
from depthlib.prediction.interface import SPREAD, DepthPredictor, find_confidence
from depthlib.prediction.onnx import OnnxPredictor, PeerSpec
from depthlib.prediction.zoo import find_network, open_network

COMBINATIONS = ("mean", "median", "confidence")
LEAST = 1e-6  # nothing is nearer, so that every depth has a logarithm


@dataclass(frozen=True, eq=False)
class Label:
    """What the teachers say of one photo.

    depth: float32 (height, width) in `unit`, 0 where no teacher sees, and where one says sky, or
    too far to tell. confidence: float32 (height, width) from 0, a guess, to 1, where all looks
    agree; 0 where depth is. unit: "metre", or "relative" for depth up to a scale.
    """

    depth: np.ndarray
    confidence: np.ndarray
    unit: str


def open_teacher(word: str) -> DepthPredictor:
    """A network as a user names it: one that ships, a file of ours, any ONNX, or of KerasHub.

    A foreign ONNX file says nothing of itself, so the word does, by the fields of `PeerSpec`:
    "fastdepth.onnx,view=nyu_fastdepth" or "other.onnx,output=disparity,size=384x384". One of
    KerasHub is "keras_hub:" and its preset.
    Errors: ValueError for settings of a network of ours, and for a foreign one without; those of
    `find_network`, `open_network`, `OnnxPredictor`, `PeerSpec.parse` and `open_hub`.
    """
    if word.startswith(PREFIX):
        return open_hub(word)
    name, comma, settings = word.partition(",")
    if not comma:
        return open_network(name)
    network = OnnxPredictor(find_network(name, "onnx"), PeerSpec.parse(settings))
    if network.is_ours:
        raise ValueError(
            "Settings must be of another project's network: one of ours says itself what it sees. "
            f"Received: {word!r}. Use {name!r}."
        )
    return network


def label_photo(
    teachers: Sequence[DepthPredictor],
    photo: np.ndarray,
    focal: float | None = None,
    combine: str = "mean",
) -> Label:
    """What the teachers say of a uint8 RGB photo (height, width, 3), as it is and mirrored.

    focal: the photo's horizontal focal length over its width; None, unknown: each teacher takes it
    as `geometry.lay_out` does. combine: the "mean" or the "median" of the teachers' log depths at a
    pixel, or the mean weighted by "confidence", which is each one's agreement with what it says of
    the mirrored photo. The scale is that of the teachers that give metres. Depth up to a scale is
    brought to it by its median, disparity by scale and shift.
    Errors: ValueError for no photo, an unknown `combine`, and teachers of which none gives depth.
    """
    check_rgb(photo)
    if combine not in COMBINATIONS:
        raise ValueError(
            f"`combine` must be one of {', '.join(COMBINATIONS)}. Received: combine={combine!r}."
        )
    unit = find_unit(teachers)
    looks, seen = _bring_together(teachers, photo, focal, unit)
    own = looks.mean(axis=1)
    if combine == "median":
        depth = np.median(own, axis=0)
    elif combine == "confidence":
        flips = np.abs(looks[:, 0] - looks[:, 1])
        depth = np.average(own, axis=0, weights=np.exp(-flips / SPREAD))
    else:
        depth = own.mean(axis=0)
    confidence = find_confidence(looks.reshape(-1, *seen.shape))
    return Label(
        np.where(seen, np.exp(depth), 0).astype(np.float32),
        np.where(seen, confidence, 0).astype(np.float32),
        unit,
    )


def find_unit(teachers: Sequence[DepthPredictor]) -> str:
    """The unit of their labels: "metre" where one of them knows metres, else "relative".

    Errors: ValueError where none gives depth: disparity alone has a shift that nothing fixes.
    """
    units = [teacher.unit for teacher in teachers]
    if not {"metre", "relative"} & set(units):
        raise ValueError(
            "One teacher at least must give depth: disparity is known up to a scale and a shift, "
            f"which another teacher fixes. Received: {', '.join(units) or 'none'}. Add light."
        )
    return "metre" if "metre" in units else "relative"


def _bring_together(
    teachers: Sequence[DepthPredictor], photo: np.ndarray, focal: float | None, unit: str
) -> tuple[np.ndarray, np.ndarray]:
    """Log depth of each teacher's two looks, (teachers, 2, height, width), at one scale.

    And where any of them sees, and none sky, bool (height, width). What lies outside of a
    teacher's own view is as those that see all have it, but for the difference at the view's
    nearest pixel.
    """
    height, width = photo.shape[:2]
    whole = slice(0, height), slice(0, width)
    order = sorted(teachers, key=lambda teacher: teacher.unit != unit)  # the scale comes first
    views = [teacher.find_view(height, width) for teacher in order]
    masks = [_mask(view, photo) for view in views]
    found: list[np.ndarray] = []
    is_sky = np.zeros((height, width), bool)
    for teacher, mask in zip(order, masks, strict=True):
        looks = np.stack(_look_twice(teacher, photo, focal))
        if far := teacher.lay_out(height, width, _choose_focal(teacher, focal)).far:
            is_sky |= looks.mean(axis=0) >= np.log(far)
        if found and teacher.unit != "metre":
            how = "disparity" if teacher.unit == "disparity" else "median"
            others = np.exp(np.mean(found, axis=(0, 1)))
            inside = np.logical_and.reduce([mask, *masks[: len(found)]])
            truth = np.where(inside, others, 0)
            looks = np.stack([_log(align(truth, np.exp(look), how)) for look in looks])
        found.append(looks)
    wide = [looks for looks, view in zip(found, views, strict=True) if view == whole]
    if wide:
        base = np.mean(wide, axis=(0, 1))
        for looks, (rows, columns) in zip(found, views, strict=True):
            edges = (0, 0), (rows.start, height - rows.stop), (columns.start, width - columns.stop)
            looks[:] = base + np.pad((looks - base)[:, rows, columns], edges, mode="edge")
    return np.stack(found), np.logical_or.reduce(masks) & ~is_sky


def _mask(view: tuple[slice, slice], photo: np.ndarray) -> np.ndarray:
    mask = np.zeros(photo.shape[:2], bool)
    mask[view] = True
    return mask


def _look_twice(
    teacher: DepthPredictor, photo: np.ndarray, focal: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Log depth of a photo, and of its mirror image turned back."""
    focals = [_choose_focal(teacher, focal)]
    (plain,) = teacher([photo], focals=focals)
    (mirrored,) = teacher([np.ascontiguousarray(photo[:, ::-1])], focals=focals)
    return _log(plain), _log(mirrored[:, ::-1])


def _choose_focal(teacher: DepthPredictor, focal: float | None) -> float | None:
    """A photo's focal length for a teacher that knows its training's."""
    return focal if teacher.view.focal else None


def _log(depth: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(depth, LEAST))
