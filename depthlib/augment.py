"""Augmentation of a batch, photo and depth together, that its seed alone decides."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a training pair. The defaults are those of BTS and AdaBins for NYU.

    `flip` and `jitter` are the chances that a pair is mirrored and that its colours change: gamma,
    brightness and a gain of each channel are drawn evenly from their ranges.
    """

    flip: float = 0.5
    jitter: float = 0.5
    gamma: tuple[float, float] = (0.9, 1.1)
    brightness: tuple[float, float] = (0.75, 1.25)
    colour: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self):
        for name in ("flip", "jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be 0 to 1. Received: {name}={getattr(self, name)}")
        for name in ("gamma", "brightness", "colour"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(
                    f"`{name}` must be two positive numbers, the lower first. "
                    f"Received: {name}={(low, high)}."
                )

    def draw(self, seed: int, epoch: int, count: int) -> np.ndarray:
        """Random numbers 0 to 1 for `count` pairs in an epoch, float32 (count, 7), a row each.

        A row depends on seed, epoch and its index alone: no batch or thread changes it. All at
        once, because a random generator for each pair would cost more than the augmentation.
        """
        rng = np.random.default_rng([seed, epoch, 1])
        return rng.random((count, 7), dtype=np.float32)

    def apply(self, rgb: np.ndarray, depth: np.ndarray, draws: np.ndarray) -> None:
        """Changes uint8 RGB (batch, h, w, 3) and depth (batch, h, w, 1) in place by their draws."""
        flips = np.flatnonzero(draws[:, 0] < self.flip)
        jitters = np.flatnonzero(draws[:, 1] < self.jitter)
        tables = self._make_tables(draws[jitters, 2:])
        for index, table in zip(jitters, tables, strict=True):
            cv2.LUT(rgb[index], table, dst=rgb[index])
        for index in flips:
            for image in (rgb[index], depth[index]):
                cv2.flip(image, 1, dst=image)

    def _make_tables(self, draws: np.ndarray) -> np.ndarray:
        """What each value of each channel becomes, uint8 (batch, 1, 256, 3)."""
        gamma = _scale(draws[:, 0], self.gamma)[:, None]
        gain = _scale(draws[:, 1:2], self.brightness) * _scale(draws[:, 2:], self.colour)
        curves = np.linspace(0, 1, 256, dtype=np.float32) ** gamma
        tables = curves[:, :, None] * gain[:, None, :] * np.float32(255)
        return np.rint(np.minimum(tables, 255)).astype(np.uint8)[:, None]


def _scale(draws: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = np.float32(limits)
    return low + draws * (high - low)
