"""Augmentation of a batch, photo and depth together, that its seed alone decides."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from depthlib.weather import EFFECTS

_WEATHER = 15  # the first of the columns of draws that are weather's
_MIX = 19  # the same for mixing
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

    def __post_init__(self):
        for name in ("flip", "jitter", "crop", "cut_depth", "weather", "mix"):
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
        check_effects(self.effects)

    def draw(self, seed: int, epoch: int, count: int) -> np.ndarray:
        """Random numbers 0 to 1 for `count` pairs in an epoch, float32 (count, 21), a row each.

        A row depends on seed, epoch and its index alone: no batch or thread changes it. All at
        once, because a random generator for each pair would cost more than the augmentation.
        """
        # From a generator each, so that the others stay as they were without weather and mixing.
        rngs = (np.random.default_rng([seed, epoch, stream]) for stream in (1, 2, 3))
        columns = (_WEATHER, 4, 2)
        draws = [rng.random((count, n), np.float32) for rng, n in zip(rngs, columns, strict=True)]
        return np.concatenate(draws, axis=1)

    def double(self, draws: np.ndarray) -> np.ndarray:
        """The draws of each pair twice: without weather, then surely with it, alike in the rest."""
        twice = np.repeat(draws, 2, axis=0)
        twice[::2, _WEATHER] = 1
        twice[1::2, _WEATHER] = 0
        return twice

    def apply(
        self,
        rgb: np.ndarray,
        counts: np.ndarray,
        draws: np.ndarray,
        units: float | np.ndarray = 0.0,
    ) -> None:
        """Changes RGB uint8 (batch, h, w, 3) and depth uint16 (batch, h, w) in place by `draws`.

        For weather, `units` are the metres of a count, one for all or (batch,); 0 where depth is
        known only up to a scale, whose median then counts as 3 m.
        """
        flips, jitters, crops, cuts = (
            np.flatnonzero(draws[:, column] < chance)
            for column, chance in (
                (0, self.flip),
                (1, self.jitter),
                (2, self.crop),
                (11, self.cut_depth),
            )
        )
        shares = _scale(draws[crops, 8], self.share).tolist()
        for index, share, (top, left) in zip(
            crops, shares, draws[crops, 9:11].tolist(), strict=True
        ):
            top = top if self.horizon is None else self.horizon
            _enlarge(rgb[index], counts[index], share, top, left)
        if self.rotation:
            for index, draw in enumerate(draws[:, 12].tolist()):
                _turn(rgb[index], counts[index], (2 * draw - 1) * self.rotation)
        # Before colours: weather belongs to the scene, they to the camera.
        self._change_weather(rgb, counts, draws[:, _WEATHER:_MIX], units)
        tables = self._make_tables(draws[jitters, 3:8])
        for index, table in zip(jitters, tables, strict=True):
            cv2.LUT(rgb[index], table, dst=rgb[index])
        for index in cuts:
            _cut_depth(rgb[index], counts[index], *draws[index, 13:15].tolist())
        for index in flips:
            for image in (rgb[index], counts[index]):
                cv2.flip(image, 1, dst=image)

    def mix_photos(self, rgb: np.ndarray, counts: np.ndarray, draws: np.ndarray) -> None:
        """Mixes photos in place, the last of all that happens to them; their depth becomes 0."""
        unmixed = rgb.copy() if self.mix else rgb
        for index in np.flatnonzero(draws[:, _MIX] < self.mix):
            rng = _make_rng(draws[index, _MIX + 1])
            other = unmixed[rng.integers(len(unmixed))]
            if rng.random() < 0.5:
                share = rng.uniform(0.1, 0.9)
                cv2.addWeighted(rgb[index], share, other, 1 - share, 0, dst=rgb[index])
            else:
                _add_window(rgb[index], other, rng)
            counts[index] = 0

    def _change_weather(self, rgb, counts, draws, units) -> None:
        units = np.broadcast_to(np.asarray(units, np.float32), len(rgb))
        for index in np.flatnonzero(draws[:, 0] < self.weather):
            kind, strength, luck = draws[index, 1:].tolist()
            effect = EFFECTS[self.effects[int(kind * len(self.effects))]]
            valid = counts[index][counts[index] > 0]
            unit = units[index] or MEDIAN / (np.median(valid) if len(valid) else 1)
            depth_m = counts[index] * np.float32(unit)
            rng = _make_rng(luck)
            rgb[index] = effect(rgb[index], depth_m, strength, rng)

    def _make_tables(self, draws: np.ndarray) -> np.ndarray:
        """What each value of each channel becomes, uint8 (batch, 1, 256, 3)."""
        gamma = _scale(draws[:, 0], self.gamma)[:, None]
        gain = _scale(draws[:, 1:2], self.brightness) * _scale(draws[:, 2:], self.colour)
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


def _enlarge(rgb: np.ndarray, counts: np.ndarray, share: float, top: float, left: float) -> None:
    """Fills a pair with a part of itself, in place; `top` and `left`, 0 to 1, say which part."""
    height, width = counts.shape
    rows, columns = round(height * share), round(width * share)
    row, column = round(top * (height - rows)), round(left * (width - columns))
    part = np.s_[row : row + rows, column : column + columns]
    cv2.resize(rgb[part].copy(), (width, height), dst=rgb)
    # Nearest: a mean over an edge, or over an invalid pixel, would be a depth that nothing has.
    near = cv2.resize(counts[part], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    np.multiply(near, np.float32(share), out=counts, casting="unsafe")


def _turn(rgb: np.ndarray, counts: np.ndarray, degrees: float) -> None:
    """Turns a pair about its centre, in place, enlarged so that it fills its corners."""
    height, width = counts.shape
    slope = abs(math.tan(math.radians(degrees)))
    growth = math.cos(math.radians(degrees)) * (1 + slope * max(height / width, width / height))
    centre = ((width - 1) / 2, (height - 1) / 2)
    turn = cv2.getRotationMatrix2D(centre, degrees, growth)
    size, edge = (width, height), {"borderMode": cv2.BORDER_REPLICATE}
    cv2.warpAffine(rgb.copy(), turn, size, dst=rgb, **edge)
    near = cv2.warpAffine(counts, turn, size, flags=cv2.INTER_NEAREST, **edge)
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
    low, high = np.float32(limits)
    return low + draws * (high - low)
