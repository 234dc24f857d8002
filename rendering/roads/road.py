"""The road itself: where it runs, its lanes and markings, and the ground on both sides.

Road coordinates are (along, aside, up) in metres: `along` from the camera on, `aside` to the left
of the road's middle line, `up` from its surface. World coordinates are x ahead, y left, z up; they
agree at the camera, and further on the road bends and climbs.
"""

from dataclasses import dataclass, replace

import numpy as np

from rendering.shapes import grid, join

# Stations of everything that follows the road: every 4 m where one can see it bend.
STATIONS = np.concatenate([np.arange(-80, 240, 4), np.geomspace(240, 3000, 30)])
KNOLL = 5.0  # metres; what is lower stands near the road, what is higher far off
LIFT = 0.004  # metres that paint lies above the asphalt


@dataclass(frozen=True)
class Line:
    """A marking at `aside`, `width` wide; `dash` and `gap` in metres, a gap of 0: unbroken."""

    aside: float
    width: float = 0.15
    dash: float = 6.0
    gap: float = 0.0
    yellow: bool = False


@dataclass(frozen=True)
class Lane:
    """A lane's middle and width; traffic runs ahead (+1) or towards the camera (-1)."""

    aside: float
    width: float
    way: int = 1


@dataclass(frozen=True)
class Road:
    """A road's course and cross-section.

    `curve` and `climb` are its largest slopes sideways and up; `paved` lists (right, left) of each
    carriageway; `lanes` and `lines` stand on them. The ground leaves the outer edges, runs level
    for `verge` metres, then rises or falls by `bank` metres (right, left).
    """

    curve: float
    climb: float
    paved: tuple[tuple[float, float], ...]
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    verge: float = 2.0
    bank: tuple[float, float] = (0.0, 0.0)
    hills: tuple = ()  # (east, north, phase, height) of each wave of the ground

    @property
    def edges(self):
        """The right and left end of the paved part, metres aside."""
        return min(low for low, _ in self.paved), max(high for _, high in self.paved)

    def place(self, along, aside, up=0.0):
        """World points (..., 3) of road coordinates, which broadcast."""
        along, aside, up = np.broadcast_arrays(np.asarray(along, float), aside, up)
        return np.stack(
            [
                along,
                aside + self.curve * _shift(along, 220, 900),
                up + self.climb * _shift(along, 130, 350),
            ],
            -1,
        )

    def heading(self, along):
        """The road's direction at `along`, degrees to the left."""
        ahead, here = self.place(along + 0.5, 0.0), self.place(along - 0.5, 0.0)
        return float(np.rad2deg(np.arctan2(ahead[1] - here[1], ahead[0] - here[0])))

    def ground(self, along, aside):
        """How high the ground is, metres up from the road, at road coordinates that broadcast."""
        along, aside = np.broadcast_arrays(np.asarray(along, float), aside)
        right, left = self.edges
        slope = 1.8 * np.abs(self.bank) + 0.5
        knots = [
            right - self.verge - slope[0],
            right - self.verge,
            right,
            left,
            left + self.verge,
            left + self.verge + slope[1],
        ]
        height = np.interp(aside, knots, [self.bank[0], -0.1, -0.03, -0.03, -0.1, self.bank[1]])
        away = np.maximum(aside - knots[-1], knots[0] - aside).clip(0)
        for east, north, phase, size in self.hills:
            knoll = size < KNOLL  # hills stand back from the road, so that it runs in a valley
            share = _rise(away, 0, 90) if knoll else _rise(away, 30, 900)
            if not knoll:
                share = share * _rise(np.hypot(along, aside), 250, 1600)
            height = height + size * share * (1 + np.sin(along * east + aside * north + phase))
        return height


def draw_hills(rng):
    """Waves of the ground: knolls that are near and hills that are far."""
    waves = []
    for length, height, count in (((50, 150), 0.9, 4), ((900, 2600), rng.uniform(8, 60), 4)):
        for _ in range(count):
            angle, step = rng.uniform(0, np.pi), 2 * np.pi / rng.uniform(*length)
            wave = step * np.cos(angle), step * np.sin(angle), rng.uniform(0, 2 * np.pi), height
            waves.append(wave)
    return tuple(waves)


