"""Streets in a town: parked cars, pavements, rows of houses or gardens, and what stands there."""

from dataclasses import dataclass

import numpy as np

from rendering.palette import Material, pick
from rendering.roads import plants, roadside
from rendering.roads import textures as paint
from rendering.roads.road import Lane, Line, Road, draw_hills, sweep
from rendering.roads.vehicles import draw_vehicle
from rendering.shapes import Parts, quad
from rendering.textures import pick_color

KERB = 0.12  # metres that the pavement lies above the street
YARD = 60.0  # metres beside the street where the ground is level
CROSSING = 14.0  # metres of a street that crosses another, with its pavements


@dataclass
class StreetSide:
    """One side of a street up to `end` metres along: -1 the right one, 1 the left one."""

    parts: Parts
    road: Road
    side: int
    walk: float  # the pavement's width
    end: float

    @property
    def edge(self):
        """Where the street ends, metres aside."""
        return self.road.edges[self.side > 0]

    def put(self, thing, along, out, up=0.0, turn=0.0):
        """Stands `thing` so many metres out from the street's edge."""
        aside = self.edge + self.side * out
        roadside.put(self.parts, self.road, thing, along, aside, up, turn)


def draw_street(rng):
    """A street of two lanes, most with strips to park on, and the lane that the camera is in."""
    width = rng.uniform(2.7, 3.5)
    right, left = width + (rng.random(2) < 0.65) * rng.uniform(2.0, 2.5, 2)
    lanes = Lane(-width / 2, width, 1), Lane(width / 2, width, -1)
    lines = (Line(0.0, 0.12, 3.0, 6.0),) if rng.random() < 0.4 else ()
    course = rng.normal(0, 0.12), rng.normal(0, 0.012)
    return Road(*course, ((-right, left),), lanes, lines, YARD, hills=draw_hills(rng)), lanes[0]


def furnish_street(rng, scene, palette):
    """Pavements, houses, parked cars, trees, lamps, signs and people; some streets end ahead."""
    end = rng.uniform(30, 110) if rng.random() < 0.35 else 260.0
    if end < 200:
        add_end(rng, scene.parts, palette, scene.road, end)
    for side in (-1, 1):
        here = StreetSide(scene.parts, scene.road, side, rng.uniform(1.6, 4.5), end - CROSSING)
        add_pavement(here, palette)
        (add_houses, add_gardens, add_park)[rng.choice(3, p=(0.5, 0.35, 0.15))](rng, here, palette)
        add_pavement_things(rng, here, palette)
        if abs(here.edge) - scene.road.lanes[0].width > 1:
            add_parked(rng, here, palette)


def add_pavement(here, palette):
    """A raised pavement behind a kerb."""
    walk = here.edge + here.side * here.walk
    section = (here.edge, -0.2), (here.edge, KERB), (walk, KERB), (walk, -0.2)
    section = section if here.side < 0 else section[::-1]
    here.parts.add(palette.concrete, sweep(here.road, section, np.arange(-40, here.end, 4.0)))


def add_end(rng, parts, palette, road, end):
    """Another street across, and houses behind it, where this one ends."""
    left, right, ahead = road.place([end - CROSSING, end - CROSSING, end - 2], [60, -60, 60], 0.01)
    parts.add(palette.asphalt, quad(left, right - left, ahead - left))
    aside, turn = -60.0, road.heading(end) + 90
    while aside < 60:
        width = rng.uniform(9, 20)
        thing = town_house(rng, palette, width, 1)
        parts.put(thing, *road.place(end + 6, aside + width / 2, -0.1), turn=turn)
        aside += width + (rng.random() < 0.2) * rng.uniform(3, 9)


def add_houses(rng, here, palette):
    """Houses wall to wall along the pavement, here and there a street between them."""
    along, storeys = rng.uniform(-45, -25), rng.integers(2, 5)
    while along < here.end:
        width = min(rng.uniform(9, 22), max(here.end - along, 4.0))
        thing = town_house(rng, palette, width, -here.side, max(1, storeys + rng.integers(-1, 2)))
        out = here.walk + 6 + (rng.random() < 0.2) * rng.uniform(0, 2)
        here.put(thing, along + width / 2, out, -0.1)
        along += width + (rng.random() < 0.12) * rng.uniform(7, 14)


