"""Things that stand in rooms, built from simple shapes at real sizes.

A maker takes (rng, palette) and gives a `Furniture` whose back is at y = 0, whose front is at
y = depth, and whose middle is at x = 0. Metres.
"""

from dataclasses import dataclass

import numpy as np

from rendering.palette import pick
from rendering.shapes import Parts, quad


@dataclass(frozen=True)
class Furniture:
    """What a thing is made of, and the room that it takes."""

    parts: Parts
    width: float
    depth: float
    height: float


def add_legs(parts, material, width, depth, height, thick):
    """Four square legs at the corners of a top that spans y from 0 to depth."""
    for x in (thick - width, width - thick):
        for y in (thick / 2, depth - thick / 2):
            parts.box(material, thick, thick, height, x / 2, y)


def add_clutter(rng, palette, parts, width, depth, z, count):
    """Small things in a row on a top at height `z`: books, bowls, bottles, boxes, balls, frames."""
    places = np.linspace(-0.5, 0.5, max(count, 2)) * (width - 0.25)
    for x in rng.permutation(places)[:count]:
        y, size = rng.uniform((0.15, 0.5), (max(depth - 0.15, 0.16), 1.0))
        material, turn, kind = palette.paint(rng), rng.uniform(-30, 30), rng.integers(6)
        if kind == 0:
            for layer in range(rng.integers(1, 5)):
                book, askew = (0.24 * size, 0.18 * size, 0.03), turn + rng.uniform(-9, 9)
                parts.box(palette.paint(rng), *book, x, y, z + 0.03 * layer, askew)
        elif kind == 1:
            rim = (0, 0), (0.05, 0), (0.14, 0.09), (0.13, 0.09), (0.05, 0.015), (0, 0.015)
            parts.turned(material, *rim, x=x, y=y, z=z)
        elif kind == 2:
            neck = (0.015, 0.22 * size), (0.015, 0.28 * size)
            parts.turned(material, (0.04, 0), (0.04, 0.17 * size), *neck, x=x, y=y, z=z)
        elif kind == 3:
            carton = 0.3 * size, 0.22 * size, 0.2 * size
            parts.box(pick(rng, [palette.carton, material]), *carton, x, y, z, turn)
        elif kind == 4:
            parts.cushion(material, *[0.16 * size] * 3, x=x, y=y, z=z, squareness=0)
        else:
            parts.box(pick(rng, palette.prints), 0.2, 0.02, 0.26 * size, x, y, z, turn, fit=True)


def table(rng, palette, width=None, depth=None, height=None, things=None):
    """A table, square or round, with things on it."""
    width, depth = width or rng.uniform(0.9, 1.8), depth or rng.uniform(0.7, 1.0)
    height, wood, parts = height or rng.uniform(0.70, 0.78), palette.wood(rng), Parts()
    if rng.random() < 0.25:
        width = depth = min(width, 1.3)
        foot = (0.28 * width, 0), (0.28 * width, 0.03), (0.05, 0.06), (0.05, height - 0.04)
        top = (width / 2, height - 0.04), (width / 2, height), (0, height)
        parts.turned(wood, *foot, *top, y=depth / 2)
    else:
        parts.box(wood, width, depth, 0.04, y=depth / 2, z=height - 0.04)
        parts.box(wood, width - 0.1, depth - 0.1, 0.07, y=depth / 2, z=height - 0.11)
        leg = pick(rng, [wood, palette.metal])
        add_legs(parts, leg, width - 0.06, depth, height - 0.04, rng.uniform(0.04, 0.08))
    count = rng.integers(1, 6) if things is None else things
    add_clutter(rng, palette, parts, width * 0.8, depth * 0.9, height, count)
    return Furniture(parts, width, depth, height + 0.1)


def chair(rng, palette):
    """A wooden chair with slats, or an upholstered one."""
    parts, wood, top = Parts(), palette.wood(rng), rng.uniform(0.8, 1.0)
    add_legs(parts, wood, 0.44, 0.48, 0.43, 0.04)
    if rng.random() < 0.5:
        parts.box(wood, 0.44, 0.48, 0.04, y=0.24, z=0.43)
        for x in (-0.2, 0.2):
            parts.box(wood, 0.04, 0.04, top - 0.45, x, 0.02, 0.45)
        for z in np.linspace(0.58, top - 0.07, 3):
            parts.box(wood, 0.36, 0.02, 0.07, y=0.02, z=z)
    else:
        cloth = palette.cloth(rng)
        parts.cushion(cloth, 0.44, 0.48, 0.1, y=0.24, z=0.41)
        parts.cushion(cloth, 0.44, 0.09, top - 0.42, y=0.045, z=0.42, squareness=0.7)
    return Furniture(parts, 0.44, 0.48, top)


