"""RoboDepth's eighteen corruptions of a photo, five severities each: to test with, not to train on.

The list and its order are RoboDepth's (arXiv 2310.15171), the levels those of its table of
configurations (docs/CREATE.md of ldkong1205/RoboDepth), which are ImageNet-C's (arXiv 1903.12261)
but for `dark`, `color_quant`, `iso_noise` and `elastic_transform`. The code is our own and differs
in three ways: `frost` draws its ice instead of overlaying photographs of it, `glass_blur` swaps
pixels in parallel instead of one after the other, and values are rounded instead of cut to uint8.
Lengths are in pixels of the photo that comes in, as in the benchmark, so a photo is to be corrupted
at its dataset's size, before it is resized for a network. Depth stays as it is, also where
`zoom_blur`, `elastic_transform` and `glass_blur` move the picture by some pixels.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from depthlib.data.images import check_rgb, crop_border, read_rgb
from depthlib.plotting import save_figure, show_views

NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation of Gaussian noise, of white
PHOTONS = (60, 25, 12, 5, 3)  # that white stands for
COLUMNS = 6  # of the figure
ICE = np.float32([0.86, 0.95, 1.0])  # RGB


def corrupt(rgb: np.ndarray, name: str, severity: int, seed: int | Sequence[int]) -> np.ndarray:
    """The photo uint8 RGB (height, width, 3) with the corruption `name` at `severity` 1 to 5.

    The seed decides what is random, in all severities alike. Errors: ValueError for another name,
    another severity or an array that is no photo.
    """
    check_rgb(rgb)
    if name not in CORRUPTIONS:
        raise ValueError(f"`name` must be one of {', '.join(CORRUPTIONS)}. Received: name={name!r}")
    if severity not in (1, 2, 3, 4, 5):
        raise ValueError(f"`severity` must be 1, 2, 3, 4 or 5. Received: severity={severity!r}.")
    function, levels = _TABLE[name]
    image = rgb.astype(np.float32) / np.float32(255)
    return _to_bytes(function(image, levels[severity - 1], np.random.default_rng(seed)))


# Each takes RGB float32 (height, width, 3) from 0 to 1, its level and a random generator, and gives
# such an image, which may leave the range and may be the one that it was given.


def _brighten(image, added, rng):
    """Adds to the value of HSV; hue and saturation stay."""
    value = image.max(axis=2, keepdims=True)
    brighter = np.minimum(value + np.float32(added), 1)
    # Black has no hue: it turns grey.
    return np.where(value > 0, image * (brighter / np.maximum(value, 1e-6)), brighter)


def _darken(image, level, rng):
    """Less light through a gamma of 2, with the noise of a tenth of `shot` and `gaussian_noise`."""
    scale, photons, noise = level
    low, high = image.min(), image.max()
    stretched = (image - low) / max(high - low, 1 / 255)
    dim = np.square(stretched) * np.float32(scale)
    return _add_noise(_count_photons(dim, 10 * photons, rng), 0.1 * noise, rng)


def _add_fog(image, level, rng):
    """Clouds of no depth: a fractal that knows nothing of the scene."""
    thickness, decay = level
    clouds = _make_plasma(image.shape, decay, rng)[..., None]
    return (image + thickness * clouds) * (image.max() / (image.max() + thickness))


def _add_frost(image, level, rng):
    share, amount = level
    return share * image + amount * _make_ice(image.shape, rng)


def _add_snow(image, level, rng):
    mean, deviation, zoom, threshold, reach, spread, share = level
    flakes = rng.normal(mean, deviation, image.shape[:2]).astype(np.float32)
    flakes = np.clip(_zoom(flakes, zoom), 0, 1)
    flakes[flakes < threshold] = 0
    flakes = _blur_along(flakes, reach, spread, rng.uniform(-135, -45))[..., None]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    whiter = share * image + (1 - share) * np.maximum(image, 1.5 * grey + 0.5)
    return whiter + flakes + flakes[::-1, ::-1]


def _lower_contrast(image, share, rng):
    mean = image.mean(axis=(0, 1), keepdims=True)
    return mean + (image - mean) * np.float32(share)


def _defocus(image, level, rng):
    return cv2.filter2D(image, -1, _make_disk(*level))


def _blur_through_glass(image, level, rng):
    """Blurs, swaps each pixel with one at most `reach` away, `times` over, and blurs again."""
    sigma, reach, times = level
    height, width = image.shape[:2]
    order = np.arange(height * width).reshape(height, width)
    step = 2 * reach
    # Pixels that lie a step apart swap with partners that no other of them can reach: all at once.
    for row, column in np.tile([divmod(n, step) for n in range(step * step)][::-1], (times, 1)):
        rows = np.arange(reach + row, height - reach, step)[:, None]
        columns = np.arange(reach + column, width - reach, step)
        moves = rng.integers(-reach, reach, (2, len(rows), len(columns)))
        there = rows + moves[0], columns + moves[1]
        order[rows, columns], order[there] = order[there], order[rows, columns]
    blurred = cv2.GaussianBlur(image, (0, 0), sigma)
    shuffled = blurred.reshape(-1, 3)[order]
    return cv2.GaussianBlur(shuffled, (0, 0), sigma)


def _blur_by_motion(image, level, rng):
    return _blur_along(image, *level, rng.uniform(-45, 45))


def _blur_by_zoom(image, level, rng):
    """The mean of the photo and of its centre enlarged in steps."""
    factors = np.arange(1, *level)
    return (image + sum(_zoom(image, factor) for factor in factors)) / (len(factors) + 1)


def _bend(image, level, rng):
    """Moves each pixel by a smooth random field: noise of 0.5 % of the height, blurred by 1 %."""
    height, width = image.shape[:2]
    field = rng.uniform(-1, 1, (height, width, 2)).astype(np.float32) * np.float32(0.005 * height)
    field = cv2.GaussianBlur(field, (0, 0), 0.01 * width, sigmaY=0.01 * height)
    rows, columns = np.mgrid[:height, :width]
    places = np.dstack([columns, rows]).astype(np.float32) + field * np.float32(250 * level)
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _quantise(image, bits, rng):
    return (_to_bytes(image) >> (8 - bits) << (8 - bits)).astype(np.float32) / 255


def _add_noise(image, deviation, rng):
    noise = rng.standard_normal(image.shape, np.float32)
    return np.clip(image + noise * np.float32(deviation), 0, 1)


def _add_impulses(image, share, rng):
    """A share of all values becomes 0 or 1, each as often."""
    chance = rng.random(image.shape, np.float32)
    spoilt = np.where(chance < share / 2, np.float32(0), image)
    return np.where(chance > 1 - share / 2, np.float32(1), spoilt)


def _count_photons(image, photons, rng):
    return np.clip(rng.poisson(image * photons) / np.float32(photons), 0, 1).astype(np.float32)


def _raise_iso(image, noise, rng):
    """25 photons for white, then Gaussian noise."""
    return _add_noise(_count_photons(image, 25, rng), 0.7 * noise, rng)


def _pixelate(image, share, rng):
    height, width = image.shape[:2]
    size = max(int(width * share), 1), max(int(height * share), 1)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def _compress(image, quality, rng):
    bgr = cv2.cvtColor(_to_bytes(image), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB).astype(np.float32) / 255


def _to_bytes(image):
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _zoom(image, factor):
    """The centre of an image (height, width, ...), enlarged to the image's size."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, factor)
    return cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _blur_along(image, reach, sigma, degrees):
    """Smears along a line, one way: weights fall as a Gaussian over 2 * reach + 1 pixels."""
    steps = np.arange(2 * reach + 1)
    angle = np.radians(degrees)
    rows, columns = (np.rint(steps * part).astype(int) for part in (np.sin(angle), np.cos(angle)))
    top, left = int(rows.min()), int(columns.min())
    kernel = np.zeros((np.ptp(rows) + 1, np.ptp(columns) + 1), np.float32)
    np.add.at(kernel, (rows - top, columns - left), np.exp(-np.square(steps / sigma) / 2))
    kernel /= kernel.sum()
    return cv2.filter2D(image, -1, kernel, anchor=(-left, -top), borderType=cv2.BORDER_REPLICATE)


