"""A bare room: walls, floor, doors, windows, ceiling lamps and pictures."""

from dataclasses import dataclass

import numpy as np

from rendering import textures
from rendering.palette import Material, pick, plain
from rendering.rooms.fixtures import drape
from rendering.rooms.furniture import Furniture
from rendering.shapes import Parts, quad
from rendering.textures import pick_color


@dataclass(frozen=True)
class Wall:
    """A wall from the corner `start`; things that stand against it are turned by `turn` degrees."""

    start: np.ndarray
    turn: int
    length: float
    height: float

    def at(self, along, out=0.0):
        """The point on the floor `along` the wall and `out` from it."""
        angle = np.deg2rad(self.turn)
        direction = np.array([np.cos(angle), np.sin(angle)])
        return self.start + direction * along + np.array([-direction[1], direction[0]]) * out

    def block(self, low, high):
        """The floor below what hangs on the wall from `low` to `high`: (x0, y0, x1, y1, height)."""
        ends = np.array([self.at(low), self.at(high, 0.1)])
        return *ends.min(0), *ends.max(0), self.height


def touches(block, blocks, margin):
    """True where the box (x0, y0, x1, y1, ...) comes within `margin` of one of `blocks`."""
    x0, y0, x1, y1 = np.add(block[:4], (-margin, -margin, margin, margin))
    return any(x0 < b[2] and x1 > b[0] and y0 < b[3] and y1 > b[1] for b in blocks)


def pick_surfaces(rng, tiled):
    """The materials of floor, four walls and ceiling."""
    wall = pick_color(rng, saturation=(0.0, 0.22), value=(0.65, 0.93))
    if rng.random() < 0.2:
        wall = pick_color(rng, saturation=(0.2, 0.5), value=(0.4, 0.75))
    board = pick_color(rng, (0.05, 0.1), (0.3, 0.65), (0.3, 0.75))
    grey = pick_color(rng, saturation=(0.0, 0.3), value=(0.35, 0.85))
    tiles = textures.tiles(rng, grey, 4, rng.uniform(0.2, 0.8))
    floors = [
        Material(textures.wood(rng, board, 6), 0.9, "gloss"),
        Material(tiles, rng.uniform(0.8, 1.8), "gloss"),
        Material(textures.carpet(rng, grey, pick(rng, (None, grey * 0.8))), 1.2),
        Material(textures.speckle(rng, grey, pick_color(rng, value=(0.2, 0.8))), 0.8, "gloss"),
    ]
    walls = [
        Material(textures.paint(rng, wall), 1.5),
        Material(textures.stripes(rng, wall, wall * 0.85, 6), 1.2),
        Material(textures.tiles(rng, (0.62, 0.35, 0.27), 3, 0.7, bricks=True), 0.7),
        Material(textures.tiles(rng, wall, 5), 0.9, "gloss"),
        Material(textures.wood(rng, board, 5), 1.0),
    ]
    floor = floors[rng.choice(4, p=(0, 0.7, 0, 0.3) if tiled else (0.45, 0.1, 0.35, 0.1))]
    main = walls[rng.choice(5, p=(0.4, 0, 0, 0.6, 0) if tiled else (0.72, 0.12, 0.06, 0, 0.1))]
    other = walls[rng.choice(5, p=(0.75, 0.05, 0.1, 0.05, 0.05))]
    ceiling = Material(textures.paint(rng, np.full(3, rng.uniform(0.8, 0.93))), 2.0)
    return floor, [main, main, pick(rng, (main, other)), main], ceiling


def add_shell(rng, room, palette, tiled):
    """Floor, ceiling, four walls, skirting boards and now and then a beam."""
    width, length, height = room.size
    floor, materials, ceiling = pick_surfaces(rng, tiled)
    room.parts.add(floor, quad((0, 0, 0), (width, 0, 0), (0, length, 0)))
    room.parts.add(ceiling, quad((0, length, height), (width, 0, 0), (0, -length, 0)))
    for wall, material in zip(room.walls(), materials, strict=True):
        surface = quad((wall.length, 0, 0), (-wall.length, 0, 0), (0, 0, height))
        room.parts.add(material, surface, *wall.start, turn=wall.turn)
        if not tiled:
            board = wall.at(wall.length / 2, 0.01)
            room.parts.box(palette.woods[2], wall.length, 0.02, 0.09, *board, turn=wall.turn)
    if rng.random() < 0.2:
        place = width / 2, rng.uniform(0.3, 0.7) * length, height - 0.2
        room.parts.box(palette.wood(rng), width, 0.2, 0.2, *place)


def add_opening(rng, room, palette, name):
    """A "door" or "window"; gives (wall, start, end, sill height), a door's sill 0, or None."""
    index = rng.integers(4)
    wall = room.walls()[index]
    span = 1.0 if name == "door" else min(rng.uniform(0.8, 2.0), wall.length - 0.8)
    low = rng.uniform(0.1, wall.length - span - 0.1)
    middle = low + span / 2
    block = wall.block(low, low + span)
    if touches(block, room.blocks + room.hung, 0.2):
        return None
    room.hung.append(block)
    if name == "door":
        room.put(Furniture(door(palette), span, 0.8, 0.0), wall.at(middle), wall.turn)
        return index, low, low + span, 0.0
    sill = rng.uniform(0.75, 1.1)
    room.parts.put(window(rng, palette, span, sill, wall.height), *wall.at(middle), turn=wall.turn)
    if room.sun is None and rng.random() < 0.6:
        falls = wall.at(middle + rng.uniform(-0.9, 0.9), rng.uniform(1.2, 2.2))
        room.sun = (*wall.at(middle, 0.08), sill + 0.8), (*falls, 0.0)
    return index, low, low + span, sill