def office_chair(rng, palette):
    """A swivel chair on a star foot."""
    parts, cloth = Parts(), pick(rng, [palette.dark, palette.cloth(rng)])
    for angle in np.arange(5) * 72:
        x, y = 0.15 * np.cos(np.deg2rad(angle)), 0.15 * np.sin(np.deg2rad(angle))
        parts.box(palette.dark, 0.3, 0.05, 0.05, x, y + 0.3, 0.04, angle)
    parts.turned(palette.metal, (0.03, 0.06), (0.03, 0.44), y=0.3)
    parts.cushion(cloth, 0.5, 0.5, 0.1, y=0.33, z=0.42)
    parts.cushion(cloth, 0.46, 0.09, rng.uniform(0.45, 0.7), y=0.06, z=0.55, squareness=0.7)
    parts.box(palette.dark, 0.06, 0.03, 0.2, y=0.1, z=0.42)
    for x in (-0.27, 0.27):
        parts.box(palette.dark, 0.05, 0.3, 0.04, x, 0.3, 0.65)
        parts.box(palette.dark, 0.04, 0.05, 0.2, x, 0.3, 0.46)
    return Furniture(parts, 0.6, 0.6, 1.15)


def bed(rng, palette):
    """A bed with headboard, mattress, blanket and pillows."""
    width, depth, z = pick(rng, (0.95, 1.4, 1.7)), rng.uniform(1.95, 2.1), rng.uniform(0.45, 0.6)
    parts, wood, cover = Parts(), palette.wood(rng), rng.uniform(0.6, 0.8) * depth
    add_legs(parts, wood, width, depth, 0.1, 0.07)
    parts.box(wood, width, depth, 0.2, y=depth / 2, z=0.1)
    parts.box(wood, width + 0.06, 0.06, rng.uniform(0.8, 1.2), y=0.03)
    mattress = width - 0.02, depth - 0.06, z - 0.25
    parts.cushion(palette.sheet, *mattress, y=depth / 2 + 0.02, z=0.28, squareness=0.85)
    blanket = width + 0.05, cover, z - 0.15
    parts.cushion(palette.cloth(rng), *blanket, y=depth - cover / 2, z=0.22, squareness=0.8)
    cloth = pick(rng, [palette.cloth(rng), palette.sheet])
    for x in (0,) if width < 1.2 else (-width / 4, width / 4):
        turn = rng.uniform(-12, 12)
        parts.cushion(cloth, 0.62, 0.4, 0.16, x=x, y=0.32, z=z, turn=turn, squareness=0.4)
    return Furniture(parts, width + 0.06, depth, z + 0.2)


def sofa(rng, palette):
    """A sofa or armchair with loose pillows."""
    parts, cloth, seats = Parts(), palette.cloth(rng), rng.integers(1, 4)
    width, depth = 0.65 * seats + 0.4, rng.uniform(0.8, 0.95)
    parts.box(cloth, width - 0.04, depth - 0.05, 0.24, y=depth / 2, z=0.06)
    back = width - 0.06, 0.26, rng.uniform(0.75, 0.9)
    parts.cushion(cloth, *back, y=0.13, z=0.02, squareness=0.8)
    for x in (0.1 - width / 2, width / 2 - 0.1):
        parts.cushion(cloth, 0.2, depth, 0.6, x=x, y=depth / 2, z=0.03, squareness=0.75)
    for x in (np.arange(seats) - (seats - 1) / 2) * 0.65:
        seat = 0.65, depth - 0.22, 0.2
        parts.cushion(cloth, *seat, x=x, y=depth / 2 + 0.12, z=0.27, squareness=0.7)
        if rng.random() < 0.5:
            pillow, turn = palette.cloth(rng), rng.uniform(-20, 20)
            parts.cushion(pillow, 0.42, 0.16, 0.4, x=x, y=0.36, z=0.45, turn=turn, squareness=0.45)
    return Furniture(parts, width, depth, 0.9)


