"""Rain: in the air, on the ground and on the pane."""

import cv2
import numpy as np

from depthlib.weather.light import effect, spread, to_light, to_photo
from depthlib.weather.scene import Scene, find_ground, read_scene, view_rays

_LAYERS = (0.03, 0.12, 0.4)  # depth of sheets of streaks, in far ends of the scene
_STREAKS, _DROPS = (25, 120, 500), 60
_SUBPIXEL = 4  # bits


@effect
def rain(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Rain, in the order in which light meets it.

    The ground (see `find_ground`) darkens as wet asphalt does, to 45 to 70 % (Lekner and Dorf,
    Applied Optics 27, 1988), and mirrors what is above the horizon by Fresnel's law (Schlick) for
    water. Rain in the air is a thin fog. Streaks in three sheets, only before what is farther: a
    drop shows the whole sky, so a pixel that it crosses becomes I (1 - a) + a E with the scene's
    mean bright light E (Garg and Nayar, IJCV 75, 2007). Drops on the pane show the scene small,
    upside down and out of focus. Their number and the rest grow with strength.
    """
    scene = read_scene(rgb, depth_m)
    light = to_light(rgb)
    bright = float(np.percentile(light[::8, ::8], 80))
    tint = rng.uniform((0.9, 0.95, 1), (1, 1, 1.08)).astype(np.float32)
    sky = min(max(bright, 0.1), 0.7) * tint
    _wet(light, scene, find_ground(depth_m, rng), strength, rng)
    light *= 1 - 0.25 * strength  # clouds
    kept = cv2.exp(scene.depth_m * (-strength * rng.uniform(0.4, 1.1) / scene.far))
    light -= sky
    light *= spread(kept)
    light += sky
    slant = rng.uniform(-0.35, 0.35)
    for layer, count in zip(_LAYERS, _STREAKS, strict=True):
        sheet = _draw_streaks(rgb.shape[:2], layer, slant, count, strength, rng)
        sheet *= scene.depth_m > layer * scene.far
        light += spread(sheet) * (1.2 * sky - light)
    _put_drops(light, strength, rng)
    return to_photo(light)


def _wet(
    light: np.ndarray,
    scene: Scene,
    ground: np.ndarray | None,
    strength: float,
    rng: np.random.Generator,
) -> None:
    """Darkens the ground and lays the mirrored scene over it, in place."""
    dark, shine = rng.uniform((0.45, 0.4), (0.7, 0.9)).tolist()
    if ground is None:
        light *= 1 - 0.3 * strength
        return
    height, width = scene.depth_m.shape
    x, y = view_rays(height, width)
    plane = ground[0] * x + ground[1] * y + ground[2]
    on = np.clip(1 - 8 * abs(plane * scene.depth_m - 1), 0, 1) * (1 - scene.sky)
    # A far point's mirror image is as far under the horizon, where plane = 0, as it is above.
    horizon = -(ground[0] * x + ground[2]) / ground[1]
    rows = (2 * horizon - y) / (y[1] - y[0]) + (height - 1) / 2
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), rows.shape)
    blurred = cv2.GaussianBlur(light, (0, 0), sigmaX=height / 240, sigmaY=height / 40)
    mirrored = cv2.remap(blurred, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cosine = plane / (float(np.linalg.norm(ground)) * np.sqrt(x**2 + y**2 + 1))
    fresnel = 0.02 + 0.98 * (1 - np.clip(cosine, 0, 1)) ** 5
    share = strength * shine * on * fresnel
    light *= spread(1 - strength * (1 - dark) * on)
    light += spread(share) * (mirrored - light)


def _draw_streaks(
    shape: tuple[int, ...],
    layer: float,
    slant: float,
    count: int,
    strength: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """How much of each pixel drops cross, float32 (height, width): near ones long, broad, faint."""
    height, width = shape
    near = (_LAYERS[0] / layer) ** 0.6
    drawn = rng.random((count, 4))
    length = (0.04 + 0.16 * near) * height * (0.5 + drawn[:, 2])
    start = drawn[:, :2] * (width * 1.4, height * 1.3) - (0.2 * width, 0.3 * height)
    lean = slant + 0.06 * (drawn[:, 3] - 0.5)
    ends = start + np.stack([lean * length, length], axis=1)
    lines = (np.stack([start, ends], axis=1) * 2**_SUBPIXEL).astype(np.int32)
    sheet: np.ndarray = np.zeros(shape, np.uint8)
    thick = max(1, round(3 * near * width / 320))
    shown = lines[: round(count * strength)]
    cv2.polylines(sheet, list(shown), False, 255, thick, cv2.LINE_AA, _SUBPIXEL)
    sheet = cv2.GaussianBlur(sheet, (0, 0), 0.4 + 1.2 * near * width / 320)
    return sheet * np.float32((0.3 - 0.15 * near) / 255)


def _put_drops(light: np.ndarray, strength: float, rng: np.random.Generator) -> None:
    """Drops that refract: each a small picture of the scene, turned over, in place."""
    height, width = light.shape[:2]
    # As small as a drop shows it, so that no pixel stands for many.
    small = cv2.resize(light, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    places = rng.random((_DROPS, 4))
    for x, y, size, stretch in places[: round(_DROPS * strength)].tolist():
        radius = (0.004 + 0.022 * size**3) * width
        tall = radius * (1 + 0.4 * stretch)
        top, bottom = (min(max(int(y * height + k * tall), 0), height) for k in (-1.2, 1.2))
        left, right = (min(max(int(x * width + k * radius), 0), width) for k in (-1.2, 1.2))
        if bottom - top < 2 or right - left < 2:
            continue
        down = (np.arange(top, bottom, dtype=np.float32)[:, None] - y * height) / tall
        across = (np.arange(left, right, dtype=np.float32)[None] - x * width) / radius
        distance = np.sqrt(down**2 + across**2)
        # A lens of a very short focal length: the drop's edge sees the frame's other edge.
        rows = np.clip(0.5 - 0.45 * down, 0, 1) * (height // 8 - 1)
        columns = np.clip(x - 0.3 * across, 0, 1) * (width // 8 - 1)
        columns, rows = np.broadcast_arrays(columns, rows)
        seen = cv2.remap(small, columns, rows, cv2.INTER_LINEAR)
        seen *= (1.1 - 0.5 * distance**4).clip(0.3)[..., None]
        share = np.clip((1 - distance) * radius * 0.7, 0, 0.9)[..., None]
        part = light[top:bottom, left:right]
        part += share * (seen - part)
