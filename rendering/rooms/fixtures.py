"""More furniture: lamps, plants, boxes, and what kitchens and bathrooms are fitted with."""

import numpy as np

from rendering.palette import pick
from rendering.rooms.furniture import Furniture, add_clutter, add_fronts, cabinet
from rendering.shapes import Parts, grid


def floor_lamp(rng, palette):
    """A lamp on a pole."""
    parts, z = Parts(), rng.uniform(1.3, 1.7)
    parts.turned(palette.metal, (0.14, 0), (0.14, 0.02), (0.015, 0.03), (0.015, z), y=0.2)
    parts.turned(palette.lamp, (0.2, z - 0.05), (rng.uniform(0.1, 0.18), z + 0.25), y=0.2)
    return Furniture(parts, 0.4, 0.4, z + 0.25)


def plant(rng, palette):
    """A pot with arching leaves."""
    parts, pot, length = Parts(), rng.uniform(0.24, 0.4), rng.uniform(0.5, 1.1)
    spread, r, soil = max(pot, 0.55 * length), pot / 2, 0.9 * pot
    rim = (0.7 * r, 0), (r, pot), (0.9 * r, pot), (0.85 * r, soil), (0, soil)
    parts.turned(palette.paint(rng), *rim, y=spread / 2)
    step = np.linspace(0, 1, 7)
    for angle in np.arange(rng.integers(10, 22)) * 137.5:  # the golden angle, as leaves grow
        reach, rise = rng.uniform((0.15, 0.5), (0.5, 1.0)) * length
        spine = np.stack([reach * step, 0 * step, soil + rise * (step - 0.35 * step**3)], 1)
        half = np.outer(0.02 + 0.08 * np.sin(np.pi * step) * length, (0, 1, 0))
        leaf = np.stack([spine - half, spine + (0, 0, 0.01), spine + half], 1)
        parts.add(palette.leaf, grid(leaf, leaf[..., 1:]), y=spread / 2, turn=angle)
    return Furniture(parts, spread, spread, pot + length)


def cartons(rng, palette):
    """A small stack of boxes."""
    parts, z = Parts(), 0
    for _ in range(rng.integers(1, 4)):
        size = rng.uniform((0.3, 0.3, 0.2), (0.55, 0.5, 0.38))
        material = pick(rng, [palette.carton, palette.carton, palette.paint(rng)])
        parts.box(material, *size, y=0.32, z=z, turn=rng.uniform(-12, 12))
        z += size[2]
    return Furniture(parts, 0.62, 0.64, z)


def stool(rng, palette):
    """A pouf, a bin or a ball."""
    parts, kind, (r, height) = Parts(), rng.integers(3), rng.uniform((0.15, 0.35), (0.24, 0.5))
    if kind == 0:
        parts.cushion(palette.cloth(rng), 2 * r, 2 * r, height, y=r, squareness=0.4)
    elif kind == 1:
        bin_ = (0.75 * r, 0), (r, height), (0.97 * r, height), (0.72 * r, 0.01), (0, 0.01)
        parts.turned(palette.paint(rng), *bin_, y=r)
    else:
        parts.cushion(palette.paint(rng), *[2 * r] * 3, y=r, squareness=0)
    return Furniture(parts, 2 * r, 2 * r, height)


