"""Rooms: a shell with doors, windows and lamps, furniture along the walls and in the middle.

`build_room` is a pure function of a seed and gives plain arrays; it needs no renderer.
"""

from dataclasses import dataclass, field

import numpy as np

from rendering.lights import Projector
from rendering.palette import Palette, pick
from rendering.rooms import fixtures as fix
from rendering.rooms import furniture as make
from rendering.rooms.shell import (
    Wall,
    add_ceiling_lights,
    add_opening,
    add_picture,
    add_shell,
    touches,
)
from rendering.shapes import Parts
from rendering.textures import window_panes


@dataclass(frozen=True)
class Kind:
    """What sort of room: its sides, what stands along the walls, what in the middle.

    `sides` are the shortest and longest short side, then long side, in metres. Of `single` a room
    has one each at most, and they come first; of `along` it has several.
    """

    sides: tuple[float, float, float, float]
    single: tuple
    along: tuple
    middle: tuple
    tiled: bool = False
    seat: object = make.chair


PLANS = {
    "bedroom": Kind(
        (2.9, 4.5, 3.4, 5.5),
        (make.bed, make.bed, make.nightstand, make.desk, fix.floor_lamp, fix.plant),
        (make.cabinet, make.shelf, make.chair),
        (fix.stool, make.chair),
    ),
    "living_room": Kind(
        (3.2, 5.5, 4.5, 8.0),
        (make.sofa, make.sofa, fix.floor_lamp, fix.plant, fix.plant, make.desk),
        (make.shelf, make.cabinet, make.table, make.chair),
        (make.sofa, make.table, fix.stool, fix.plant),
    ),
    "kitchen": Kind(
        (2.6, 4.0, 3.4, 6.0),
        (fix.counter, fix.counter, fix.counter, fix.fridge, fix.plant),
        (fix.counter, make.cabinet, make.table, make.shelf),
        (make.table, fix.stool),
        tiled=True,
    ),
    "office": Kind(
        (3.0, 6.0, 4.0, 9.0),
        (fix.plant, fix.plant, fix.floor_lamp, make.sofa),
        (make.desk, make.desk, make.shelf, make.cabinet, fix.cartons, make.table),
        (make.desk, make.office_chair, make.table, fix.cartons),
        seat=make.office_chair,
    ),
    "bathroom": Kind(
        (2.5, 3.2, 2.9, 4.5),
        (fix.bathtub, fix.bathtub, fix.washstand, fix.washstand, fix.toilet, fix.plant),
        (make.cabinet, fix.stool, make.shelf),
        (fix.stool,),
        tiled=True,
    ),
    "dining_room": Kind(
        (3.0, 5.0, 4.0, 7.0),
        (fix.plant, fix.plant, fix.floor_lamp, make.sofa),
        (make.cabinet, make.cabinet, make.shelf, make.chair),
        (make.table, make.table, fix.stool),
    ),
    "study": Kind(
        (2.8, 4.0, 3.2, 5.0),
        (make.sofa, fix.floor_lamp, fix.plant, make.desk, fix.cartons),
        (make.shelf, make.shelf, make.desk, make.cabinet),
        (make.office_chair, make.table, fix.stool),
        seat=make.office_chair,
    ),
    "corridor": Kind(
        (1.6, 2.4, 5.0, 8.5),
        (fix.plant, fix.floor_lamp, fix.cartons),
        (make.cabinet, make.shelf, make.chair, fix.stool),
        (fix.stool,),
    ),
}


@dataclass
class Room:
    """A room of `size` (width, length, height) with a corner at the origin.

    `blocks` are the boxes (x0, y0, x1, y1, height) that things take on the floor, `hung` those of
    doors, windows and pictures; `sun` is None, or where sunlight comes in and where it falls.
    """

    size: tuple[float, float, float]
    parts: Parts = field(default_factory=Parts)
    blocks: list = field(default_factory=list)
    hung: list = field(default_factory=list)
    sun: tuple | None = None

    @property
    def lights(self):
        """What shines in but is no part of the room."""
        return [] if self.sun is None else [Projector(*self.sun, window_panes(), 25.0, 45.0)]

    def walls(self):
        """Its four walls, counterclockwise."""
        width, length, height = self.size
        corners = (0, 0), (width, 0), (width, length), (0, length)
        sides = (width, length, width, length)
        return [Wall(np.array(corners[i], float), 90 * i, sides[i], height) for i in range(4)]

    def put(self, item, place, turn, margin=0.02):
        """Stands furniture with the middle of its back on `place`; False where it does not fit."""
        angle = np.deg2rad(turn)
        spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        corners = np.array([[-1, 0], [1, 0], [1, 1], [-1, 1]]) * (item.width / 2, item.depth)
        corners = corners @ spin + place
        block = (*corners.min(0), *corners.max(0))
        outside = (corners < -1e-6).any() or (corners > np.add(self.size[:2], 1e-6)).any()
        if outside or touches(block, self.blocks, margin):
            return False
        self.blocks.append((*block, item.height))
        self.parts.put(item.parts, *place, turn=turn)
        return True


