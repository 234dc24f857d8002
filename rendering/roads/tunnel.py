"""A tunnel and its road: its lining, lamps, fans, signs, and daylight at its end."""

import numpy as np

from rendering.palette import Material
from rendering.roads.palette import RoadMaterial
from rendering.roads.road import Lane, Line, Road, steps_between, sweep
from rendering.roads.roadside import put
from rendering.roads.textures import concrete
from rendering.shapes import Parts, grid, quad

START = -60.0  # metres along; the camera is well inside


def draw_bore(rng):
    """A tunnel's road: two lanes, both ahead or one each way."""
    way, width = (1, -1)[rng.random() < 0.5], rng.uniform(3.4, 3.75)
    lanes = Lane(-width / 2, width, 1), Lane(width / 2, width, way)
    middle = Line(0.0, 0.15, 6.0, (6.0, 0.0)[way < 0])
    lines = middle, Line(-width, 0.2), Line(width, 0.2)
    half = width + rng.uniform(0.4, 1.0)
    road = Road(rng.normal(0, 0.07), rng.normal(0, 0.01), ((-half, half),), lanes, lines)
    return road, lanes[0 if way < 0 else rng.integers(2)]


def add_tunnel(rng, parts, palette, road):
    """Builds a tunnel about `road`, arched or square, and gives its length ahead."""
    right, left = road.edges
    right, left = right - 0.9, left + 0.9
    middle, half, end = (right + left) / 2, (left - right) / 2, rng.uniform(110, 320)
    high, band = rng.uniform(5.2, 6.6), rng.uniform(1.2, 3.2)
    rise = rng.uniform(0.6, 1.8) if rng.random() < 0.7 else 0.0
    lining = Material(concrete(rng, rng.uniform(0.4, 0.72), rng.uniform(0.1, 0.35)), 5.0)
    panel = Material(concrete(rng, rng.uniform(0.55, 0.85), 0.15), 4.0)
    stations = steps_between(START, end)
    for side in (-1, 1):  # kerb, clean band, wall
        wall = middle + side * half
        for material, low, top in ((panel, 0.2, band), (lining, band, high)):
            parts.add(material, sweep(road, ((wall, low), (wall, top)), stations))
        kerb = (wall - side * 0.9, 0.0), (wall - side * 0.9, 0.2), (wall, 0.2)
        parts.add(palette.concrete, sweep(road, kerb, stations))
    angles = np.linspace(0, np.pi, 17)
    vault = np.stack([middle + half * np.cos(angles), high + rise * np.sin(angles)], 1)
    parts.add(lining, sweep(road, vault, stations, smooth=True))
    crown = high + rise
    add_lamps(rng, parts, palette, road, middle, half, crown, rise, end)
    add_fittings(rng, parts, palette, road, (middle, half, crown), end)
    daylight = RoadMaterial(np.full((1, 1, 3), 0.9), emission=rng.uniform(1.0, 3.0))
    exit_ = quad((0, half + 1, -1), (0, -2 * half - 2, 0), (0, 0, crown + 3))
    place = Parts()
    place.add(daylight, exit_)
    put(parts, road, place, end, middle)
    return end


def add_lamps(rng, parts, palette, road, middle, half, crown, rise, end):
    """One row of lamps or two, evenly spaced, white or of sodium's orange."""
    rows = [middle] if rng.random() < 0.4 else [middle - 0.5 * half, middle + 0.5 * half]
    gap, long = rng.uniform(5, 14), rng.uniform(0.7, 2.2)
    for along in np.arange(START + 20 + rng.uniform(0, gap), min(end, 220), gap):
        for aside in rows:
            drop = rise * (1 - np.sqrt(1 - ((aside - middle) / half) ** 2)) + 0.25
            lamp = Parts()
            lamp.box(palette.steel, long + 0.1, 0.4, 0.1, z=0.02)
            lamp.add(palette.lamp, quad((-long / 2, 0.15, 0), (long, 0, 0), (0, -0.3, 0)))
            put(parts, road, lamp, along, aside, crown - drop)


def add_fittings(rng, parts, palette, road, vault, end):
    """Fans under the vault, cables along it, and signs and doors in the walls."""
    middle, half, crown = vault
    for along in np.arange(rng.uniform(15, 60), end - 10, rng.uniform(50, 90)):
        for side in (-1, 1):
            put(parts, road, fan(palette), along, middle + side * 0.22 * half, crown - 1.25)
    for side in (-1, 1):
        rack = middle + side * (half - 0.12)
        section = (rack + 0.12, 3.9), (rack - 0.12, 3.9)
        parts.add(palette.dark, sweep(road, section, steps_between(START, end)))
        for along in np.arange(rng.uniform(4, 40), end - 5, rng.uniform(25, 50)):
            niche = Parts()
            niche.box(palette.steel, 1.1, 0.12, 2.1, z=0.2)
            niche.box(palette.way_out, 0.08, 0.5, 0.35, 0, -side * 0.3, 2.6)
            put(parts, road, niche, along, middle + side * half)


def fan(palette):
    """A jet fan, a drum that lies along the road."""
    parts, angles = Parts(), np.linspace(0, 2 * np.pi, 19)
    for radius, material in ((0.55, palette.zinc), (0.4, palette.dark)):
        ring = np.stack([0 * angles, radius * np.cos(angles), radius * np.sin(angles) + 0.55], 1)
        points = np.stack([ring - (1.3, 0, 0), ring + (1.3, 0, 0)])
        parts.add(material, grid(points, points[..., :2]))
    return parts
