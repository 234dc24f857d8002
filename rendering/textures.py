"""Surfaces painted with NumPy from a seed: sRGB images in [0, 1], most tile without a seam."""

import colorsys

import cv2
import numpy as np

SIZE = 256


def pick_color(rng, hue=None, saturation=(0.1, 0.7), value=(0.3, 0.9)):
    """An sRGB colour (3,) from ranges of hue, saturation, value; without `hue` as rooms have."""
    if hue is None:
        hue = ((0.0, 0.13), (0.05, 0.12), (0.52, 0.66), (0.2, 0.42), (0, 1))[
            rng.choice(5, p=(0.3, 0.3, 0.2, 0.1, 0.1))
        ]
    channels = rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(channels[0] % 1, *channels[1:]))


def noise(rng, slope=1.0, stretch=(1, 1), size=SIZE):
    """Periodic noise (size, size), mean 0, deviation 1; a steep slope gives large blots."""
    frequency = np.hypot(
        np.fft.fftfreq(size)[:, None] * stretch[0], np.fft.rfftfreq(size)[None] * stretch[1]
    )
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) / frequency**slope)
    return field / field.std()


def tint(color, shade):
    """A colour image: `color` (3,) brightened or darkened by `shade` (height, width)."""
    return np.clip(np.asarray(color) * (1 + shade[..., None]), 0.02, 0.95)


def paint(rng, color, roughness=0.02):
    """Painted plaster."""
    return tint(color, roughness * (noise(rng, 1.4) + 0.5 * noise(rng, 0.2)))


def wood(rng, color, planks=0):
    """Grained wood along the texture's x; `planks` boards with seams for floors and panels."""
    grain = noise(rng, 1.2, (1, 14))
    rings = np.sin(7 * noise(rng, 1.8, (1, 7)) + np.arange(SIZE)[:, None] * 2 * np.pi * 4 / SIZE)
    shade = 0.10 * grain + 0.09 * rings
    if planks:
        board = np.arange(SIZE) * planks // SIZE
        shade = shade + rng.normal(0, 0.11, planks)[board][:, None]
        for row in range(planks):
            top = row * SIZE // planks
            shade[top : top + 2] -= 0.35
            shade[np.ix_(board == row, (rng.integers(SIZE) + np.arange(2)) % SIZE)] -= 0.35
    return tint(color, shade)


def tiles(rng, color, count=4, grout=0.75, bricks=False):
    """Square tiles, or bricks in running bond, with joints in another tone."""
    rows = count * 2 if bricks else count
    y, x = np.mgrid[:SIZE, :SIZE] * 1.0
    row = (y * rows // SIZE).astype(int)
    x = (x + row % 2 * SIZE / count / 2 * bricks) % SIZE
    column = (x * count // SIZE).astype(int)
    shade = rng.normal(0, 0.12 if bricks else 0.05, (rows, count))[row, column]
    shade = shade + 0.05 * noise(rng, 1.0)
    gap = np.minimum((y * rows / SIZE) % 1 * SIZE / rows, (x * count / SIZE) % 1 * SIZE / count)
    image = tint(color, shade)
    image[gap < (4 if bricks else 3)] = np.clip(grout + 0.03 * rng.standard_normal(3), 0.05, 0.9)
    return image


def stripes(rng, color, other, count=8, plaid=False):
    """Stripes of two colours, or a plaid, with a woven roughness."""
    profile = np.sin(np.arange(SIZE) * 2 * np.pi * count / SIZE) > rng.uniform(-0.6, 0.6)
    share = np.broadcast_to(profile[None] * 1.0, (SIZE, SIZE))
    if plaid:
        share = (share + profile[:, None]) / 2
    image = share[..., None] * color + (1 - share[..., None]) * other
    return np.clip(image * (1 + 0.05 * noise(rng, 0.1))[..., None], 0.02, 0.95)


def carpet(rng, color, other=None):
    """Carpet pile or coarse cloth, blotched with a second colour."""
    image = tint(color, 0.10 * noise(rng, 0.3) + 0.05 * noise(rng, 1.2))
    if other is not None:
        image[noise(rng, 1.6) > 0.9] = other
    return image


def speckle(rng, color, other):
    """Granite, terrazzo or marble."""
    share = 1 / (1 + np.exp(-4 * (noise(rng, rng.uniform(0.5, 1.6)) - 0.8)))[..., None]
    return np.clip(color * (1 - share) + other * share, 0.02, 0.95)


def picture(rng):
    """An abstract print or poster: a ground with blocks, discs and strokes."""
    ground, sky = pick_color(rng, value=(0.2, 0.95)), pick_color(rng, value=(0.3, 0.95))
    fade = np.linspace(0, 1, SIZE)[:, None, None]
    image = np.ascontiguousarray(np.broadcast_to(ground * fade + sky * (1 - fade), (SIZE, SIZE, 3)))
    for _ in range(rng.integers(3, 14)):
        color = pick_color(rng, saturation=(0.1, 0.9), value=(0.1, 0.95)).tolist()
        start, end = rng.integers(0, SIZE, (2, 2)).tolist()
        kind = rng.integers(3)
        if kind == 0:
            cv2.rectangle(image, start, end, color, -1)
        elif kind == 1:
            cv2.circle(image, start, int(rng.integers(8, 60)), color, -1)
        else:
            cv2.line(image, start, end, color, int(rng.integers(2, 14)))
    if rng.random() < 0.6:
        cv2.rectangle(image, (0, 0), (SIZE, SIZE), (0.9, 0.9, 0.87), int(rng.integers(20, 60)))
    return image


def screen(rng):
    """What a monitor shows: windows with lines of text."""
    image = np.full((SIZE, SIZE, 3), pick_color(rng, value=(0.2, 0.8)))
    for _ in range(rng.integers(1, 4)):
        (x, y), (width, height) = rng.integers(0, 120, 2), rng.integers(60, 140, 2)
        image[y : y + height, x : x + width] = rng.choice([0.1, 0.92, 0.85])
        for line in range(y + 8, min(y + height, SIZE) - 6, 8):
            image[line : line + 3, x + 6 : x + 6 + rng.integers(8, width - 8)] = rng.random(3)
    return image


def outdoors(rng):
    """The view from a window: sky, roofs or trees, and ground."""
    sky = pick_color(rng, (0.52, 0.62), (0.02, 0.25), (0.9, 0.95))
    image = np.full((SIZE, SIZE, 3), sky)
    horizon = (SIZE * rng.uniform(0.45, 0.75) + 12 * noise(rng, 1.3)[0]).astype(int)
    below = np.arange(SIZE)[:, None] > horizon[None]
    leaves = pick_color(rng, (0.2, 0.4), (0.1, 0.5), (0.35, 0.7))
    image[below] = tint(leaves, 0.2 * noise(rng, 0.8))[below]
    return image


def window_panes(columns=2, rows=3, bars=0.12):
    """A grid of light squares on black: the patch that sun draws through a window."""
    y, x = np.mgrid[:96, :64] / np.array([96, 64]).reshape(2, 1, 1)
    light = ((x * columns) % 1 > bars) & ((y * rows) % 1 > bars)
    return cv2.GaussianBlur(light.astype(np.float32), (0, 0), 0.8)