def add_gardens(rng, here, palette):
    """Houses that stand alone behind hedges, walls and fences."""
    along = rng.uniform(-40, -25)
    while along < here.end - 8:
        width, back = rng.uniform(10, 20), rng.uniform(3, 9)
        thing = roadside.house(rng, palette)
        here.put(thing, along + width / 2, here.walk + back + 6, -0.05, rng.normal(0, 3))
        add_boundary(rng, here, palette, along, along + width - rng.choice([0, 3.5]))
        for _ in range(rng.integers(0, 3)):
            spot = along + rng.uniform(0, width), here.walk + rng.uniform(1, back)
            here.put(plants.bush(rng, palette, max(spot[0], 6)), *spot)
        if rng.random() < 0.5:
            spot = along + rng.uniform(0, width), here.walk + rng.uniform(2, 5)
            here.put(plants.tree(rng, palette, max(spot[0], 6), rng.uniform(4, 10)), *spot)
        along += width + rng.uniform(0, 6)


def add_boundary(rng, here, palette, start, end):
    """A hedge, a wall or a fence along the pavement from `start` to `end`."""
    style, length = rng.random(), end - start
    middle, out = (start + end) / 2, here.walk + 0.3
    thing = Parts()
    if style < 0.4:
        height = rng.uniform(0.8, 2.2)
        thing.box(pick(rng, palette.leaves), length, 0.5, height)
    elif style < 0.7:
        thing.box(palette.concrete, length, 0.25, rng.uniform(0.6, 2.0))
    elif style < 0.9:
        height, wood = rng.uniform(0.9, 1.9), pick(rng, (palette.bark, palette.steel))
        for x in np.arange(-length / 2, length / 2, 0.25 if start < 30 else 0.5):
            thing.box(wood, 0.12, 0.04, height, x=x)
        for z in (0.25 * height, 0.8 * height):
            thing.box(wood, length, 0.05, 0.08, z=z)
    here.put(thing, middle, out)


def add_park(rng, here, palette):
    """Trees and bushes on grass, houses far behind."""
    for along in rng.uniform(-20, here.end, rng.integers(6, 25)):
        out = here.walk + 1 + rng.exponential(10)
        here.put(plants.tree(rng, palette, max(along, out, 6)), along, out)
    for along in rng.uniform(2, here.end, rng.integers(5, 25)):
        here.put(plants.bush(rng, palette, max(along, 6)), along, here.walk + rng.exponential(8))
    for along in rng.uniform(10, max(here.end, 20), rng.integers(0, 5)):
        here.put(roadside.house(rng, palette), along, here.walk + rng.uniform(25, 50))


def add_pavement_things(rng, here, palette):
    """Trees in a row, lamps, signs, bollards, bins and people."""
    kerb = min(0.6, 0.3 * here.walk)
    if rng.random() < 0.45:
        height, gap = rng.uniform(5, 11), rng.uniform(7, 16)
        for along in np.arange(rng.uniform(-20, 10), min(here.end, 160), gap):
            here.put(plants.tree(rng, palette, max(along, 6), height), along, kerb, KERB)
    if rng.random() < 0.7:
        lamp = roadside.street_lamp(rng, palette, -1.5 * here.side)
        for along in np.arange(rng.uniform(-20, 20), here.end, rng.uniform(24, 36)):
            here.put(lamp, along, kerb, KERB)
    if rng.random() < 0.3:
        start = rng.uniform(0, 40)
        for along in np.arange(start, min(start + rng.uniform(8, 40), here.end), 1.8):
            here.put(bollard(palette), along, 0.35, KERB)
    for draw, most in ((roadside.small_sign, 4), (bin_or_box, 5), (person, 6)):
        for along in rng.uniform(5, max(min(here.end, 90), 8), rng.integers(0, most)):
            out = rng.uniform(kerb, here.walk - 0.4)
            here.put(draw(rng, palette), along, out, KERB, rng.uniform(-20, 20))


