"""Photos before prediction: less of their light, more of what it falls on.

Each function takes a photo, uint8 RGB (height, width, 3), and gives one of that size and kind. They
take no settings; lengths are shares of the photo's diagonal, so that its size matters little.
"""

import cv2
import numpy as np

from depthlib.data.images import check_rgb
from depthlib.weather.scene import fit_guide

# Log-chromaticity is a plane: log R, G, B without their mean, along these two axes.
PLANE = np.array([[1, -1, 0], [1, 1, -2]], np.float32) / np.sqrt([[2], [6]], dtype=np.float32)
# From shade into sun colours move through that plane along one line. For Planckian light and bands
# at 610, 540 and 450 nm it lies at 69 degrees (Wien: log light changes as 1 / wavelength); in
# photos of three places with a moving shadow it lay at 58 to 69, in all but the deepest shade (81).
DAYLIGHT = 66  # degrees
# To either side, within a photo. Of 69 +- 18, 66 +- 15, 63 +- 12 and this, the photos of one place
# agreed best under this.
ENTROPY_REACH = 12
# To either side, at a border, whose surface's grain turns it; a truck's shadow on a motorway, in
# the light of a blue sky, has 48 to 58.
BORDER_REACH = 18
SAMPLES = 4000  # pixels that find that line within a photo
LEAST = 0.4  # a factor of 1.5: less contrast is not stretched to the whole range, for its noise
SURROUNDS = (15 / 640, 80 / 640, 250 / 640)  # Jobson's pixels, as shares of a diagonal of 640


