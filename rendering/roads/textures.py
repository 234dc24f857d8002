"""Surfaces of the road and what stands along it: sRGB images in [0, 1], most without a seam."""

import cv2
import numpy as np

from rendering.textures import SIZE, noise, pick_color, speckle, tint

LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVZ"))
NAMES = "aeiou", "bdfgklmnprstvz"


def asphalt(rng, grey):
    """A lane of asphalt, across by along: grain, blotches, wheel tracks, seams and cracks."""
    across = np.arange(512)[:, None] / 512
    tracks = sum(np.exp(-(((across - place) / 0.09) ** 2)) for place in (0.24, 0.76))
    shade = 0.08 * noise(rng, 0.1, size=512) + 0.06 * noise(rng, 1.3, (1, 0.35), 512)
    shade += rng.uniform(-0.12, 0.08) * tracks
    shade -= rng.uniform(0, 0.07) * np.exp(-(((across - 0.5) / 0.1) ** 2))  # drops of oil
    image = tint(np.full(3, grey) * rng.uniform(0.97, 1.03, 3), shade).astype(np.float32)
    for _ in range(rng.integers(0, 3)):  # cracks filled with tar
        start = rng.integers(0, 512, 2)
        steps = rng.normal((rng.normal(0, 3), 0), (3, 5), (rng.integers(10, 60), 2))
        line = np.int32(start + np.cumsum(steps, 0))
        cv2.polylines(image, [line], False, (0.2, 0.2, 0.21), int(rng.integers(1, 3)))
    if rng.random() < 0.3:  # a patch
        (x, y), (width, height) = rng.integers(0, 300, 2), rng.integers(80, 200, 2)
        image[y : y + height, x : x + width] *= rng.uniform(0.75, 1.15)
    return image.clip(0.02, 0.95)


def worn(rng, color, ground, wear):
    """Road paint of which `wear`, from 0 to 1, has gone and shows the ground."""
    field = 0.6 * noise(rng, 0.5) + 0.8 * noise(rng, 1.4)
    share = 1 / (1 + np.exp(-5 * (field + 2.2 - 3.0 * wear)))[..., None]
    paint = tint(color, 0.05 * noise(rng, 0.8) - 0.25 * wear)
    return share * paint + (1 - share) * np.asarray(ground)


def grass(rng, color, straw):
    """Grass in patches of green and of straw."""
    share = 1 / (1 + np.exp(-2 * (noise(rng, 1.1) - 0.5)))[..., None]
    return tint(np.asarray(color), 0.25 * noise(rng, 0.35)) * (1 - share) + share * tint(
        np.asarray(straw), 0.2 * noise(rng, 0.3)
    )