def door(palette):
    """A closed door with frame, panels and handle."""
    parts, wood, frame = Parts(), palette.woods[1], palette.woods[2]
    parts.box(wood, 0.82, 0.04, 2.02, y=0.02)
    for z, height in ((0.2, 0.6), (0.95, 0.9)):
        parts.box(wood, 0.56, 0.02, height, y=0.045, z=z)
    for x in (-0.45, 0.45):
        parts.box(frame, 0.08, 0.06, 2.1, x, 0.03)
    parts.box(frame, 0.98, 0.06, 0.08, y=0.03, z=2.02)
    parts.box(palette.metal, 0.12, 0.05, 0.02, 0.32, 0.07, 1.02)
    return parts


def window(rng, palette, span, sill, height):
    """A bright pane with frame, bars and ledge, mostly with curtains or a blind."""
    top, parts, frame = min(height - 0.2, sill + rng.uniform(1.0, 1.4)), Parts(), palette.woods[2]
    sky = Material(textures.outdoors(rng), emission=rng.uniform(4, 14))
    parts.add(sky, quad((span / 2, 0.01, sill), (-span, 0, 0), (0, 0, top - sill), fit=True))
    for x in np.linspace(-span / 2, span / 2, rng.integers(3, 5)):
        parts.box(frame, 0.05, 0.05, top - sill, x, 0.025, sill)
    for z in np.linspace(sill, top - 0.05, rng.integers(2, 4)):
        parts.box(frame, span, 0.05, 0.05, y=0.025, z=z)
    parts.box(frame, span + 0.15, 0.16, 0.03, y=0.08, z=sill - 0.03)
    style = rng.random()
    if style < 0.5:
        cloth, low = palette.cloth(rng), pick(rng, (0.05, sill - 0.15))
        for x in (-span / 2 - 0.05, span / 2 + 0.05):
            parts.add(cloth, drape(rng, rng.uniform(0.3, 0.5), top + 0.1 - low), x, 0.12, low)
        parts.box(palette.metal, span + 0.7, 0.03, 0.03, y=0.12, z=top + 0.1)
    elif style < 0.7:
        for z in np.arange(top - rng.uniform(0.3, 0.9) * (top - sill), top, 0.05):
            parts.box(palette.white, span, 0.03, 0.035, y=0.07, z=z)
    return parts


def add_ceiling_lights(rng, room, palette, emission):
    """Panels, bowls or globes under the ceiling; without emission they are switched off."""
    width, length, height = room.size
    glow = plain((1, rng.uniform(0.85, 1.0), rng.uniform(0.7, 1.0)), emission=emission)
    rows, columns = (max(1, round(side / rng.uniform(2.2, 3.5))) for side in (width, length))
    style, (wide, deep) = rng.choice(3, p=(0.5, 0.3, 0.2)), pick(rng, ((0.6, 0.6), (0.3, 1.2)))
    drop = rng.uniform(0.3, 0.6)
    for x in (np.arange(rows) + 0.5) * width / rows:
        for y in (np.arange(columns) + 0.5) * length / columns:
            if style == 0:
                panel = quad((-wide / 2, deep / 2, -0.01), (wide, 0, 0), (0, -deep, 0))
                room.parts.add(glow, panel, x, y, height)
            elif style == 1:
                bowl = (0, -0.1), (0.14, -0.08), (0.19, 0)
                room.parts.turned(glow, *bowl, x=x, y=y, z=height)
            else:
                room.parts.box(palette.dark, 0.015, 0.015, drop, x, y, height - drop)
                place = dict(x=x, y=y, z=height - drop - 0.24)
                room.parts.cushion(glow, 0.25, 0.25, 0.25, **place, squareness=0)


def add_picture(rng, room, palette):
    """A picture, mirror or board where a wall is bare; nothing where the place is taken."""
    wall, span, tall = pick(rng, room.walls()), rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.7)
    low, z = rng.uniform(0.1, wall.length - span - 0.1), rng.uniform(1.25, 1.5)
    block = wall.block(low, low + span)
    tall_blocks = [block for block in room.blocks if block[4] > z]
    if touches(block, tall_blocks + room.hung, 0.1):
        return
    room.hung.append(block)
    parts = Parts()
    parts.box(palette.wood(rng), span, 0.03, tall, y=0.015, z=z)
    face = pick(rng, [*palette.prints, palette.mirror, palette.paper])
    corner, up = (span / 2 - 0.03, 0.032, z + 0.03), (0, 0, tall - 0.06)
    parts.add(face, quad(corner, (0.06 - span, 0, 0), up, fit=True))
    room.parts.put(parts, *wall.at(low + span / 2), turn=wall.turn)
