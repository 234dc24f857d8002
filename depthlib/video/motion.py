"""Which frames of a video go on from each other: what a network can learn depth from.

Two frames tell depth where the camera moved between them and both show the same things. So frames
in which it stands still are left out, and over a cut none is another's neighbour.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from depthlib.video.odometry import Odometer
from depthlib.video.points import FEWEST, find_corners, follow, shrink

# Of the width, that the median point moves between two frames that are kept; ten frames a second of
# KITTI's drive 0005 move by .0035 to .02.
LEAST = 0.005
POINTS = 400  # that are followed, at most
# Share of the points that the next frame shows again; with fewer it is a cut. On two of KITTI's
# drives, ten frames a second, .57 to 1; between streets four seconds apart mostly below .3.
FOUND = 0.4

Step = Literal["begins", "moved", "standing", "empty"]


class Follower:
    """Tells of each frame of a video how it goes on from the last one that was kept.

    "begins": it shows other things, or is the first. "moved": the median of the points that both
    show has moved by at least `least` of the width. "standing": by less. "empty": there is nothing
    in it to follow, as in the dark. Those that begin or moved are kept.
    Points: corners (Shi and Tomasi 1994) followed by pyramids (Bouguet 2001), there and back.
    Errors: ValueError for a share that is none.
    """

    def __init__(self, least: float = LEAST) -> None:
        if not 0 < least < 1:
            raise ValueError(
                "The least motion must be a share of the width, above 0 and below 1. Received: "
                f"{least:g}. Use {LEAST:g}."
            )
        self.least = least
        self._last: tuple[np.ndarray, np.ndarray] | None = None  # the frame kept, and its points

    def judge(self, rgb: np.ndarray) -> Step:
        """How the next frame goes on, uint8 (height, width, 3)."""
        grey = shrink(rgb)
        moved = self._measure(grey)
        if moved is not None and moved < self.least * grey.shape[1]:
            return "standing"
        points = find_corners(grey, POINTS)
        if len(points) < FEWEST:
            return "empty"
        self._last = grey, points
        return "begins" if moved is None else "moved"

    def _measure(self, grey: np.ndarray) -> float | None:
        """Pixels by which the median point moved since the frame kept; None: it is not shown."""
        if self._last is None or self._last[0].shape != grey.shape:
            return None
        last, start = self._last
        end, found = follow(last, grey, start)
        if found.mean() < FOUND:
            return None
        return float(np.median(np.linalg.norm(end - start, axis=1)[found]))


class Chosen(NamedTuple):
    """A frame that is kept: its name, its photos, and how the camera moved since the one before.

    motion: (6,), as `data.views.Views` has it; None where a shot begins.
    """

    name: str
    photos: tuple[np.ndarray, ...]
    motion: np.ndarray | None = None


class Tally(Counter[str]):
    """How many frames were seen, kept, and left out for which reason."""

    def __str__(self) -> str:
        seen = ("begins", "unclear", "moved", "standing", "empty")
        cuts = max(self["begins"] - 1, 0)
        told = f"{self['kept']} of {sum(self[step] for step in seen)} frames taken"
        told += f", {self['standing']} stand still, {cuts} cut" + "s" * (cuts != 1)
        told += f", {self['unclear']} times the motion is unclear" * bool(self["unclear"])
        told += f", {self['empty']} show nothing to follow" * bool(self["empty"])
        return told + f", {self['alone']} without a neighbour" * bool(self["alone"])


def choose_frames(
    frames: Iterable[tuple[str, tuple[np.ndarray, ...]]],
    tally: Tally,
    odometer: Odometer,
    least: float = LEAST,
    keep_alone: bool = False,
) -> Iterator[Chosen]:
    """Those of the frames, (name, photos), that have a neighbour: see `Follower`.

    The first of a frame's photos is followed; the others, as of a second camera, go along. Where
    `odometer` cannot tell the motion, the frames are no neighbours. keep_alone: also those without
    one. tally: is counted up. One frame is held at a time.
    """
    follower = Follower(least)
    waiting: Chosen | None = None  # one that begins: whether it has a neighbour, the next one says
    for name, photos in frames:
        step = follower.judge(photos[0])
        if step in ("standing", "empty"):
            tally[step] += 1
            continue
        motion = None
        if step == "moved":
            motion = odometer.move(photos)
        else:
            odometer.begin(photos)
        tally["unclear" if step == "moved" and motion is None else step] += 1
        if waiting and (motion is not None or keep_alone):
            yield waiting
            tally["kept"] += 1
        elif waiting:
            tally["alone"] += 1
        waiting = None
        if motion is None:
            waiting = Chosen(name, photos)
        else:
            yield Chosen(name, photos, motion)
            tally["kept"] += 1
    if waiting and keep_alone:
        yield waiting
        tally["kept"] += 1
    elif waiting:
        tally["alone"] += 1
