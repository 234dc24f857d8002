"""Augmentation of a batch, photo and depth together, that its seed alone decides."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from depthlib.data.boxes import add_boxes
from depthlib.data.views import MISSING, Views
from depthlib.weather import EFFECTS

# What decides each change to a pair, 0 to 1 each. A chance is met where the draw is below it.
DRAWS = np.dtype(
    [
        ("flip", "f4"),
        ("jitter", "f4"),
        ("crop", "f4"),
        ("gamma", "f4"),
        ("brightness", "f4"),
        ("colour", "f4", 3),  # the gain of each channel
        ("share", "f4"),  # of height and width that a crop keeps
        ("top", "f4"),  # where that begins
        ("left", "f4"),
        ("cut_depth", "f4"),
        ("angle", "f4"),
        ("band_left", "f4"),  # of the band that becomes depth
        ("band_width", "f4"),
        ("weather", "f4"),
        ("effect", "f4"),  # which one
        ("strength", "f4"),
        ("weather_seed", "f4"),
        ("mix", "f4"),
        ("mix_seed", "f4"),
        ("boxes", "f4"),
        ("boxes_seed", "f4"),
    ]
)
MEDIAN = 3.0  # metres; where depth is known only up to a scale, weather takes this for its median


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training pair. Colours and flips are those of BTS and AdaBins for NYU.

    `flip`, `jitter`, `crop` and `cut_depth` are the chances that a pair is mirrored, that its
    colours change, that a part of it is enlarged to full size and that a band of its photo becomes
    its depth (Vertical CutDepth, arXiv 2201.07436). Gamma, brightness, a gain of each channel and
    the part's share of height and width are drawn evenly from their ranges, an angle from plus or
    minus `rotation` degrees; a turned pair is enlarged until it has no empty corner. What is
    enlarged looks nearer through the same lens, so depth shrinks by as much: it stays metric.
    With `horizon`, its row over the height, it stays in that row, so that the row of a thing on the
    ground goes on to tell its distance; None: any part.
    `weather` is the chance that a photo gets one of `effects` (names in `weather.EFFECTS`; what is
    named twice comes twice as often), at a strength drawn evenly from 0 to 1.
    `mix` is the chance that a photo is mixed with another one of the batch, as their mean (mixup,
    arXiv 1710.09412) or by a window of the other in it (CutMix, arXiv 1905.04899), as often the one
    as the other. It loses its depth, so that only a teacher (`distillation`) has any for it.
    `boxes` is the chance that boxes (`data.boxes`) are drawn into a photo of known depth that has
    no other views, on a road whose `horizon` is known, and `focal`: over width and over height.
    Errors: ValueError for a chance, a range or an effect that makes no sense.
    """

    flip: float = 0.5
    jitter: float = 0.5
    crop: float = 0.5
    cut_depth: float = 0.0
    rotation: float = 0.0
    gamma: tuple[float, float] = (0.9, 1.1)
    brightness: tuple[float, float] = (0.75, 1.25)
    colour: tuple[float, float] = (0.9, 1.1)
    share: tuple[float, float] = (0.75, 1.0)
    horizon: float | None = None
    weather: float = 0.0
    effects: tuple[str, ...] = tuple(EFFECTS)
    mix: float = 0.0
    boxes: float = 0.0
    focal: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "crop", "cut_depth", "weather", "mix", "boxes"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be 0 to 1. Received: {name}={getattr(self, name)}")
        for name in ("gamma", "brightness", "colour", "share"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(
                    f"`{name}` must be two positive numbers, the lower first. "
                    f"Received: {name}={(low, high)}."
                )
        if not 0 <= self.rotation <= 45:
            raise ValueError(f"`rotation` must be 0 to 45. Received: rotation={self.rotation}.")
        if self.share[1] > 1:
            raise ValueError(f"`share` must be shares up to 1. Received: share={self.share}.")
        if self.boxes and not (self.horizon and self.focal):
            raise ValueError(
                "`boxes` stand on a road of known horizon, focal length and shape. Received: "
                f"boxes={self.boxes}, horizon={self.horizon}, focal={self.focal}. Say `horizon`, "
                "`focal` and `aspect` in dataset.json, or use boxes=0."
            )
        check_effects(self.effects)

    def draw(self, seed: int, epoch: int, count: int) -> np.ndarray:
        """Random numbers 0 to 1 for `count` pairs in an epoch: a row of DRAWS each, (count,).

        A row depends on seed, epoch and its index alone: no batch or thread changes it. All at
        once, because a random generator for each pair would cost more than the augmentation.
        """
        # From a generator each, so that the others stay as they were without weather and mixing.
        rngs = (np.random.default_rng([seed, epoch, stream]) for stream in (1, 2, 3, 4))
        columns = (15, 4, 2, 2)
        draws = [rng.random((count, n), np.float32) for rng, n in zip(rngs, columns, strict=True)]
        return np.concatenate(draws, axis=1).view(DRAWS)[:, 0]

    def double(self, draws: np.ndarray) -> np.ndarray:
        """The draws of each pair twice: without weather, then surely with it, alike in the rest."""
        twice = np.repeat(draws, 2, axis=0)
        twice["weather"][::2] = 1
        twice["weather"][1::2] = 0
        return twice

    def apply(
        self,
        rgb: np.ndarray,
        counts: np.ndarray,
        draws: np.ndarray,
        metres_per_count: float | np.ndarray = 0.0,
        confidence: np.ndarray | None = None,
        views: Views | None = None,
        horizons: np.ndarray | None = None,
    ) -> None:
        """Changes RGB uint8 (batch, h, w, 3) and depth uint16 (batch, h, w) in place by `draws`.

        Confidence, uint8 (batch, h, w), and views move with them, and keep their colours. For
        weather, which a photo without any depth does not get, `metres_per_count` are the metres of
        a count, one for all or (batch,); 0 where depth is known only up to a scale, whose median
        then counts as 3 m. horizons, (batch,): each photo's own, where one of them has another than
        `horizon`.
        """
        flips, jitters, crops, cuts = (
            np.flatnonzero(draws[name] < getattr(self, name))
            for name in ("flip", "jitter", "crop", "cut_depth")
        )
        if horizons is None and self.horizon is not None:
            horizons = np.full(len(rgb), self.horizon)
        shares = _scale(draws["share"], self.share)
        smooth = [rgb] if confidence is None else [rgb, confidence]
        for index in crops.tolist():
            top = draws["top"][index] if horizons is None else horizons[index]
            share, place = float(shares[index]), (float(top), float(draws["left"][index]))
            part = _choose_part(counts.shape[1:], share, *place)
            _enlarge([image[index] for image in smooth], counts[index], part, share)
            if views is not None:
                views.enlarge(index, *part, share)
        if self.rotation:
            for row, draw in enumerate(draws["angle"].tolist()):
                degrees = (2 * draw - 1) * self.rotation
                _turn([image[row] for image in smooth], counts[row], degrees)
        # Before colours: boxes and weather belong to the scene, they to the camera.
        if horizons is not None and self.focal is not None:
            self._add_boxes(rgb, counts, draws, metres_per_count, views, horizons, self.focal)
        self._change_weather(rgb, counts, draws, metres_per_count)
        tables = self._make_tables(draws[jitters])
        for index, table in zip(jitters.tolist(), tables, strict=True):
            cv2.LUT(rgb[index], table, dst=rgb[index])
        for index in cuts[counts[cuts].any(axis=(1, 2))].tolist():
            band = float(draws["band_left"][index]), float(draws["band_width"][index])
            _cut_depth(rgb[index], counts[index], *band)
        for index in flips.tolist():
            for image in (*smooth, counts):
                cv2.flip(image[index], 1, dst=image[index])
            if views is not None:
                views.mirror(index)

    def mix_photos(self, rgb: np.ndarray, counts: np.ndarray, draws: np.ndarray) -> None:
        """Mixes photos in place, the last of all that happens to them; their depth becomes 0."""
        unmixed = rgb.copy() if self.mix else rgb
        for index in np.flatnonzero(draws["mix"] < self.mix):
            rng = _make_rng(draws["mix_seed"][index])
            other = unmixed[rng.integers(len(unmixed))]
            if rng.random() < 0.5:
                share = rng.uniform(0.1, 0.9)
                cv2.addWeighted(rgb[index], share, other, 1 - share, 0, dst=rgb[index])
            else:
                _add_window(rgb[index], other, rng)
            counts[index] = 0

    def _add_boxes(
        self,
        rgb: np.ndarray,
        counts: np.ndarray,
        draws: np.ndarray,
        metres_per_count: float | np.ndarray,
        views: Views | None,
        horizons: np.ndarray,
        lens: tuple[float, float],
    ) -> None:
        """Draws boxes into photos and their depth, in place; arguments as in `apply`."""
        chosen = draws["boxes"] < self.boxes
        if views is not None:  # which do not have them
            chosen &= (views.motions[..., 6] == MISSING).all(axis=1)
        metres_per_count = np.broadcast_to(np.asarray(metres_per_count, np.float32), len(rgb))
        rows, columns = counts.shape[1:]
        for index in np.flatnonzero(chosen & (metres_per_count > 0)):
            rng, one = _make_rng(draws["boxes_seed"][index]), metres_per_count[index]
            depth_m = counts[index] * one
            focal = (lens[0] * columns, lens[1] * rows)
            other = rgb[rng.integers(len(rgb))].copy()
            add_boxes(rgb[index], depth_m, float(horizons[index]), focal, other, rng)
            drawn = np.rint(depth_m / one)
            counts[index] = np.where(drawn <= 65535, drawn, 0)  # beyond the range: not measured

    def _change_weather(
        self,
        rgb: np.ndarray,
        counts: np.ndarray,
        draws: np.ndarray,
        metres_per_count: float | np.ndarray,
    ) -> None:
        """Puts weather into photos, in place; arguments as in `apply`."""
        metres_per_count = np.broadcast_to(np.asarray(metres_per_count, np.float32), len(rgb))
        for index in np.flatnonzero(draws["weather"] < self.weather):
            number = int(float(draws["effect"][index]) * len(self.effects))
            effect = EFFECTS[self.effects[number]]
            valid = counts[index][counts[index] > 0]
            if not len(valid):  # weather hangs on depth
                continue
            one = metres_per_count[index] or MEDIAN / np.median(valid)
            depth_m = counts[index] * np.float32(one)
            rng = _make_rng(float(draws["weather_seed"][index]))
            rgb[index] = effect(rgb[index], depth_m, float(draws["strength"][index]), rng)

    def _make_tables(self, draws: np.ndarray) -> np.ndarray:
        """What each value of each channel becomes, uint8 (batch, 1, 256, 3)."""
        gamma = _scale(draws["gamma"], self.gamma)[:, None]
        brightness = _scale(draws["brightness"], self.brightness)[:, None]
        gain = brightness * _scale(draws["colour"], self.colour)
        curves = np.linspace(0, 1, 256, dtype=np.float32) ** gamma
        tables = curves[:, :, None] * gain[:, None, :] * np.float32(255)
        return np.rint(np.minimum(tables, 255)).astype(np.uint8)[:, None]


def check_effects(effects: tuple[str, ...]) -> None:
    """Accepts names in `weather.EFFECTS`, at least one; else ValueError."""
    if isinstance(effects, str) or not effects or set(effects) - set(EFFECTS):
        raise ValueError(
            f"`effects` must be a tuple of names of {', '.join(EFFECTS)}. "
            f"Received: effects={effects!r}. One alone is ('fog',)."
        )


def _choose_part(
    size: tuple[int, ...], share: float, top: float, left: float
) -> tuple[int, int, int, int]:
    """The first row and column, rows and columns of a part; `top`, `left`, 0 to 1, say which."""
    height, width = size
    rows, columns = round(height * share), round(width * share)
    return round(top * (height - rows)), round(left * (width - columns)), rows, columns


def _enlarge(
    smooth: Sequence[np.ndarray],
    counts: np.ndarray,
    place: tuple[int, int, int, int],
    share: float,
) -> None:
    """Fills images and a map with a part of each, in place: see `_choose_part`."""
    height, width = counts.shape
    row, column, rows, columns = place
    part = np.s_[row : row + rows, column : column + columns]
    for image in smooth:
        cv2.resize(image[part].copy(), (width, height), dst=image)
    # Nearest: a mean over an edge, or over an invalid pixel, would be a depth that nothing has.
    near = cv2.resize(counts[part], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    np.multiply(near, np.float32(share), out=counts, casting="unsafe")


def _turn(smooth: Sequence[np.ndarray], counts: np.ndarray, degrees: float) -> None:
    """Turns images and a map about their centre, in place, enlarged to fill their corners."""
    height, width = counts.shape
    slope = abs(math.tan(math.radians(degrees)))
    growth = math.cos(math.radians(degrees)) * (1 + slope * max(height / width, width / height))
    centre = ((width - 1) / 2, (height - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, degrees, growth)
    size, edge = (width, height), cv2.BORDER_REPLICATE
    for image in smooth:
        cv2.warpAffine(image.copy(), turn, size, dst=image, borderMode=edge)
    near = cv2.warpAffine(counts, turn, size, flags=cv2.INTER_NEAREST, borderMode=edge)
    np.divide(near, np.float32(growth), out=counts, casting="unsafe")


def _cut_depth(rgb: np.ndarray, counts: np.ndarray, left: float, share: float) -> None:
    """Puts depth, as grey of the map's own range, into a band of the photo, in place."""
    width = rgb.shape[1]
    start = int(left * width)
    band = np.s_[:, start : start + max(1, int(0.75 * share * (width - start)))]
    grey = counts[band] * np.float32(255 / max(1, counts.max()))
    rgb[band] = grey.astype(np.uint8)[..., None]


def _add_window(rgb: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> None:
    """Puts a part of `other` somewhere into a photo, in place."""
    sides = [round(side * rng.uniform(0.3, 0.8)) for side in rgb.shape[:2]]
    places = [
        [rng.integers(whole - side + 1) for whole, side in zip(rgb.shape[:2], sides, strict=True)]
        for _ in range(2)
    ]
    here, there = (
        tuple(slice(first, first + side) for first, side in zip(place, sides, strict=True))
        for place in places
    )
    rgb[here] = other[there]


def _make_rng(draw: float) -> np.random.Generator:
    """For what takes any number of draws, a generator that one float32 draw decides."""
    return np.random.default_rng(int(draw * 2**24))  # such a draw has 24 bits


def _scale(draws: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Draws, 0 to 1, as numbers between two limits."""
    low, high = np.array(limits, np.float32)
    return low + draws * (high - low)