def build_room(kind, seed):
    """A room of a kind in `PLANS`; the same (kind, seed) gives the same arrays."""
    rng = np.random.default_rng(seed)
    plan, palette = PLANS[kind], Palette(rng)
    sides = rng.permutation([rng.uniform(*plan.sides[:2]), rng.uniform(*plan.sides[2:])])
    room = Room((*sides.tolist(), rng.uniform(2.35, 3.0)))
    add_shell(rng, room, palette, plan.tiled)
    for _ in range(rng.choice(3, p=(0.5, 0.35, 0.15))):
        stand_pier(rng, room)
    names = ["door"] + ["window"] * rng.choice(4, p=(0.2, 0.4, 0.3, 0.1))
    openings = [opening for name in names if (opening := add_opening(rng, room, palette, name))]
    dark = any(sill for *_, sill in openings) and rng.random() < 0.25
    add_ceiling_lights(rng, room, palette, 0.0 if dark else rng.uniform(6, 16))
    fill_middle(rng, room, palette, plan)
    stock = [*rng.permutation(plan.single), *rng.permutation(plan.along * 4)]
    for index in rng.permutation(4):
        line_wall(rng, room, palette, stock, index, openings, plan.seat)
    for _ in range(rng.integers(4, 10)):
        add_picture(rng, room, palette)
    return room


def stand_pier(rng, room):
    """A pier that juts out of a wall, from floor to ceiling."""
    wall, (width, depth) = pick(rng, room.walls()), rng.uniform((0.25, 0.2), (0.9, 0.8))
    parts, material = Parts(), room.parts[2][1]  # the walls' own
    parts.box(material, width, depth, room.size[2], y=depth / 2)
    place = wall.at(rng.uniform(width / 2, wall.length - width / 2))
    room.put(make.Furniture(parts, width, depth, room.size[2]), place, wall.turn)


def fill_middle(rng, room, palette, plan):
    """A rug, and furniture that stands free, with seats around the tables."""
    floor = np.array(room.size[:2])
    if not plan.tiled and rng.random() < 0.6:
        rug, size = pick(rng, palette.rugs), rng.uniform(0.35, 0.6, 2) * floor
        room.parts.box(rug, *size, 0.012, *(floor / 2 + rng.uniform(-0.2, 0.2, 2)), 0.002)
    for _ in range(max(1, round(floor.prod() / 9))):
        item, place = pick(rng, plan.middle)(rng, palette), rng.uniform(0.2, 0.8, 2) * floor
        turn = rng.integers(4) * 90 + pick(rng, (0, rng.uniform(-20, 20)))
        if not room.put(item, place, turn, 0.5) or item.height > 1.3 or item.width < 0.7:
            continue
        angle = np.deg2rad(turn)
        out = np.array([-np.sin(angle), np.cos(angle)])
        for side in rng.permutation(4)[: rng.integers(1, 5)]:
            angle = np.deg2rad(turn + 90 * side)
            away = np.array([-np.sin(angle), np.cos(angle)])
            reach = (item.depth, item.width)[side % 2] / 2 + rng.uniform(0.42, 0.62)
            seat_turn = turn + 90 * side + 180 + rng.uniform(-15, 15)
            spot = place + out * item.depth / 2 + away * reach
            room.put(plan.seat(rng, palette), spot, seat_turn, 0.0)


def line_wall(rng, room, palette, stock, index, openings, seat):
    """Takes things from `stock` along a wall, low ones under windows; a seat before some."""
    wall, position, misses = room.walls()[index], rng.uniform(0.0, 0.4), 0
    while stock and position < wall.length - 0.3 and misses < 12:
        choice = min(int(rng.exponential(1.5)), len(stock) - 1)  # mostly what comes first
        item = stock[choice](rng, palette)
        end = position + item.width
        sills = [o[3] for o in openings if o[0] == index and position < o[2] and end > o[1]]
        fits = item.height < min(sills, default=9.0) + 0.05
        middle = (position + end) / 2
        if not fits or not room.put(item, wall.at(middle, 0.03), wall.turn):
            position, misses = position + 0.15, misses + 1
            continue
        del stock[choice]
        position = end + pick(rng, (0.03, rng.uniform(0.1, 0.9)))
        if item.width > 1.1 and 0.7 < item.height < 1.25 and rng.random() < 0.6:
            place = wall.at(middle, item.depth + rng.uniform(0.5, 0.75))
            room.put(seat(rng, palette), place, wall.turn + 180 + rng.uniform(-30, 30), 0.0)