def sweep(road, section, stations=STATIONS, stretch=1.0, smooth=False):
    """A sheet that follows the road: `section` lists (aside, up), which from left to right face up.

    Texture coordinates are metres along, over `stretch`, and metres across. Each facet is flat
    unless `smooth`.
    """
    section, along = np.asarray(section, float), np.asarray(stations, float)
    points = road.place(along[:, None], section[None, :, 0], section[None, :, 1])
    across = np.insert(np.cumsum(np.hypot(*np.diff(section, axis=0).T)), 0, 0)
    uv = np.stack(np.broadcast_arrays(along[:, None] / stretch, across[None]), 2)
    if smooth:
        return grid(points, uv)
    facets = [slice(i, i + 2) for i in range(len(section) - 1)]
    return join([grid(points[:, facet], uv[:, facet]) for facet in facets])


def steps_between(start, end):
    """Stations from `start` to `end`, close enough together to follow a bend."""
    return np.linspace(start, end, int(np.ceil((end - start) / 4)) + 1)


def add_surface(rng, parts, palette, road):
    """Asphalt, lane by lane so that wheels run along its tracks, and shoulders beside them."""
    for low, high in road.paved:
        lanes = sorted(
            (lane for lane in road.lanes if low < lane.aside < high), key=lambda lane: lane.aside
        )
        cuts = [lane.aside + side * lane.width / 2 for lane in lanes for side in (-1, 1)]
        strips = [(low, cuts[0], palette.shoulder), (cuts[-1], high, palette.shoulder)]
        strips += [(*cuts[i : i + 2], palette.asphalt) for i in range(0, len(cuts), 2)]
        for right, left, material in strips:
            mesh = sweep(road, ((left, 0), (right, 0)), stretch=4)
            parts.add(material, replace(mesh, uv=mesh.uv + (rng.uniform(0, 3.5), 0)))


def add_markings(rng, parts, palette, road, end=260.0):
    """The road's lines, solid or dashed."""
    for line in road.lines:
        material, half = palette.yellow if line.yellow else palette.white, line.width / 2
        section = (line.aside + half, LIFT), (line.aside - half, LIFT)
        if not line.gap:
            parts.add(material, sweep(road, section, STATIONS[STATIONS <= end]))
            continue
        for start in np.arange(
            rng.uniform(-20, -20 + line.dash + line.gap), end, line.dash + line.gap
        ):
            parts.add(material, sweep(road, section, steps_between(start, start + line.dash)))


def add_ground(parts, palette, road):
    """Grass along the road and the country behind it, to the horizon."""
    right, left = road.edges
    far = np.concatenate([np.arange(1, 30, 2), np.geomspace(30, 2600, 45)])
    aside = np.concatenate(
        [-far[::-1] + right, [right - 0.3, right + 0.1], [left - 0.1], [left + 0.3], far + left]
    )[::-1]
    up = road.ground(STATIONS[:, None], aside[None])
    points = road.place(STATIONS[:, None], aside[None], up)
    uv = np.stack(np.broadcast_arrays(STATIONS[:, None], aside[None]), 2)
    near = np.flatnonzero((aside > right - 40) & (aside < left + 40))
    close = STATIONS < 400
    middle = slice(near[0], near[-1] + 1)
    parts.add(palette.grass, grid(points[close][:, middle], uv[close][:, middle]))
    parts.add(
        palette.land,
        grid(
            points[~close | np.roll(~close, -1)][:, middle],
            uv[~close | np.roll(~close, -1)][:, middle],
        ),
    )
    for outer in (slice(None, near[0] + 1), slice(near[-1], None)):
        parts.add(palette.land, grid(points[:, outer], uv[:, outer]))


def _shift(along, bend, end):
    """How far a course has left its tangent: its slope grows over `bend` metres, then goes."""
    knots = np.linspace(0, 3200, 3201)
    slope = np.interp(knots, (0, bend, (bend + end) / 2, end), (0, 1, 1, 0))
    total = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2)])
    return np.interp(along, knots, total)


def _rise(value, start, end):
    """0 up to `start`, 1 from `end` on, smooth between."""
    share = ((np.asarray(value) - start) / (end - start)).clip(0, 1)
    return share * share * (3 - 2 * share)
