"""Pairs of photos to match: of two folders, of two videos, or of one with both side by side."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from depthlib.data import stereo
from depthlib.data.csv_tables import why_unlistable
from depthlib.data.images import read_rgb
from depthlib.video.frames import Frames, open_frames

Read = Callable[[], tuple[np.ndarray, np.ndarray]]

Photos = TypeVar("Photos")

_RATES = 1.02  # how far the rates of two videos may be apart, by their time stamps
_FEW = 0.05  # of the pixels: where fewer are sure, the cameras may be swapped


def open_pairs(
    words: Sequence[str], found: Sequence[tuple[list[Path], list[Path]]], every: int
) -> tuple[int | None, Iterator[tuple[str, Read]]]:
    """How many pairs there are, None where unknown, and each one's name and what reads it.

    found: the photos and the videos that each word means. every: only each so manieth pair. Errors:
    those of `check_partners` and `open_frames`; ValueError for photos beside videos, for two photos
    of one name, for videos that are not in step. Reading a pair raises ValueError for photos of two
    sizes, and those of `read_rgb`.
    """
    if all(photos for photos, _ in found):
        stereo.check_partners(found[0][0], found[-1][0])
        check_names(found[0][0])
        rows = list(zip(*(photos[::every] for photos, _ in found), strict=True))
        return len(rows), ((row[0].stem, partial(_read_pair, row)) for row in rows)
    if not all(videos for _, videos in found):
        raise ValueError(
            "Both sides must be photos, or both videos. Received: "
            f"{' and '.join(words)}. Give two folders, two videos, or one with both side by side."
        )
    if many := next((videos for _, videos in found if len(videos) > 1), None):
        raise ValueError(
            f"A scene must be of one video a side. Received: {many[0]} and {many[1]}. Match each "
            "by itself."
        )
    videos = [open_frames(videos[0]) for _, videos in found]
    _check_step(videos)
    frames = islice(enumerate(zip(*videos, strict=False)), 0, None, every)
    count = videos[0].count and -(-videos[0].count // every)
    return count, ((f"{n:06d}", partial(_take_pair, row, words[0])) for n, row in frames)


def find_readable(
    jobs: Iterator[tuple[str, Callable[[], Photos]]],
) -> tuple[str, Photos, list[tuple[str, str]]]:
    """The first pair or photo that can be read, its name, and what is wrong with those before it.

    Errors: ValueError where none can.
    """
    failed: list[tuple[str, str]] = []
    for name, read in jobs:
        try:
            return name, read(), failed
        except (OSError, ValueError) as error:
            failed.append((name, str(error)))
    raise ValueError(
        f"Some photo must be readable. Received: none of {len(failed)}. {failed[0][1]}"
    )


def check_sides(
    pair: tuple[np.ndarray, ...], rectifier: stereo.Rectifier, disparities: int, source: str
) -> None:
    """Accepts a pair of a rig's photos, as they are read, each the one of its camera.

    Errors: ValueError where both are one photo, but for what shows nothing, and where hardly
    anything matches, but would with the photos swapped.
    """
    left, right = pair
    if np.array_equal(left, right) and left.min() < left.max():
        raise ValueError(
            "The photos of a pair must be of two cameras. Received: the same photo twice, from "
            f"{source}. Give each camera's own by --left and --right."
        )
    views = rectifier.rectify(left, right)
    share, swapped = (
        float((stereo.match(*sides, disparities)[1] >= stereo.SURE).mean())
        for sides in (views, views[::-1])
    )
    if share < _FEW and swapped > 4 * share:
        raise ValueError(
            "The left photo must be the left camera's. Received: photos of which "
            f"{share:.1%} match, and {swapped:.0%} when swapped, from {source}. Swap --left and "
            "--right."
        )


def _check_step(videos: Sequence[Frames]) -> None:
    """Errors: ValueError where the videos of a rig do not have a frame for a frame."""
    rates = [video.fps or 1.0 for video in videos]
    if len({video.count for video in videos}) > 1 or max(rates) > _RATES * min(rates):
        told = " and ".join(
            f"{video.count} at {rate:.4g} a second in {video.source}"
            for video, rate in zip(videos, rates, strict=True)
        )
        raise ValueError(
            f"Two videos of a rig must have a frame for a frame. Received: {told}. Cut them to "
            "begin and end at the same moments, at one rate."
        )


def check_names(photos: Sequence[Path]) -> None:
    """Errors: ValueError where the files of two photos would have one name, or one no CSV names."""
    named: dict[str, Path] = {}
    for path in photos:
        if reason := why_unlistable(path.stem):
            raise ValueError(f"A CSV must be able to name a photo. Received: {path}: {reason}.")
        if other := named.get(path.stem):
            raise ValueError(
                "The photos of a scene must differ in their names. Received: "
                f"{other} and {path}. Match each folder as a scene of its own."
            )
        named[path.stem] = path


def _read_pair(paths: tuple[Path, ...]) -> tuple[np.ndarray, np.ndarray]:
    try:
        return _take_pair(tuple(map(read_rgb, paths)), str(paths[0]))
    except ValueError as error:
        raise ValueError(f"{error} The pair is {' and '.join(map(str, paths))}.") from error


def _take_pair(photos: tuple[np.ndarray, ...], source: str) -> tuple[np.ndarray, np.ndarray]:
    """A left and a right photo of the same size, which one picture may hold side by side."""
    if len(photos) == 1:
        width = photos[0].shape[1]
        if width % 2:
            raise ValueError(
                "A picture of both photos side by side must have an even width. Received: "
                f"{width} pixels in {source}. Give each camera's own."
            )
        photos = photos[0][:, : width // 2], photos[0][:, width // 2 :]
    left, right = photos
    if left.shape != right.shape:
        raise ValueError(
            "The photos of a pair must have one size. Received: "
            f"{left.shape[0]}x{left.shape[1]} and {right.shape[0]}x{right.shape[1]} (height x "
            f"width), of {source}."
        )
    return np.ascontiguousarray(left), np.ascontiguousarray(right)
