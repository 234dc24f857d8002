"""What stands along a road: rails, posts, signs, gantries, bridges, lamps and wires.

Things that do not follow the road stand on the origin and face the traffic, towards -x.
"""

import numpy as np

from rendering.palette import Material
from rendering.roads.road import STATIONS, sweep
from rendering.shapes import Parts, plate, quad

# (aside, up) over the edge of the lane: the W of a guard rail, and half of a New Jersey wall.
RAIL = np.array([(0.0, 0.44), (0.08, 0.5), (0.02, 0.56), (0.02, 0.62), (0.08, 0.68), (0.0, 0.75)])
WALL = np.array([(0.3, 0.0), (0.3, 0.08), (0.13, 0.33), (0.08, 0.81)])


def put(parts, road, thing, along, aside, up=0.0, turn=0.0):
    """Stands `thing` at road coordinates, turned as the road runs there."""
    parts.put(thing, *road.place(along, aside, up), turn=road.heading(along) + turn)


def put_down(parts, road, thing, along, aside, turn=0.0):
    """Stands `thing` on the ground beside the road."""
    put(parts, road, thing, along, aside, float(road.ground(along, aside)) - 0.05, turn)


def add_rail(parts, palette, road, aside, side, start=-60.0, end=300.0):
    """A guard rail with posts; `side` is +1 where traffic passes on its left, else -1."""
    stations = STATIONS[(STATIONS >= start) & (STATIONS <= end)]
    section = RAIL * (side, 1) + (aside, 0)
    parts.add(palette.zinc, sweep(road, section, stations, smooth=True))
    post = Parts()
    post.box(palette.zinc, 0.07, 0.1, 1.2)
    for along in np.arange(start, min(end, 140), 4.0):
        put(parts, road, post, along, aside - side * 0.06, -0.5)


def add_wall(parts, palette, road, aside, start=-60.0, end=500.0):
    """A concrete wall between the carriageways."""
    stations = STATIONS[(STATIONS >= start) & (STATIONS <= end)]
    section = np.concatenate([WALL, WALL[::-1] * (-1, 1)]) + (aside, 0)
    parts.add(palette.concrete, sweep(road, section, stations))


def add_noise_wall(rng, parts, palette, road, aside):
    """A noise barrier: panels between posts, beside a stretch of the road."""
    start = rng.uniform(-60, 60)
    stations = np.arange(start, start + rng.uniform(60, 200), 4.0)
    height, base = rng.uniform(2.2, 4.5), road.ground(stations, aside).min() - 0.2
    section = (aside + 0.06, base), (aside + 0.06, height), (aside - 0.06, height), (aside, base)
    parts.add(palette.noise_wall, sweep(road, section, stations))
    post = Parts()
    post.box(palette.steel, 0.16, 0.2, height - base + 0.08)
    for along in stations:
        put(parts, road, post, along, aside, base)


def delineator(palette):
    """The white post beside a road with its reflector."""
    parts = Parts()
    parts.box(palette.post, 0.12, 0.1, 1.0)
    parts.box(palette.dark, 0.125, 0.105, 0.2, z=0.68)
    parts.box(palette.reflector, 0.13, 0.06, 0.16, z=0.7)
    return parts


def small_sign(rng, palette):
    """A sign or two on a post."""
    parts, z = Parts(), rng.uniform(2.2, 2.8)
    parts.turned(palette.zinc, (0.035, 0), (0.035, z + 0.3))
    for level in range(rng.integers(1, 3)):
        sides, lean, material = palette.sign_face(rng)
        parts.add(material, plate(sides, rng.uniform(0.38, 0.5), lean), -0.06, 0, z - 0.85 * level)
        parts.add(palette.zinc, plate(sides, 0.38, lean), -0.045, 0, z - 0.85 * level)
    return parts


def big_sign(rng, palette):
    """A board on two posts."""
    parts, width, height = Parts(), rng.uniform(2.4, 4.0), rng.uniform(1.2, 2.0)
    for y in (-0.35, 0.35):
        parts.turned(palette.zinc, (0.07, 0), (0.07, 1.4 + height), y=y * width)
    board = (-0.1, width / 2, 1.5), (0, -width, 0), (0, 0, height)
    parts.add(palette.sign_board(rng), quad(*board, fit=True))
    return parts


