"""Materials, and those of one room."""

from dataclasses import dataclass

import numpy as np

from rendering import textures
from rendering.textures import pick_color


@dataclass(frozen=True, eq=False)
class Material:
    """A texture (height, width, 3) in sRGB, the metres it spans, how it reflects or shines."""

    texture: np.ndarray
    span: float = 1.0
    finish: str = "matte"  # matte | satin | gloss | glass | metal | mirror
    emission: float = 0.0
    film: np.ndarray | None = None  # (height, width): how much of each spot lies under water


def plain(color, finish="matte", emission=0.0):
    """A material of one colour, (3,) or a grey."""
    return Material(np.broadcast_to(np.asarray(color, float), (1, 1, 3)), 1.0, finish, emission)


class Palette:
    """Materials drawn once a room, so that its things look as if they belonged together."""

    def __init__(self, rng):
        hue, values = rng.uniform(0.04, 0.08), ((0.25, 0.5), (0.5, 0.85))
        browns = [pick_color(rng, (hue, hue + 0.02), (0.25, 0.65), value) for value in values]
        self.woods = [Material(textures.wood(rng, brown), 0.8) for brown in browns]
        rng.shuffle(self.woods)
        self.woods.append(Material(textures.paint(rng, (0.9, 0.89, 0.86), 0.01), 1, "gloss"))
        colors = [pick_color(rng, value=(0.15, 0.9)) for _ in range(7)]
        self.rugs = [
            Material(textures.stripes(rng, *colors[0:2], rng.integers(3, 12), plaid=True), 0.5),
            Material(textures.stripes(rng, *colors[2:4], rng.integers(2, 9)), 0.6),
            Material(textures.carpet(rng, *colors[4:6]), 0.7),
        ]
        self.sheet = Material(textures.carpet(rng, (0.85, 0.84, 0.8)), 0.5)
        self.cloths = [Material(textures.carpet(rng, color), 0.3) for color in colors[4:]]
        self.cloths += [*self.rugs, self.sheet]
        self.paints = [
            Material(textures.paint(rng, pick_color(rng, value=(0.1, 0.9))), 1, finish)
            for finish in ("gloss", "gloss", "gloss", "matte", "matte", "matte")
        ]
        stone = [pick_color(rng, saturation=(0.0, 0.3)) for _ in range(2)]
        leaf = pick_color(rng, (0.2, 0.36), (0.4, 0.8), (0.2, 0.5))
        self.stone = Material(textures.speckle(rng, *stone), 0.5, "gloss")
        self.leaf = Material(textures.carpet(rng, leaf), 0.3)
        self.carton = Material(textures.paint(rng, (0.68, 0.52, 0.35), 0.04), 0.6)
        self.metal = plain(rng.uniform(0.6, 0.85), "metal")
        self.dark = plain(rng.uniform(0.1, 0.2), "gloss")
        self.white, self.paper = plain(0.9, "gloss"), plain(0.92)
        self.mirror = plain(0.95, "mirror")
        warm = (1, rng.uniform(0.8, 0.97), rng.uniform(0.6, 0.9))
        self.lamp = plain(warm, emission=rng.uniform(2, 6))
        self.prints = [Material(textures.picture(rng)) for _ in range(4)]
        self.screens = [Material(textures.screen(rng)) for _ in range(2)]

    def wood(self, rng):
        """One of the room's woods; the first is the most common."""
        return self.woods[rng.choice(3, p=(0.5, 0.3, 0.2))]

    def cloth(self, rng):
        """One of the room's cloths."""
        return pick(rng, self.cloths)

    def paint(self, rng):
        """One of the room's paints."""
        return pick(rng, self.paints)


def pick(rng, items):
    """One of `items`, each as likely."""
    return items[rng.integers(len(items))]
