"""Low light and what a sensor makes of it."""

import cv2
import numpy as np

from depthlib.weather.light import effect, spread, to_light, to_photo
from depthlib.weather.scene import read_scene, view_rays

WHITE = 20_000  # electrons of a white pixel by day: noise that one does not see


@effect
def night(
    rgb: np.ndarray, depth_m: np.ndarray, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """Dusk to night: less light, of another colour, and a sensor that counts few photons.

    At strength 1 a twelfth to a third of the light is left, less of the sky. In half of the draws
    a lamp at the camera adds a cone that falls with the square of depth beyond 15 to 40 % of the
    way to the scene's far end. What is left is raised to the power `strength`. Noise is Poisson's
    (of the light, as a normal of the same variance) and a read-out's (normal), in linear light,
    for a white of 20,000 electrons by day and 80 to 300 at strength 1 (EMVA standard 1288's
    linear model).
    """
    scene = read_scene(rgb, depth_m)
    ambient, lamp, reach = rng.uniform((0.08, 0.5, 0.15), (0.35, 1.2, 0.4)).tolist()
    lamp *= rng.random() < 0.5
    warmth = rng.uniform(-0.3, 0.45)
    tint = np.array([1 + warmth * 0.4, 1 - abs(warmth) * 0.15, 1 - warmth], np.float32)
    white = WHITE ** (1 - strength) * rng.uniform(80, 300) ** strength
    read_out = rng.uniform(2, 5)
    noise = _draw_normal(rgb.shape, rng)

    x, y = view_rays(*depth_m.shape)
    cone = np.exp(-((x / 0.5) ** 2)) * np.exp(-(((y - 0.08) / 0.25) ** 2))
    near = np.minimum(1, (reach * scene.far / scene.depth_m) ** 2)
    glow = ambient * (1 - 0.85 * scene.sky) + lamp * cone * near
    light = to_light(rgb)
    light *= spread(glow**strength)
    light *= tint**strength
    noise *= cv2.sqrt(light / white + (read_out / white) ** 2)
    light += noise
    return to_photo(light)


def _draw_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers float32, by OpenCV: a third of NumPy's time, seeded by `rng`."""
    numbers = np.empty(shape, np.float32)
    cv2.setRNGSeed(int(rng.integers(2**31)))  # of this thread's own generator
    # Of more channels it fills the first alone. Its stubs know no number as a mean.
    cv2.randn(numbers.reshape(len(numbers), -1), 0, 1)  # type: ignore[call-overload]
    return numbers