def gantry(rng, palette, right, left):
    """A frame over a carriageway that reaches from `right` to `left`, with boards on it."""
    parts, clear, depth = Parts(), rng.uniform(5.6, 6.4), 0.7
    for y in (right, left):
        parts.box(palette.steel, 0.45, 0.45, clear + depth, y=y)
    middle, span = (right + left) / 2, left - right
    for x in (-0.3, 0.3):
        for z in (clear, clear + depth):
            parts.box(palette.steel, 0.12, span, 0.12, x, middle, z)
    for y in np.arange(right, left, 1.2):
        parts.box(palette.steel, 0.7, 0.06, depth, y=y + 0.6, z=clear)
    boards = rng.integers(1, 4)
    for index in range(boards):
        width, height = rng.uniform(0.55, 0.9) * span / boards, rng.uniform(1.6, 2.8)
        y = right + (index + 0.5) * span / boards + width / 2
        board = (-0.45, y, clear - 0.3), (0, -width, 0), (0, 0, height)
        parts.add(palette.sign_board(rng), quad(*board, fit=True))
        parts.box(palette.steel, 0.05, width, height, -0.4, y - width / 2, clear - 0.3)
    return parts


def bridge(rng, palette, right, left):
    """A road that crosses overhead, on piers beside the carriageways."""
    parts, clear, width = Parts(), rng.uniform(5.2, 6.5), rng.uniform(6, 13)
    span, middle = left - right + 50, (left + right) / 2
    parts.box(palette.concrete, width, span, 1.2, y=middle, z=clear)
    for x in (-width / 2, width / 2):
        parts.box(palette.concrete, 0.3, span, 0.9, x, middle, clear + 1.2)
        parts.box(palette.steel, 0.06, span, 0.5, x, middle, clear + 2.1)
    for y in (right - 2.0, left + 2.0):
        for x in np.linspace(-width / 3, width / 3, 3):
            parts.box(palette.concrete, 0.9, 0.9, clear + 2.0, x, y, -2.0)
    return parts


def street_lamp(rng, palette, reach):
    """A lamp post whose arm reaches `reach` metres to the left."""
    parts, height = Parts(), rng.uniform(8, 11)
    parts.turned(palette.zinc, (0.11, 0), (0.06, height))
    parts.box(palette.zinc, 0.07, abs(reach), 0.07, y=reach / 2, z=height - 0.1)
    parts.box(palette.street_light, 0.3, 0.75, 0.12, y=reach, z=height - 0.16)
    return parts


def wire_pole(rng, palette):
    """A wooden pole with a crossbar and insulators."""
    parts, height = Parts(), rng.uniform(7.5, 9.5)
    parts.turned(palette.bark, (0.15, 0), (0.1, height))
    parts.box(palette.bark, 0.1, 1.7, 0.12, z=height - 0.7)
    for y in (-0.75, 0, 0.75):
        parts.turned(palette.dark, (0.05, 0), (0.05, 0.16), y=y, z=height - 0.58)
    return parts


def house(rng, palette):
    """A house, a barn or a hall with its front towards the road, on +-y."""
    parts, wall, roof = Parts(), palette.wall(rng), palette.roof(rng)
    size = np.array([rng.uniform(8, 18), rng.uniform(7, 11), rng.uniform(3, 8)])
    if rng.random() < 0.25:
        size *= rng.uniform(1.2, 2.5), rng.uniform(1.2, 2.0), 1.0
    width, depth, height = size
    parts.box(wall, width, depth, height + 1.5, z=-1.5, fit=True)
    rise = rng.uniform(0.35, 0.6) * depth if width < 19 else 0.4
    half, over = depth / 2, 0.4
    run = (width + 2 * over, 0, 0)
    low = height - over * rise / half
    for side in (-1, 1):
        eave = np.array([-width / 2 - over, side * (half + over), low])
        parts.add(roof, quad(eave, run, (0, -side * (half + over), rise + height - low)))
        ends = np.array([[side * width / 2, -half, height], [side * width / 2, half, height]])
        parts.add(plain_wall(wall), _gable(*ends, rise))
    if rng.random() < 0.5:
        parts.box(roof, 0.6, 0.6, 1.2, rng.uniform(-0.3, 0.3) * width, 0.5, height + 0.6 * rise)
    return parts


def plain_wall(wall):
    """A house's wall without its windows."""
    return Material(np.asarray(wall.texture)[:2, :2].mean((0, 1), keepdims=True))


def _gable(low, high, rise):
    face = quad(low, high - low, (0, 0, rise))
    face.vertices[2:] = (low + high) / 2 + (0, 0, rise)
    return face
