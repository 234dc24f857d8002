"""How a photo of any shape and lens meets a network, and how its depth comes back in metres.

A network has learned from photos of one view: one shape, one focal length. Every other photo is
brought to that view here, and nowhere else: resampled, mirrored where the view is larger than the
photo, cut into overlapping tiles where the photo is larger than the view. Height and width are
resampled by one factor, but for what the network's own training squeezed.

What is seen larger than through training's lens looks nearer. A pinhole camera would say by how
much: depth grows with the focal length on the network's input, `ratio` times training's. Networks
for rooms go by the size of known things too, so that their depth moves by less: photos are
resampled to a ratio between the lens' own and 1 (a canonical camera, Metric3D, arXiv 2307.10984,
is 1), and depth is multiplied by a power of it. A road's depth is told by the row of a thing on
the ground: the whole photo is shown and depth follows the focal length. docs/metres.md has the
measurements behind each constant.
"""

from dataclasses import dataclass
from itertools import product
from numbers import Real

import cv2
import numpy as np

from depthlib.data.images import check_rgb, resize_rgb
from depthlib.data.intrinsics import SHARES

FAR = 0.8  # of a network's range: where it ends, all that is further is pressed together
# Rooms: how a photo's own ratio and what it leaves of the view empty decide the ratio it is seen
# at, and the power of that ratio by which depth grows. From NYU's test photos, cut and zoomed.
RATIO_POWER = 0.75
FILL_WIDE, FILL_TALL = 0.5, 0.2
DEPTH_POWER = 0.75
LEAST_TILING = 1.15  # a photo that would stick out of the view by less is fitted: tiles cost time
MOST_CANVASES = 256  # inputs that a photo takes: of one pixel's height, it would take thousands
OVERLAP = 0.25  # of a tile, at least
_MOST = {  # what a `View` may hold
    "height": 100_000, "width": 100_000, "max_depth": np.inf, "focal": 1000, "aspect": 1000,
    "horizon": 1,
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What a network sees: its input's size in pixels, its range, and the photos it learned from.

    max_depth: the largest depth that it tells (metres, or a share where depth is relative).
    focal: the training photos' horizontal focal length over their width; None where unknown.
    aspect: their width over their height; None: that of the input.
    horizon: a road's, its row over the height; None for other scenes.
    Errors: ValueError for other values, as a file may hold them.
    """

    height: int
    width: int
    max_depth: float
    focal: float | None = None
    aspect: float | None = None
    horizon: float | None = None

    def __post_init__(self) -> None:
        for name, most in _MOST.items():
            value = getattr(self, name)
            if value is None and name in ("focal", "aspect", "horizon"):
                continue
            # A bool is an integer too, and NaN is not above 0.
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and 0 < value <= most):
                raise ValueError(
                    f"`{name}` of what a network sees must be a number above 0, at most {most:g}. "
                    f"Received: {name}={value!r}. Train or export the network again."
                )

    @property
    def shape(self) -> float:
        """The training photos' width over their height."""
        return self.aspect or self.width / self.height


@dataclass(frozen=True)
class Layout:
    """How one photo is laid over a network's input.

    height, width: the photo's. rows, columns: its size once resampled.
    tops, lefts: where the tiles begin in that.
    focal: the photo's focal length over its width, given or assumed; None where the network's own
    is not known.
    factor: what depth is multiplied by. sky_factor: the same where a road's network says no more
    than far; 0 for others.
    """

    view: View
    height: int
    width: int
    rows: int
    columns: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    focal: float | None
    factor: float
    sky_factor: float

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the photo's part in each tile."""
        return min(self.rows, self.view.height), min(self.columns, self.view.width)

    @property
    def canvases(self) -> int:
        """How many inputs of the network the photo takes."""
        return len(self.tops) * len(self.lefts)

    @property
    def far(self) -> float | None:
        """From which depth on a road's network says no more than far; None: it has no sky."""
        return FAR * self.view.max_depth * self.sky_factor if self.view.horizon else None


def lay_out(height: int, width: int, view: View, focal: float | None = None) -> Layout:
    """The layout of a photo of `height` x `width` pixels for a network of this view.

    focal: the photo's horizontal focal length over its width. None, unknown: rooms are taken as if
    training's camera had taken a larger photo and this one were cut out of it, roads as if its
    lens spanned the same angle from left to right.
    Errors: ValueError for a focal length that no lens has, or where training's is not known, and
    for a photo so narrow that MOST_CANVASES do not hold it.
    """
    check_focal(focal, view)
    squeeze = view.width / view.height / view.shape  # of the columns, by training
    fits = view.height / height, view.width / (width * squeeze)
    fit, fill = min(fits), max(fits)
    is_road = view.horizon is not None
    own = view.focal and view.focal * view.height * view.shape / (fit * width)  # at a ratio of 1
    if focal is None:
        focal = view.focal if is_road else own
    ratio = focal / own if focal and own else 1.0
    scale = fit
    if not is_road:
        empty = FILL_WIDE if width / height > view.shape else FILL_TALL
        seen = ratio**RATIO_POWER * (fill / fit) ** empty
        scale = fit * seen / ratio
        if fit < scale < LEAST_TILING * fit:
            scale = fit
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale * squeeze))
    tops, lefts = _place_tiles(rows, view.height), _place_tiles(columns, view.width)
    if len(tops) * len(lefts) > MOST_CANVASES:
        raise ValueError(
            f"A photo must be seen whole in at most {MOST_CANVASES} inputs of the network. "
            f"Received: {height}x{width} (height x width), which takes {len(tops) * len(lefts):,}. "
            "Cut it into parts that are less narrow."
        )
    seen = ratio * scale / fit
    return Layout(
        view,
        height,
        width,
        rows,
        columns,
        tops,
        lefts,
        focal,
        factor=seen if is_road else seen**DEPTH_POWER,
        sky_factor=focal / view.focal if is_road and focal and view.focal else 0.0,
    )