def land(rng, green, straw):
    """Country from afar, two metres a pixel: fields, hedges and woods."""
    seeds = rng.uniform(0, SIZE, (70, 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    y, x = y + 3 * noise(rng, 1.5), x + 3 * noise(rng, 1.5)
    apart = np.stack([np.abs(y[..., None] - seeds[:, 0]), np.abs(x[..., None] - seeds[:, 1])])
    apart = np.minimum(apart, SIZE - apart)  # the texture goes on at its other side
    order = np.hypot(*apart)
    first = order.argmin(2)
    nearest, second = np.partition(order, 1, axis=2)[..., :2].transpose(2, 0, 1)
    shares = rng.random((len(seeds), 1)) ** 1.5
    colors = (1 - shares) * green + shares * np.asarray(straw)
    colors = colors * rng.uniform(0.75, 1.2, (len(seeds), 1))
    image = colors[first] * (1 + 0.07 * noise(rng, 0.5)[..., None])
    woods = (noise(rng, 1.5) > 0.7) | (second - nearest < 1.2)
    dark = np.asarray(green) * (0.5 + 0.12 * noise(rng, 0.2)[..., None])
    return np.where(woods[..., None], dark, image).clip(0.02, 0.95)


def facade(rng, wall, storeys=3, columns=5):
    """A wall with rows of windows, fitted to the face of a house."""
    image = tint(np.asarray(wall), 0.03 * noise(rng, 1.0)).astype(np.float32)
    frame, pane = rng.uniform(0.4, 0.9), pick_color(rng, (0.5, 0.65), (0.1, 0.4), (0.1, 0.35))
    for row in range(storeys):
        for column in range(columns):
            x, y = (column + 0.5) * SIZE / columns, (row + 0.45) * SIZE / storeys
            half = 0.24 * SIZE / columns, 0.27 * SIZE / storeys
            low, high = (int(x - half[0]), int(y - half[1])), (int(x + half[0]), int(y + half[1]))
            shade = pane * rng.uniform(0.6, 1.6)
            cv2.rectangle(image, low, high, shade.tolist(), -1)
            cv2.rectangle(image, low, high, [frame] * 3, 2)
    return image.clip(0.02, 0.95)


def board(rng, color):
    """A sign over the road: made-up towns, an arrow, a border. White on `color`."""
    image = np.full((SIZE // 2, SIZE, 3), color, np.float32)
    white = (0.92, 0.92, 0.92)
    cv2.rectangle(image, (5, 5), (SIZE - 6, SIZE // 2 - 6), white, 2)
    for row in range(rng.integers(1, 3)):
        text, place = make_name(rng), (56, 52 + 44 * row)
        write_on(image, text, place, 1.1, white, 3)
    way = (30, 100), (30 + int(rng.integers(-12, 13)), 28)
    cv2.arrowedLine(image, *way, white, 6, cv2.LINE_AA, tipLength=0.35)
    return image


def write_on(image, text, place, size, ink, thick):
    """Writes `text` in the colour `ink` with its lower left corner on `place` (x, y)."""
    mask = np.zeros(image.shape[:2], np.uint8)  # OpenCV writes on 8 bits only
    cv2.putText(mask, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA)
    share = mask[..., None] / np.float32(255)
    image[:] = image * (1 - share) + share * np.asarray(ink)


def make_name(rng):
    """A name of a place that is nowhere."""
    sounds = [NAMES[(i + 1) % 2][rng.integers(len(NAMES[(i + 1) % 2]))] for i in range(5)]
    return "".join(sounds[: rng.integers(4, 6)]).capitalize()


def roundel(rng):
    """A round sign: a limit, or no overtaking."""
    image = np.full((128, 128, 3), 0.92, np.float32)
    cv2.circle(image, (64, 64), 56, (0.75, 0.05, 0.06), 14, cv2.LINE_AA)
    text = str(rng.choice([40, 50, 60, 70, 80, 90]))
    write_on(image, text, (24, 82), 1.9, (0.05,) * 3, 7)
    return image


def warning(rng):
    """A warning triangle's face: red about white, with something dark in the middle."""
    image = np.full((128, 128, 3), (0.75, 0.05, 0.06), np.float32)
    inside = np.int32([[[64, 30], [26, 88], [102, 88]]])
    cv2.fillPoly(image, inside, (0.92, 0.92, 0.9))
    cv2.line(image, (64, 52), (64 + int(rng.integers(-8, 9)), 80), (0.05,) * 3, 8)
    return image


def trailer_doors(rng, color):
    """The back of a lorry: two doors with hinges and bars, a plate, a band of red and white."""
    image = tint(np.asarray(color), 0.04 * noise(rng, 1.2)).astype(np.float32)
    dark = (np.asarray(color) * 0.45).tolist()
    cv2.line(image, (128, 0), (128, 255), dark, 3)
    for x in (70, 105, 151, 186):
        cv2.line(image, (x, 0), (x, 255), (np.asarray(color) * 0.75).tolist(), 3)
    cv2.rectangle(image, (0, 0), (255, 255), dark, 7)
    for x in range(0, 256, 32):
        cv2.rectangle(image, (x, 246), (x + 15, 255), (0.75, 0.1, 0.08), -1)
    if rng.random() < 0.6:
        text = "".join(rng.choice(LETTERS, rng.integers(3, 6)))
        ink = pick_color(rng, (0, 1), (0.3, 0.9), (0.2, 0.7)).tolist()
        write_on(image, text, (40, 110), 1.6, ink, 6)
    return image.clip(0.02, 0.95)


def tarpaulin(rng, color):
    """The side of a lorry: folds, straps and mostly a name."""
    folds = 0.05 * np.sin(np.arange(SIZE) * 2 * np.pi * 12 / SIZE)[None] + 0.03 * noise(rng, 1.3)
    image = tint(np.asarray(color), folds).astype(np.float32)
    if rng.random() < 0.7:
        text = "".join(rng.choice(LETTERS, rng.integers(4, 8)))
        ink = pick_color(rng, (0, 1), (0.0, 0.9), (0.1, 0.9)).tolist()
        write_on(image, text, (20, 160), 1.9, ink, 7)
    return image.clip(0.02, 0.95)


def concrete(rng, grey, streaks=0.1):
    """Concrete that rain has streaked downwards."""
    shade = 0.05 * noise(rng, 0.9) + streaks * 0.6 * noise(rng, 1.1, (6, 1))
    return tint(np.full(3, grey) * (1, 0.985, 0.95), shade)


def bark(rng):
    """Brown or grey bark."""
    brown = pick_color(rng, (0.05, 0.11), (0.1, 0.45), (0.2, 0.4))
    return speckle(rng, brown, brown * 0.6)
