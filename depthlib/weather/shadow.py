"""Cast shadows."""

import math

import cv2
import numpy as np

from depthlib.weather.light import effect, to_light, to_photo
from depthlib.weather.scene import find_ground, read_scene, view_rays

REACH = 12.0  # metres to the middle of the ground on a road; casters shrink with a nearer one
SUN = 0.0093  # radians; the sun's diameter, so a penumbra's width over its distance (NASA)


@effect
def shadow(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Shadows of one to three things out of view: trucks, trees, poles and gantries, guard rails.

    A point is in shadow where the sun's ray through it meets the ground inside a caster's shadow,
    so shadows lie on the ground (see `find_ground`), bend over what stands on it, and end at the
    caster's height. Sizes are of a road whose ground's middle is 12 m away, scaled to the scene's.
    Without a ground they fall across the picture as on a wall. A penumbra grows with the distance
    from the caster, 9.3 mm a metre and up to three times that in haze. In linear light the shadow
    takes the sun's share and leaves the sky's, 20 to 40 % and bluish; strength is how much of it
    is taken. Sky stays as it is.
    """
    scene = read_scene(rgb, depth_m)
    right, ahead, height, pixel = _survey(scene.depth_m, find_ground(depth_m, rng))
    elevation = math.radians(rng.uniform(20, 50))
    heading = math.radians(rng.uniform(20, 160)) + math.pi * rng.integers(2)
    # Along the shadow and across it: where the sun's ray through each point meets the ground.
    along = math.sin(heading) * right + math.cos(heading) * ahead
    along += height * (1 / math.tan(elevation))
    across = math.cos(heading) * right - math.sin(heading) * ahead
    blur = SUN * rng.uniform(1, 3) / math.sin(elevation)
    lit = np.ones_like(height)
    for kind in rng.choice(len(_CASTERS), size=rng.integers(1, 4), p=_CHANCES):
        row, column = rng.uniform((0.6, 0.1), (0.95, 0.9)) * along.shape
        place = int(row), int(column)
        own = _CASTERS[kind](along - along[place], across - across[place], pixel, blur, rng)
        np.minimum(lit, own, out=lit)
    np.maximum(lit, scene.sky, out=lit)
    np.maximum(lit, np.minimum(height - rng.uniform(4, 8), 1), out=lit)
    left = rng.uniform(0.2, 0.4) * rng.uniform((0.8, 0.9, 1.1), (0.95, 1, 1.35))
    taken = (strength * (1 - left)).astype(np.float32)
    light = to_light(rgb)
    light *= cv2.merge([lit * share + (1 - share) for share in taken])
    return to_photo(light)


def _survey(
    depth_m: np.ndarray, ground: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Metres to the right, ahead, and above the ground of each pixel, and its own width there.

    Scaled so that the middle of the ground is `REACH` away. What is not clearly nearer than the
    ground lies on it.
    """
    x, y = view_rays(*depth_m.shape)
    step = float(x[0, 1] - x[0, 0])
    if ground is None:
        right, ahead = np.broadcast_arrays(x * REACH, (0.6 - y) * REACH)
        return right, ahead, np.zeros_like(depth_m), np.full_like(depth_m, step * REACH)
    size = np.linalg.norm(ground)
    down = ground / size
    forward = np.array([0, 0, 1], np.float32) - down[2] * down
    forward /= np.linalg.norm(forward)
    sideways = np.cross(down, forward)
    plane = ground[0] * x + ground[1] * y + ground[2]
    depth_m = np.where(plane * depth_m > 0.85, 1 / np.maximum(plane, 1e-6), depth_m)
    scale = REACH / np.median(depth_m[int(0.6 * len(depth_m)) :: 4, ::4])
    z = depth_m * scale

    def measure(axis: np.ndarray) -> np.ndarray:
        return z * (axis[0] * x + axis[1] * y + axis[2])

    camera = scale / size  # its height over the ground
    height = np.maximum(camera - measure(down), 0)
    # Seen at a slant a pixel covers more of the ground; half of that keeps edges crisp.
    pixel = z * step * np.clip(z * (0.5 / camera), 1, 4)
    return measure(sideways), measure(forward), height, pixel


def _soften(distance: np.ndarray, pixel: np.ndarray, blur: float) -> np.ndarray:
    """How much light is left, 0 to 1, at signed `distance` outside an edge; blur is a width."""
    return np.clip(0.5 + distance / (pixel + blur), 0, 1)


def _cast_bar(
    along: np.ndarray, across: np.ndarray, half: float, pixel: np.ndarray, blur: float
) -> np.ndarray:
    """Light beside a bar that comes from out of view and ends at along = 0."""
    return _soften(np.maximum(abs(across) - half, along), pixel, blur)


def _cast_truck(
    along: np.ndarray, across: np.ndarray, pixel: np.ndarray, blur: float, rng: np.random.Generator
) -> np.ndarray:
    """A box that stands askew to the sun: its shadow's end is a corner."""
    half, askew = rng.uniform((1.2, -1), (6.5, 1)).tolist()
    ends = np.maximum(along + askew * across, along - across / (askew + 2))
    distance = np.maximum(abs(across) - half, ends)
    return _soften(distance, pixel, blur * rng.uniform(2, 4))


def _cast_tree(
    along: np.ndarray, across: np.ndarray, pixel: np.ndarray, blur: float, rng: np.random.Generator
) -> np.ndarray:
    """A crown or a row of them, flecked with the sun's round images, and their trunks."""
    size, texel = rng.uniform(1.5, 4), 16  # metres; texels a metre of a picture 32 m across
    crowns: np.ndarray = np.full((256, 512), 255, np.uint8)
    starts = np.arange(rng.integers(1, 4)) * size * rng.uniform(1.2, 2)
    for start in (starts - starts.mean() + 16).tolist():
        trunk = int(start * texel)
        cv2.line(crowns, (trunk, 0), (trunk, 128), 0, max(1, round(0.1 * size * texel)))
        leaves = rng.normal(
            (start, 8, 0.19 * size), (0.45 * size, 0.45 * size, 0.05 * size), (40, 3)
        )
        for x, y, radius in (leaves * texel).astype(int).tolist():
            cv2.circle(crowns, (x, y), max(1, radius), 0, -1)
    flecks = rng.random((int(40 * size), 3)) ** (1, 1, 3) * (512, 256, 0.2 * texel)
    for x, y, radius in flecks.astype(int).tolist():
        cv2.circle(crowns, (x, y), radius + 1, 255, -1)
    crowns = cv2.stackBlur(crowns, (2 * round(blur * 6 * texel) + 3,) * 2)
    # The sun stands low: what is round across it is drawn out along the shadow.
    places = across * texel + 256, along * (0.6 * texel) + 128
    light = cv2.remap(crowns, *places, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return light * np.float32(1 / 255)


def _cast_gantry(
    along: np.ndarray, across: np.ndarray, pixel: np.ndarray, blur: float, rng: np.random.Generator
) -> np.ndarray:
    """A pole, or two with a beam and a sign between them."""
    width, half = rng.uniform((4, 0.08), (12, 0.2)).tolist()
    light = _cast_bar(along, across, half, pixel, 5 * blur)
    if rng.random() < 0.5:
        return light
    across = across - width / 2
    np.minimum(light, _cast_bar(along, across - width / 2, half, pixel, 5 * blur), out=light)
    beam = np.maximum(abs(across) - width / 2, abs(along) - 1.5 * half)
    sign = np.maximum(abs(across) - width / 4, abs(along - 1) - 1)
    return np.minimum(light, _soften(np.minimum(beam, sign), pixel, 6 * blur))


def _cast_rail(
    along: np.ndarray, across: np.ndarray, pixel: np.ndarray, blur: float, rng: np.random.Generator
) -> np.ndarray:
    """A guard rail across the light: a band on posts, sometimes a second one."""
    band, gap, step = rng.uniform((0.15, 0.25, 1.5), (0.35, 0.5, 4)).tolist()
    bars = abs(along) - band / 2
    if rng.random() < 0.5:
        bars = np.minimum(bars, abs(along + (band + gap)) - band / 2)
    post = abs(across - step * np.rint(across / step)) - 0.05
    post = np.maximum(post, abs(along + 1) - 1)
    return _soften(np.minimum(bars, post), pixel, blur)


_CASTERS = (_cast_truck, _cast_tree, _cast_gantry, _cast_rail)
_CHANCES = (0.4, 0.3, 0.2, 0.1)