def add_parked(rng, here, palette):
    """Cars along the kerb, nose to tail or with gaps."""
    full, along = rng.uniform(0.3, 1.0), rng.uniform(-20, -10)
    turn = 0.0 if here.side < 0 else 180.0
    while along < min(here.end - 6, 170):
        thing, length = draw_vehicle(rng, palette, 0.03)
        if rng.random() < full:
            turned = turn + rng.normal(0, 1.5) + 180 * (rng.random() < 0.1)
            here.put(thing, along + length / 2, -1.05 + rng.normal(0, 0.1), turn=turned)
        along += length + rng.uniform(0.5, 1.6)


def town_house(rng, palette, width, front, storeys=None):
    """A house of `storeys`, its front on +y or -y as `front` says: shops, balconies, a roof."""
    parts, depth, storeys = Parts(), 12.0, storeys or rng.integers(2, 5)
    color, height = pick_color(rng, (0.0, 0.14), (0.05, 0.5), (0.35, 0.9)), 3.2 * storeys + 0.8
    columns = max(2, round(width / rng.uniform(2.2, 3.5)))
    wall = Material(paint.facade(rng, color, storeys, columns))
    parts.box(wall, width, depth, height, fit=True)
    if rng.random() < 0.7:  # a roof that slopes to the street
        roof, rise, face = palette.roof(rng), rng.uniform(2.0, 4.5), front * depth / 2
        low, run = (front * width / 2, face * 1.05, height - 0.15), (-front * width, 0, 0)
        parts.add(roof, quad(low, run, (0, -face * 1.05, rise)))
        parts.add(roof, quad((-low[0], -low[1], low[2]), (front * width, 0, 0), (0, face, rise)))
    y = front * (depth / 2 + 0.05)
    if rng.random() < 0.35:
        shop = pick(rng, (palette.glass, palette.dark, pick(rng, palette.colors)))
        parts.box(shop, 0.85 * width, 0.1, 2.6, y=y, z=0.3)
        parts.box(pick(rng, palette.colors), 0.85 * width, 0.3, 0.6, y=y, z=2.95)
    else:
        parts.box(palette.dark, 1.1, 0.1, 2.2, x=rng.uniform(-0.4, 0.4) * width, y=y, z=0.2)
    if rng.random() < 0.3:
        for storey in range(1, storeys):
            x = rng.uniform(-0.35, 0.35) * width
            parts.box(palette.concrete, 2.6, 1.2, 0.15, x, y + 0.55 * front, 3.2 * storey)
            parts.box(palette.steel, 2.6, 0.06, 0.95, x, y + 1.12 * front, 3.2 * storey)
    return parts


def bollard(palette):
    """A post that keeps cars off the pavement."""
    parts = Parts()
    parts.turned(palette.dark, (0.06, 0), (0.06, 0.95), (0.0, 1.0))
    return parts


def bin_or_box(rng, palette):
    """A dustbin, or a box of the post or the electricity works."""
    parts = Parts()
    width, height = rng.uniform(0.4, 1.2), rng.uniform(0.8, 1.5)
    parts.box(pick(rng, (*palette.colors, *palette.greys)), width, rng.uniform(0.4, 0.6), height)
    return parts


def person(rng, palette):
    """Somebody who stands or walks."""
    parts, tall, stride = Parts(), rng.uniform(0.9, 1.08), rng.uniform(0, 0.35)
    skin = pick(rng, (palette.greys[1], palette.bark))
    for x, y in ((stride / 2, 0.09), (-stride / 2, -0.09)):
        parts.cushion(palette.dark, 0.17, 0.16, 0.85 * tall, x=x, y=y)
    parts.cushion(pick(rng, palette.colors), 0.28, 0.46, 0.65 * tall, z=0.8 * tall)
    parts.cushion(skin, 0.2, 0.18, 0.26, z=1.45 * tall, squareness=0.2)
    return parts
