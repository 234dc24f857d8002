"""Light and weather for training pairs: what changes a photo and leaves its depth as it is.

Each effect is a pure function `name(rgb, depth_m, strength, rng)`: RGB uint8 (height, width, 3) and
depth float32 (height, width) in metres, 0 where invalid, to a new RGB uint8 (height, width, 3).
Strength 0 gives the photo as it is, 1 the strongest effect; what is drawn from `rng` (a NumPy
generator) does not depend on strength, so the same seed gives the same weather, only stronger.
Neither input is written to. Light is added and taken away in linear light. Sizes follow the
scene: the same fog stands in a room and over a road, scaled (see each effect).
Errors: ValueError for a strength outside 0 to 1, and for another photo or depth.
"""

from depthlib.weather.fog import fog
from depthlib.weather.glare import glare
from depthlib.weather.light import Effect
from depthlib.weather.mist import mist
from depthlib.weather.night import night
from depthlib.weather.rain import rain
from depthlib.weather.reflection import reflection
from depthlib.weather.shadow import shadow

EFFECTS: dict[str, Effect] = {
    "shadow": shadow,
    "reflection": reflection,
    "glare": glare,
    "fog": fog,
    "rain": rain,
    "night": night,
    "mist": mist,
}
