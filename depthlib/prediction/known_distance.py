"""A distance that was measured in a photo, which fixes the scale of its depth."""

from dataclasses import dataclass

import numpy as np

from depthlib.data.intrinsics import Intrinsics


@dataclass(frozen=True)
class KnownDistance:
    """A distance that was measured between what two pixels (column, row) show, metres."""

    first: tuple[float, float]
    second: tuple[float, float]
    metres: float

    @classmethod
    def parse(cls, text: str) -> "KnownDistance":
        """From "X1,Y1,X2,Y2=METRES". Errors: ValueError for other words."""
        pixels, equals, metres = text.partition("=")
        try:
            x1, y1, x2, y2 = (float(part) for part in pixels.split(","))
            known = cls((x1, y1), (x2, y2), float(metres))
        except ValueError:
            known = None
        if not equals or known is None or not 0 < known.metres < 1000:
            raise ValueError(
                "A known distance must be X1,Y1,X2,Y2=METRES, two pixels and the metres between "
                f"what they show. Received: {text!r}. Use 100,200,300,200=1.5, say."
            )
        return known

    def find_scale(self, depth_m: np.ndarray, camera: Intrinsics) -> float:
        """What depth float32 (height, width) is multiplied by, so that the distance is right.

        Errors: ValueError for pixels outside of the photo, without depth, or less than one apart.
        """
        ends = [self._find_point(*pixel, depth_m, camera) for pixel in (self.first, self.second)]
        apart = float(np.linalg.norm(np.subtract(self.first, self.second)))
        if apart < 1:  # shares of the width, say, which would make a scale of nothing
            raise ValueError(
                "A known distance must be between two places, a pixel apart at least. Received: "
                f"{self.first} and {self.second}. Count pixels from the photo's upper left corner."
            )
        return self.metres / float(np.linalg.norm(ends[0] - ends[1]))

    def _find_point(
        self, column: float, row: float, depth_m: np.ndarray, camera: Intrinsics
    ) -> np.ndarray:
        height, width = depth_m.shape
        if not (0 <= column < width and 0 <= row < height):
            raise ValueError(
                f"A known distance must be between pixels of the photo, {width} wide and {height} "
                f"high. Received: {column:g},{row:g}."
            )
        around = depth_m[max(0, int(row) - 1) :, max(0, int(column) - 1) :][:3, :3]
        if not (around > 0).any():
            raise ValueError(
                "A known distance must be between pixels that have depth. Received: "
                f"{column:g},{row:g}, which is sky or too far to tell."
            )
        depth = float(np.median(around[around > 0]))
        return depth * np.array(
            [(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy, 1.0]
        )
