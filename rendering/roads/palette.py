"""The materials of one road scene, and how rain and night change them."""

from dataclasses import dataclass, replace

import numpy as np

from rendering.palette import Material, pick, plain
from rendering.roads import textures as paint
from rendering.textures import noise, pick_color

WHITE = np.array([0.86, 0.86, 0.83])
YELLOW = np.array([0.85, 0.65, 0.15])


@dataclass(frozen=True, eq=False)
class RoadMaterial(Material):
    """A material that weather and time change.

    `puddles` (height, width): how much water each spot holds in rain; `night`: its radiance, times
    its colour, when headlights are on, for lamps and for what throws headlights back to the car;
    `lamp`: its radiance when a tunnel's lamps are on.
    """

    puddles: np.ndarray | None = None
    night: float = 0.0
    lamp: float = 0.0


def in_rain(material):
    """The material when wet: dark, for water fills its pores, and with a film on top."""
    if getattr(material, "puddles", None) is None:
        return material
    wet = np.asarray(material.texture) ** 1.5 * 0.75
    return replace(material, texture=wet, film=material.puddles, finish="gloss")


def at_night(material):
    """The material when headlights are on."""
    return shining(material, getattr(material, "night", 0.0))


def in_lamplight(material):
    """The material in a tunnel when its lamps and all headlights are on."""
    shines = max(getattr(material, "night", 0.0), getattr(material, "lamp", 0.0))
    return shining(material, max(shines, material.emission))


def shining(material, emission):
    """The material with another emission; the very same one where that is no change."""
    return material if material.emission == emission else replace(material, emission=emission)


def colored(color, finish="matte", **shines):
    """A road material of one colour, (3,) or a grey."""
    return RoadMaterial(plain(color).texture, finish=finish, **shines)


class RoadPalette:
    """Materials drawn once a scene; what a method gives is drawn each time."""

    def __init__(self, rng):
        grey = rng.uniform(0.26, 0.46)
        pools = 1 / (1 + np.exp(-3 * (noise(rng, 1.5, (0.4, 1)) - rng.uniform(0.2, 1.2))))
        pools = (0.35 + 0.65 * pools).clip(0, 1)
        wet = {"puddles": pools}
        self.asphalt = RoadMaterial(paint.asphalt(rng, grey), 3.5, "satin", **wet)
        self.shoulder = RoadMaterial(paint.asphalt(rng, grey * 0.93), 3.5, "satin", **wet)
        wear, ground = rng.uniform(0.05, 0.75), np.full(3, grey)
        lines = [paint.worn(rng, color, ground, wear) for color in (WHITE, YELLOW)]
        self.white, self.yellow = (RoadMaterial(line, 1.1, "satin", **wet) for line in lines)
        self.zinc = colored(np.array([0.6, 0.62, 0.64]) * rng.uniform(0.75, 1.1), "gloss")
        self.steel = colored(rng.uniform(0.35, 0.6), "gloss")
        self.concrete = Material(paint.concrete(rng, rng.uniform(0.5, 0.7)), 4.0)
        green = pick_color(rng, (0.16, 0.28), (0.3, 0.6), (0.3, 0.5))
        straw = pick_color(rng, (0.1, 0.14), (0.3, 0.5), (0.5, 0.68))
        self.grass = Material(paint.grass(rng, green, straw), 7.0)
        self.land = Material(paint.land(rng, green * 0.95, straw), 520.0)
        self.blades = [Material(paint.grass(rng, color, straw), 2) for color in (green, straw)]
        tones = [pick_color(rng, (0.17, 0.33), (0.35, 0.65), (0.2, 0.42)) for _ in range(3)]
        self.leaves = [Material(paint.grass(rng, tone, tone * 1.25), 2.0) for tone in tones]
        dark = pick_color(rng, (0.28, 0.4), (0.3, 0.5), (0.15, 0.28))
        self.needles = Material(paint.grass(rng, dark, dark * 1.3), 2.0)
        self.bark = Material(paint.bark(rng), 1.5)
        self.rubber, self.dark = colored(0.16), colored(0.12, "gloss")
        self.greys = [colored(grey, "gloss") for grey in (0.9, 0.75, 0.6, 0.35, 0.13)]
        hues = [pick_color(rng, (0, 1), (0.3, 0.75), (0.25, 0.7)) for _ in range(5)]
        self.colors = [colored(hue, "gloss") for hue in hues]
        self.glass = colored((0.05, 0.06, 0.07), "glass")
        self.alloy = colored(0.6, "gloss")
        self.tail_light = colored((0.6, 0.03, 0.03), "gloss", night=0.9)
        self.head_light = colored((0.9, 0.9, 0.82), "gloss", night=60.0)
        self.reflector = colored((0.9, 0.35, 0.05), "gloss", night=0.4)
        self.plate = colored((0.9, 0.9, 0.86), night=0.05)
        sodium = (1.0, 0.78, 0.42), (1.0, 0.97, 0.93)
        self.lamp = colored(sodium[rng.random() < 0.45], lamp=200.0)
        self.way_out = colored((0.1, 0.7, 0.35), "gloss", night=0.02, lamp=0.9)
        self.street_light = colored((0.9, 0.8, 0.6), "gloss", night=25.0)
        panel = rng.uniform(0.45, 0.65) * pick_color(rng, (0.05, 0.4), (0.05, 0.4), (0.9, 1.0))
        self.noise_wall = Material(paint.concrete(rng, 1.0) * panel, 4.0)
        self.post = colored(0.88, night=0.03)

    def car_paint(self, rng):
        """A car's colour: mostly white, greys and black, as on the road."""
        return self.greys[rng.integers(5)] if rng.random() < 0.65 else pick(rng, self.colors)

    def load_color(self, rng):
        """The colour of a lorry's body."""
        if rng.random() < 0.5:
            return np.full(3, rng.uniform(0.7, 0.92))
        return pick_color(rng, (0, 1), (0.2, 0.65), (0.3, 0.75))

    def sign_board(self, rng):
        """A sign over a motorway, green or blue."""
        color = pick(rng, ((0.02, 0.42, 0.26), (0.04, 0.25, 0.6)))
        return RoadMaterial(paint.board(rng, color), night=0.05)

    def sign_face(self, rng):
        """(sides, lean in degrees, material) of a small sign: round, triangle or square."""
        kind = rng.integers(3)
        picture = (paint.roundel, paint.warning, lambda rng: paint.board(rng, (0.05, 0.3, 0.65)))
        material = RoadMaterial(picture[kind](rng), night=0.08)
        return ((24, 0), (3, 90), (4, 45))[kind] + (material,)

    def wall(self, rng):
        """A house's wall with windows."""
        color = pick_color(rng, (0.02, 0.14), (0.03, 0.35), (0.6, 0.9))
        return Material(paint.facade(rng, color, rng.integers(1, 4), rng.integers(2, 7)))

    def roof(self, rng):
        """Tiles or slate."""
        color = pick(rng, ((0.5, 0.25, 0.18), (0.4, 0.22, 0.16), (0.3, 0.3, 0.32)))
        return Material(paint.concrete(rng, 0.9) * np.array(color), 3.0)