def check_focal(focal: float | None, view: View) -> None:
    """Accepts a horizontal focal length over the photo's width, or None; else ValueError."""
    if focal is None:
        return
    low, high = SHARES
    is_number = isinstance(focal, Real) and not isinstance(focal, bool)
    if not (is_number and low <= focal <= high):  # NaN is not
        raise ValueError(
            f"`focal` must be a focal length over the photo's width, from {low:g} to {high:g}. "
            f"Received: focal={focal!r}. Millimetres of 35 mm film over 36 are about that: 26 mm "
            "is 0.72."
        )
    if view.focal is None:
        raise ValueError(
            "`focal` needs a network whose training data had a known focal length. Received: "
            f"focal={focal:g} for one without. Leave it out, or say the training photos' `focal` "
            "in their dataset.json and train again."
        )


def split(photo: np.ndarray, layout: Layout) -> np.ndarray:
    """What the network sees of a photo, uint8 RGB (canvases, height, width, 3) of its input's size.

    photo: uint8 RGB (height, width, 3), upright. Errors: ValueError for an array that is no photo.
    """
    check_rgb(photo)
    view, (height, width) = layout.view, layout.tile
    small = resize_rgb(photo, layout.rows, layout.columns)
    top, left = (view.height - height) // 2, (view.width - width) // 2
    border = top, view.height - height - top, left, view.width - width - left
    return np.stack(
        [
            cv2.copyMakeBorder(
                small[row : row + height, column : column + width], *border, cv2.BORDER_REFLECT_101
            )
            for row, column in product(layout.tops, layout.lefts)
        ]
    )


def join(depths: np.ndarray, layout: Layout, size: tuple[int, int] | None = None) -> np.ndarray:
    """Depth float32 (height, width) of the photo from that of its canvases, as `split` gives them.

    depths: the network's own, float32 (canvases, height, width). size: height and width of what
    comes back, None for the photo's. Tiles are blended by the mean of their logarithms, each the
    lighter towards an edge that another one covers.
    """
    view, (height, width) = layout.view, layout.tile
    top, left = (view.height - height) // 2, (view.width - width) // 2
    parts = depths[:, top : top + height, left : left + width]
    depth = parts[0] if len(parts) == 1 else _blend(parts, layout)
    scaled = depth * np.float32(layout.factor)
    if view.horizon is not None:
        is_sky = depth >= FAR * view.max_depth
        scaled = np.where(is_sky, depth * np.float32(layout.sky_factor), scaled)
    rows, columns = size or (layout.height, layout.width)
    return cv2.resize(scaled, (columns, rows), interpolation=cv2.INTER_LINEAR)


def _place_tiles(length: int, tile: int) -> tuple[int, ...]:
    """Where tiles begin, so that they cover `length` and each two overlap by OVERLAP or more."""
    if length <= tile:
        return (0,)
    count = 1 + int(np.ceil((length - tile) / (tile * (1 - OVERLAP))))
    return tuple(round(start) for start in np.linspace(0, length - tile, count))


def _blend(parts: np.ndarray, layout: Layout) -> np.ndarray:
    height, width = layout.tile
    sums = np.zeros((layout.rows, layout.columns), np.float32)
    weights = np.zeros_like(sums)
    weight = np.outer(_ramp(height, len(layout.tops)), _ramp(width, len(layout.lefts)))
    for part, (row, column) in zip(parts, product(layout.tops, layout.lefts), strict=True):
        place = np.s_[row : row + height, column : column + width]
        sums[place] += weight * np.log(np.maximum(part, 1e-6))
        weights[place] += weight
    return np.exp(sums / weights)


def _ramp(length: int, tiles: int) -> np.ndarray:
    """A tile's weight along one side, float32 (length,): 1, and less towards its ends."""
    if tiles == 1:
        return np.ones(length, np.float32)
    steps = np.arange(length, dtype=np.float32) + 1
    return np.minimum(np.minimum(steps, steps[::-1]) / (OVERLAP * length), 1)