def counter(rng, palette):
    """A kitchen row: units, worktop, stove or sink, mostly with cupboards above."""
    units = rng.integers(2, 5)
    parts, width, wood, metal = Parts(), 0.6 * units, palette.wood(rng), palette.metal
    parts.box(wood, width, 0.55, 0.82, y=0.275, z=0.05)
    add_fronts(parts, wood, metal, width, 0.74, 0.55, 0.1, rng.integers(1, 3), units)
    parts.box(palette.stone, width, 0.62, 0.04, y=0.31, z=0.87)
    x = (rng.integers(units) + 0.5) * 0.6 - width / 2
    if rng.random() < 0.5:
        parts.box(palette.dark, 0.56, 0.48, 0.008, x, 0.3, 0.91)
        parts.box(palette.dark, 0.56, 0.012, 0.5, x, 0.58, 0.25)
        parts.turned(metal, (0.1, 0), (0.1, 0.14), (0, 0.14), x=x - 0.12, y=0.2, z=0.918)
    else:
        parts.box(metal, 0.5, 0.4, 0.006, x, 0.3, 0.91)
        parts.turned(metal, (0.015, 0), (0.015, 0.3), x=x, y=0.1, z=0.91)
        parts.box(metal, 0.025, 0.2, 0.025, x, 0.19, 1.2)
    add_clutter(rng, palette, parts, width, 0.5, 0.91, rng.integers(2, 6))
    if rng.random() < 0.7:
        parts.box(wood, width, 0.33, 0.7, y=0.165, z=1.45)
        add_fronts(parts, wood, metal, width, 0.7, 0.33, 1.45, 1, units)
    return Furniture(parts, width, 0.62, 2.15)


def fridge(rng, palette):
    """A fridge, white or steel."""
    parts, width, height = Parts(), rng.uniform(0.58, 0.85), rng.uniform(1.5, 1.85)
    skin = pick(rng, [palette.white, palette.metal])
    parts.box(skin, width, 0.58, height, y=0.29)
    add_fronts(parts, skin, palette.dark, width, height - 0.05, 0.58, 0.04, 2, 1)
    return Furniture(parts, width, 0.62, height)


def washstand(rng, palette):
    """A basin on a cabinet, with a mirror above."""
    base = cabinet(rng, palette, rng.uniform(0.6, 1.1), 0.82)
    parts, width = base.parts, base.width * 0.9
    rim = (0.05, 0), (0.2, 0.13), (0.22, 0.13), (0.12, 0)
    parts.turned(palette.white, *rim, y=0.25, z=0.82)
    parts.turned(palette.metal, (0.015, 0), (0.015, 0.2), y=0.05, z=0.82)
    parts.box(palette.wood(rng), width + 0.06, 0.012, 0.86, y=0.006, z=1.07)
    parts.box(palette.mirror, width, 0.02, 0.8, y=0.01, z=1.1)
    return Furniture(parts, base.width, base.depth, 2.0)


def toilet(rng, palette):
    """A toilet with its tank."""
    parts, white = Parts(), palette.white
    parts.turned(white, (0.13, 0), (0.11, 0.15), (0.19, 0.38), (0, 0.38), y=0.42)
    parts.cushion(white, 0.38, 0.48, 0.06, y=0.44, z=0.38, squareness=0.2)
    parts.box(white, 0.16, 0.2, 0.4, y=0.12)
    parts.box(white, 0.4, 0.18, rng.uniform(0.35, 0.45), y=0.1, z=0.4)
    return Furniture(parts, 0.42, 0.68, 0.8)


def bathtub(rng, palette):
    """A tub, now and then with a curtain on a rail."""
    parts, white, width = Parts(), palette.white, rng.uniform(1.5, 1.75)
    parts.box(white, width, 0.75, 0.2, y=0.375)
    for y in (0.04, 0.71):
        parts.box(white, width, 0.08, 0.56, y=y)
    for x in (0.04 - width / 2, width / 2 - 0.04):
        parts.box(white, 0.08, 0.59, 0.56, x, 0.375)
    if rng.random() < 0.5:
        parts.add(palette.cloth(rng), drape(rng, width * 0.45, 1.7), -width / 4, 0.78, 0.25)
        parts.box(palette.metal, width, 0.025, 0.025, y=0.78, z=1.95)
    return Furniture(parts, width, 0.83, 0.6)


def drape(rng, width, height):
    """A hanging cloth in folds."""
    x, z = np.meshgrid(np.linspace(-width / 2, width / 2, 60), np.linspace(0, height, 5))
    folds = 0.04 * np.sin(x * 2 * np.pi / rng.uniform(0.11, 0.16) + rng.uniform(0, 6) + 0.3 * z)
    points = np.stack([x, folds, z], 2)
    return grid(points, points[..., [0, 2]])