def shelf(rng, palette):
    """An open shelf with books and boxes."""
    width, depth, height = rng.uniform(0.6, 1.4), rng.uniform(0.28, 0.4), rng.uniform(1.0, 2.1)
    parts, wood = Parts(), palette.wood(rng)
    boards = np.linspace(0.02, height - 0.03, rng.integers(4, 7))
    for x in (0.015 - width / 2, width / 2 - 0.015):
        parts.box(wood, 0.03, depth, height, x, depth / 2)
    parts.box(wood, width - 0.06, 0.02, height, y=0.01)
    for z in boards:
        parts.box(wood, width - 0.06, depth, 0.03, y=depth / 2, z=z)
    for z in boards[:-1] + 0.03:
        tall, x = boards[1] - boards[0] - 0.08, 0.05 - width / 2
        if rng.random() < 0.25:
            material = pick(rng, [palette.carton, palette.paint(rng)])
            carton = width * rng.uniform(0.3, 0.6), depth * 0.7, tall * 0.7
            parts.box(material, *carton, 0.1 * width, depth / 2, z)
            continue
        end = x + rng.uniform(0.4, 1) * (width - 0.16)
        while x < end:
            thick = rng.uniform(0.02, 0.055)
            book = thick, rng.uniform(0.14, 0.2), rng.uniform(0.6, 0.95) * min(tall, 0.32)
            parts.box(palette.paint(rng), *book, x + thick / 2, depth * 0.55, z)
            x += thick + 0.002
    add_clutter(rng, palette, parts, width, depth, height, rng.integers(0, 3))
    return Furniture(parts, width, depth, height)


def add_fronts(parts, material, knob, width, height, y, z, rows, columns):
    """Doors or drawers on a face at `y`, with gaps between them and a handle on each."""
    w, h = width / columns, height / rows
    for low in z + np.arange(rows) * h:
        for x in (np.arange(columns) + 0.5) * w - width / 2:
            parts.box(material, w - 0.012, 0.02, h - 0.012, x, y + 0.01, low + 0.006)
            parts.box(knob, min(0.12, w / 3), 0.025, 0.02, x, y + 0.03, low + h * 0.75)


def cabinet(rng, palette, width=None, height=None):
    """A chest of drawers, sideboard or wardrobe."""
    tall = height is None and rng.random() < 0.35
    width, depth = width or rng.uniform(0.6, 1.5), rng.uniform(0.4, 0.58)
    height = height or (rng.uniform(1.8, 2.2) if tall else rng.uniform(0.6, 1.1))
    parts, wood, face = Parts(), palette.wood(rng), palette.wood(rng)
    rows, columns = (1, round(width / 0.5)) if tall else rng.integers((1, 1), (5, 4))
    parts.box(wood, width, depth - 0.03, height, y=depth / 2 - 0.015)
    front = width, height - 0.1, depth - 0.03, 0.08
    add_fronts(parts, face, palette.metal, *front, rows, max(columns, 1))
    if not tall:
        add_clutter(rng, palette, parts, width, depth, height, rng.integers(1, 5))
    return Furniture(parts, width, depth, height + 0.05)


def add_table_lamp(palette, parts, x, z):
    """A lamp with a turned foot and a shade that shines."""
    foot = (0.08, 0), (0.08, 0.02), (0.03, 0.06), (0.05, 0.14), (0.015, 0.2), (0.015, 0.3)
    parts.turned(palette.paints[0], *foot, x=x, y=0.2, z=z)
    parts.turned(palette.lamp, (0.15, 0.24), (0.09, 0.46), x=x, y=0.2, z=z)


def nightstand(rng, palette):
    """A small cabinet with a lamp on it."""
    base = cabinet(rng, palette, rng.uniform(0.4, 0.55), rng.uniform(0.45, 0.6))
    add_table_lamp(palette, base.parts, 0, base.height - 0.05)
    return Furniture(base.parts, base.width, base.depth, 1.0)


def desk(rng, palette):
    """A desk with screens, keyboard, papers and perhaps a lamp."""
    base, z = table(rng, palette, rng.uniform(1.2, 1.8), rng.uniform(0.65, 0.8), 0.74, 2), 0.741
    parts = base.parts
    for x in rng.uniform(-0.1, 0.1) + np.array(pick(rng, [(0,), (-0.3, 0.3)])):
        screen = Parts()
        screen.box(palette.dark, 0.24, 0.18, 0.015)
        screen.box(palette.dark, 0.05, 0.04, 0.2, y=-0.02)
        screen.box(palette.dark, 0.54, 0.04, 0.34, z=0.12)
        picture = quad((0.255, 0.022, 0.135), (-0.51, 0, 0), (0, 0, 0.31), fit=True)
        screen.add(pick(rng, palette.screens), picture)
        parts.put(screen, x, 0.2, z, rng.uniform(-15, 15))
    parts.box(palette.dark, 0.44, 0.15, 0.02, y=base.depth - 0.2, z=z)
    for x in rng.uniform(-0.4, 0.4, rng.integers(0, 4)) * base.width:
        parts.box(palette.paper, 0.21, 0.3, 0.004, x, 0.35, z, rng.uniform(-30, 30))
    if rng.random() < 0.4:
        add_table_lamp(palette, parts, base.width / 2 - 0.2, z)
    return Furniture(parts, base.width, base.depth, 1.2)
