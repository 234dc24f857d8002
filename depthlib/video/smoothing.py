"""Depth that flickers less from frame to frame: averaged where the photo stands still."""

import math

import cv2
import numpy as np

SMOOTHING = 0.8  # of the past, where nothing changes: a change of depth has settled in 5 frames
CHANGE = 10.0  # % of light: after a change like this the past counts exp(-1) of what it would
JUMP = math.log(2)  # of ln depth, likewise: twice as far is another thing, not flicker
NOISE = 5  # pixels a side over which the change is averaged, so that a camera's noise is none
SEAM = 9  # pixels a side over which the past fades towards a change, so that it draws no edge
STILL = 4.0  # % of light: what changes less is still, and there flicker is measured
CUT = (
    0.6  # correlation of two thumbnails: below, the scene is another (a fast drive stays over .75)
)
THUMBNAIL = (32, 24)  # width and height
DARK = 32  # grey levels added to light, so that a dark pixel's noise is no change
# Light in per cent on a logarithmic scale: what moves in a shadow changes as it does in the sun.
_LIGHT = np.rint(100 * np.log1p(np.arange(256) / DARK)).astype(np.uint8)


class TemporalFilter:
    """Averages each pixel's ln depth over time, with the past held back where the photo changed.

    Call it on the frames in order. `smoothing` (0 to less than 1) is the share of the past where
    photo and depth stay the same; 0 gives depth back as it came. Nothing is followed by optical
    flow: that carries old distances along with what comes nearer, and costs accuracy on a drive.
    """

    def __init__(self, smoothing: float = SMOOTHING):
        if not 0 <= smoothing < 1:
            raise ValueError(
                "`smoothing` must be from 0 (off) to less than 1. Received: "
                f"smoothing={smoothing}. Use {SMOOTHING}."
            )
        self.smoothing = smoothing
        self._last: tuple[np.ndarray, ...] | None = (
            None  # light, ln depth as it came, ln depth as it went
        )
        self._flicker: list[list[float]] = []

    def __call__(self, photo: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """The filtered depth, float32 (height, width), of the next frame.

        photo uint8 RGB (height, width, 3) and depth above 0, in any unit, of one size.
        """
        light, new = cv2.LUT(photo, _LIGHT), cv2.log(depth)
        smooth = new
        if self._last and not _is_cut(light, self._last[0]):
            last_light, last_new, last_smooth = self._last
            change = cv2.cvtColor(cv2.absdiff(light, last_light), cv2.COLOR_RGB2GRAY)
            change = cv2.blur(change, (NOISE, NOISE)).astype(np.float32)
            if self.smoothing:
                step = last_smooth - new
                share = np.exp(-((change / CHANGE) ** 2) - (step / JUMP) ** 2)
                share = np.minimum(share, cv2.blur(share, (SEAM, SEAM)))
                smooth = new + self.smoothing * share * step
            still = (change < STILL).view(np.uint8)
            if still.any():
                pairs = (new, last_new), (smooth, last_smooth)
                self._flicker.append([cv2.mean(cv2.absdiff(*pair), still)[0] for pair in pairs])
        self._last = light, new, smooth
        return cv2.exp(smooth) if self.smoothing else depth

    @property
    def flicker(self) -> tuple[float, float]:
        """Mean |Δ ln depth| from frame to frame where the photo is still, before and after.

        NaN where no two frames had a part that stood still. Cuts do not count.
        """
        if not self._flicker:
            return math.nan, math.nan
        before, after = np.mean(self._flicker, axis=0)
        return float(before), float(after)


def _is_cut(light: np.ndarray, last_light: np.ndarray) -> bool:
    """Whether the video was cut between two frames: white walls stay white, but are others."""
    now, before = (
        cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA) for image in (light, last_light)
    )
    return np.asarray(cv2.matchTemplate(now, before, cv2.TM_CCOEFF_NORMED)).item() < CUT