@cache
def _make_disk(radius, alias):
    """The kernel of a lens out of focus, its rim softened."""
    size = max(radius, 8)
    steps = np.arange(-size, size + 1)
    disk = (np.hypot(*np.meshgrid(steps, steps)) <= radius).astype(np.float32)
    side = 3 if radius <= 8 else 5
    soft = cv2.GaussianBlur(disk, (side, side), alias)
    return soft / soft.sum()  # only now: the blur mirrors a rim that touches the kernel's edge


def _make_plasma(shape, decay, rng):
    """A fractal from 0 to 1 (height, width): diamond-square on a torus, as ImageNet-C's fog."""
    field, amplitude = np.zeros((1, 1), np.float32), np.float32(1)
    while len(field) < max(shape[:2]):
        size = len(field)
        noise = (rng.random((3, size, size), np.float32) * 2 - 1) * amplitude
        right, below = np.roll(field, -1, 1), np.roll(field, -1, 0)
        centres = (field + right + below + np.roll(right, -1, 0)) / 4 + noise[0]
        finer = np.empty((2 * size, 2 * size), np.float32)
        finer[::2, ::2], finer[1::2, 1::2] = field, centres
        finer[::2, 1::2] = (field + right + centres + np.roll(centres, 1, 0)) / 4 + noise[1]
        finer[1::2, ::2] = (field + below + centres + np.roll(centres, 1, 1)) / 4 + noise[2]
        # The benchmark draws from +-wibble and multiplies by wibble, so its decay counts twice.
        field, amplitude = finer, amplitude / np.float32(decay**2)
    field = (field - field.min()) / np.ptp(field)
    return field[: shape[0], : shape[1]]