def clahe(rgb: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the lightness, in 8 x 8 tiles.

    Source: Zuiderveld, Graphics Gems IV (1994), 474-485, as OpenCV has it, with the clip limit 2.
    Lab's colours a and b stay. What is dark because shade lies on it stays darker than the rest.
    """
    check_rgb(rgb)
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def retinex(rgb: np.ndarray) -> np.ndarray:
    """Multi-scale Retinex of the intensity, with each pixel's proportions of red, green and blue.

    Source: Jobson, Rahman and Woodell, IEEE TIP 6(7) 1997: the mean over three scales of
    log I - log (Gaussian * I). On each channel, as they have it, wide surfaces lose their colour,
    so it is of the intensity alone, stretched from its 1st to its 99th percentile, after Petro,
    Sbert and Morel, IPOL 4 (2014), algorithm 2. It evens out wide light; a shadow's border stays.
    """
    check_rgb(rgb)
    light = rgb.astype(np.float32) + 1
    intensity = light.mean(axis=2)
    diagonal = np.hypot(*intensity.shape)
    surrounds = [np.log(_blur(intensity, share * diagonal)) for share in SURROUNDS]
    gain = _stretch(np.log(intensity) - np.mean(surrounds, axis=0)) / intensity
    # Where a channel would pass white the whole pixel gives way, or its colour would change.
    gain = np.minimum(gain, 255 / light.max(axis=2))
    return np.rint(light * gain[..., None]).astype(np.uint8)


def invariant(rgb: np.ndarray) -> np.ndarray:
    """The photo's colours without its light: a surface looks alike in sun and in shade.

    Of the directions that daylight may move log-chromaticities in, the one whose removal leaves
    the least entropy is removed. What is left is a number a pixel, green bright and red dark, here
    as grey over the whole range and so thrice. The alternative, L1-chromaticity, spans a few grey
    levels: FastDepth, which has seen neither, errs by an AbsRel of 0.32 on the grey one and 0.37
    on that (NYU, scaled by the median; 0.14 on photos). Shading is lost, and with it white marks on
    grey and red ones on yellow; under lamps of one colour noise is all that is left.

    Source: Finlayson, Drew and Lu, ECCV 2004 and IJCV 85 (2009): geometric-mean chromaticity, the
    middle 90 % of the values, Scott's bin width. Theirs are all 180 degrees and a bin width for
    each; that found other directions than the known one in most photos of a single ground, where
    one width for all angles found it.
    """
    check_rgb(rgb)
    plane = np.log(rgb.astype(np.float32) + 1) @ PLANE.T
    left = plane @ _find_surface_axis(plane.reshape(-1, 2), rgb.reshape(-1, 3))
    return np.repeat(np.rint(_stretch(left)).astype(np.uint8)[..., None], 3, axis=2)


def lift_shadows(rgb: np.ndarray) -> np.ndarray:
    """The photo with the light in its cast shadows raised to that beside them.

    Dark regions are those of Murali and Govindan, Cybernetics and Information Technologies 13(1)
    2013, in Lab. Theirs are all shadows; here the border has to say so: where light rises across
    it, in the direction of daylight, it votes for the ratio by which it rises. Around the votes,
    where they outweigh other borders, the region is multiplied by their mean. Nothing is painted
    in, so texture stays; the region's edge follows the photo's (guided filter, He et al. 2010).

    Bright marks in a shadow are no part of a dark region and stay dim; what is dark and bluish on
    the road may be raised; a shadow among trees or on a dark photo may stay.
    """
    check_rgb(rgb)
    reach = max(1, round(np.hypot(*rgb.shape[:2]) / 100))
    dark = _find_dark(rgb, reach)
    logs = np.log(rgb.astype(np.float32) + 1)
    rise, border = _rise_across(logs, dark, reach)
    votes = border & _is_daylight(rise)
    spread = 12 * reach
    weight = _blur(votes.astype(np.float32), spread)
    share = weight / (_blur(border.astype(np.float32), spread) + 1e-6)
    mean = [_blur(channel * votes, spread) / (weight + 1e-6) for channel in cv2.split(rise)]
    trust = np.clip((share - 0.25) / 0.2, 0, 1) * _soften(dark, logs.mean(axis=2), 2 * reach)
    lifted = rgb * np.exp(np.dstack(mean) * trust[..., None])
    return np.rint(np.minimum(lifted, 255)).astype(np.uint8)


METHODS = {"clahe": clahe, "retinex": retinex, "invariant": invariant, "lift_shadows": lift_shadows}


def _find_surface_axis(plane: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """The unit vector (2,) across daylight's line, for log-chromaticities (pixels, 2)."""
    # A channel that is nearly black or cut off at white says nothing of the surface's colour.
    usable = np.flatnonzero((rgb.min(axis=1) > 10) & (rgb.max(axis=1) < 250))
    if usable.size < 100:
        usable = np.arange(len(rgb))
    usable = usable[:: max(1, usable.size // SAMPLES)]
    angles = np.deg2rad(DAYLIGHT + np.arange(-ENTROPY_REACH, ENTROPY_REACH + 1))
    across = np.stack([-np.sin(angles), np.cos(angles)]).astype(np.float32)
    values = np.sort(plane[usable] @ across, axis=0).T
    cut = round(0.05 * usable.size)
    values = values[:, cut : usable.size - cut]
    width = np.mean(3.5 * values.std(axis=1) / values.shape[1] ** (1 / 3)) + 1e-4
    return across[:, np.argmin([_entropy(line, width) for line in values])]


def _entropy(values: np.ndarray, width: float) -> float:
    """Of a histogram of sorted values in bins of `width`, in bits."""
    shares = np.bincount(((values - values[0]) / width).astype(int)) / len(values)
    return -np.sum(shares[shares > 0] * np.log2(shares[shares > 0]))


def _is_daylight(rise: np.ndarray) -> np.ndarray:
    """Where a step of log RGB (height, width, 3) is one from shade into sun, bool."""
    first, second = np.moveaxis(rise @ PLANE.T, 2, 0)
    coloured = np.abs(np.rad2deg(np.arctan2(second, first)) - DAYLIGHT) <= BORDER_REACH
    # A rise of less than a tenth is texture. One of more than fivefold, or in which the blue that
    # a sky leaves hardly takes part, is another surface.
    low, high = rise.min(axis=2), rise.max(axis=2)
    return coloured & (rise.mean(axis=2) > 0.1) & (high < 1.6) & (low > high / 5)


def _find_dark(rgb: np.ndarray, reach: int) -> np.ndarray:
    """Murali and Govindan's shadow pixels, without specks of `reach` pixels; uint8 0 or 1."""
    light, a, b = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))
    dark = light <= light.mean() - light.std() / 3
    if a.mean() + b.mean() > 256:  # OpenCV's zero is 128: a photo that is warm as a whole
        dark &= b <= b.mean() - b.std() / 3
    dark = cv2.medianBlur(dark.astype(np.uint8), 2 * reach + 1)
    dark = cv2.morphologyEx(dark, cv2.MORPH_OPEN, _disc(reach))
    return cv2.morphologyEx(dark, cv2.MORPH_CLOSE, _disc(reach))


def _rise_across(logs: np.ndarray, dark: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """How much more log RGB is just outside a dark region than just inside, and where it is known.

    Means of bands 2 `reach` wide, which leave out the penumbra; known on the region's last pixels.
    """
    gap, band = _disc(reach), _disc(2 * reach)
    inside, outside = cv2.erode(dark, gap), cv2.dilate(dark, gap)
    inner, inner_weight = _mean_near(logs, inside - cv2.erode(inside, band), reach)
    outer, outer_weight = _mean_near(logs, cv2.dilate(outside, band) - outside, reach)
    border = (dark > cv2.erode(dark, _disc(1))) & (np.minimum(inner_weight, outer_weight) > 0.05)
    return outer - inner, border


def _mean_near(logs: np.ndarray, band: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the band's pixels within 3 `reach`, and what share of all pixels there they are."""
    size, band = (6 * reach + 1,) * 2, band.astype(np.float32)
    weight = cv2.blur(band, size, borderType=cv2.BORDER_CONSTANT)
    total = cv2.blur(logs * band[..., None], size, borderType=cv2.BORDER_CONSTANT)
    return total / np.maximum(weight, 1e-6)[..., None], weight


def _soften(mask: np.ndarray, guide: np.ndarray, radius: int) -> np.ndarray:
    """A mask of 0 and 1 with the edges that `guide` has within `radius`; float32 0 to 1."""
    mask = mask.astype(np.float32)
    slope, shift = fit_guide(guide, mask, 2 * radius + 1, noise=0.005)
    return np.clip(slope * guide + shift, 0, 1) * cv2.dilate(mask, _disc(radius))


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian mean; a wide one of a smaller image, where it costs next to nothing."""
    height, width = image.shape
    step = max(1, int(sigma / 4))
    size = -(-width // step), -(-height // step)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _stretch(logs: np.ndarray) -> np.ndarray:
    """Logarithms so that their 1st to 99th percentile, or LEAST where that is less, span 0..255."""
    low, high = np.percentile(logs, [1, 99])
    share = (logs - (low + high) / 2) / max(high - low, LEAST)
    return np.clip(127.5 + 255 * share, 0, 255)