def _make_ice(shape, rng):
    """Frost on a pane, RGB 0 to 1: a veil in patches, thickest at the rim, with needles in it."""
    height, width = shape[:2]
    veil = _make_plasma(shape, 1.4, rng)
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    rim = np.maximum(np.abs(rows), np.abs(columns)).astype(np.float32) ** 2
    cover = np.clip(2.2 * veil + 0.6 * rim - 0.8, 0, 1)
    reach = max(height // 24, 2)
    needles = np.zeros((height, width), np.float32)
    for degrees in rng.uniform(0, 360, 8):
        tips = (rng.random((height, width), np.float32) < cover / 200).astype(np.float32)
        needles = np.maximum(needles, _blur_along(tips, reach, reach, degrees))
    needles = cv2.GaussianBlur(needles / max(needles.max(), 1e-6), (0, 0), 0.7)
    return np.minimum(0.75 * cover + needles, 1)[..., None] * ICE


# Each corruption's function and its five levels.
_TABLE: dict[str, tuple[Callable, Sequence]] = {
    "brightness": (_brighten, (0.1, 0.2, 0.3, 0.4, 0.5)),
    "dark": (_darken, tuple(zip((0.6, 0.5, 0.4, 0.3, 0.2), PHOTONS, NOISE, strict=True))),
    "fog": (_add_fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    "frost": (_add_frost, ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))),
    "snow": (
        _add_snow,
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    ),
    "contrast": (_lower_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    "defocus_blur": (_defocus, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))),
    "glass_blur": (
        _blur_through_glass,
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    ),
    "motion_blur": (_blur_by_motion, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    "zoom_blur": (
        _blur_by_zoom,
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    ),
    "elastic_transform": (_bend, (0.05, 0.065, 0.085, 0.1, 0.12)),
    "color_quant": (_quantise, (5, 4, 3, 2, 1)),
    "gaussian_noise": (_add_noise, NOISE),
    "impulse_noise": (_add_impulses, (0.03, 0.06, 0.09, 0.17, 0.27)),
    "shot_noise": (_count_photons, PHOTONS),
    "iso_noise": (_raise_iso, NOISE),
    "pixelate": (_pixelate, (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": (_compress, (25, 18, 15, 10, 7)),
}
CORRUPTIONS = tuple(_TABLE)
# NYUDepth2-C has no weather: its rooms are indoors.
NYU_CORRUPTIONS = tuple(name for name in CORRUPTIONS if name not in ("fog", "frost", "snow"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws all corruptions of the middle of a photo, where their pixels can be seen."""
    parser = argparse.ArgumentParser("python -m experiments.corruptions", description=main.__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("figure", type=Path)
    parser.add_argument("--severity", type=int, default=3, choices=range(1, 6))
    given = parser.parse_args(arguments)
    photo, rows = read_rgb(given.photo), []
    for number, name in enumerate(CORRUPTIONS):
        rows += [{}] if number % COLUMNS == 0 else []
        corrupted = corrupt(photo, name, given.severity, seed=0)
        rows[-1][name.replace("_", " ")] = crop_border(corrupted, (0.2, 0.8, 0.2, 0.8))
    try:
        save_figure(show_views(rows), given.figure, dpi=110)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
