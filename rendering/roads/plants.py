"""Trees, bushes and grass: clouds of leaves, fewer and larger the further off they stand."""

import numpy as np

from rendering.palette import pick
from rendering.shapes import Parts, cards, loft


def tree(rng, palette, distance, height=None):
    """A broad-leaved tree, a poplar or a fir that is to be seen from `distance` metres."""
    kind = rng.choice(3, p=(0.68, 0.1, 0.22))
    height = height or rng.uniform(6, 15) * (1, 1.35, 1.1)[kind]
    parts, trunk = Parts(), (0.28, 0.08, 0.12)[kind] * height
    foot = 0.018 * height + 0.05
    parts.turned(palette.bark, (1.3 * foot, -0.5), (foot, 0.3), (0.5 * foot, 0.8 * height))
    leaf = float(np.clip(0.012 * distance, 0.2, 1.1))
    if kind == 2:
        add_fir(rng, parts, palette, trunk, height, leaf)
        return parts
    blobs = draw_blobs(rng, trunk, height, kind)
    material = pick(rng, palette.leaves)
    for middle, size in blobs:
        add_blob(rng, parts, material, middle, size, leaf)
    if kind == 0:
        for middle, _ in blobs[1:5]:  # boughs
            add_bough(parts, palette.bark, (0, 0, 0.85 * trunk), middle, 0.4 * foot)
    return parts


def draw_blobs(rng, trunk, height, kind):
    """(middle, half axes) of the lumps that make a crown."""
    crown = height - trunk
    half = np.array([0.5, 0.5, 0.5]) * crown * ((0.8, 0.8, 1), (0.22, 0.22, 1))[kind]
    centre = np.array([0, 0, trunk + crown / 2])
    blobs = [(centre, half * 0.75)]
    for _ in range((11, 5)[kind]):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        blobs.append((centre + direction * half * 0.62, half * rng.uniform(0.3, 0.5)))
    return blobs


def add_blob(rng, parts, material, middle, size, leaf):
    """Leaves over an ellipsoid, as many as cover it about once."""
    area = 4 * np.pi * np.mean(size) ** 2
    count = int(np.clip(1.3 * area / (0.45 * leaf**2), 12, 900))
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = middle + normals * size * rng.uniform(0.8, 1.05, (count, 1))
    normals[:, 2] += 0.25
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    parts.add(material, cards(rng, points, normals, 1.3 * leaf, 0.8 * leaf))


def add_fir(rng, parts, palette, trunk, height, leaf):
    """Needles on a cone, in drooping tiers."""
    radius = rng.uniform(0.16, 0.24) * height
    count = int(np.clip(2.2 * np.pi * radius * height / (0.45 * leaf**2), 80, 4000))
    share = 1 - np.sqrt(rng.uniform(0, 1, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    tier = 0.75 + 0.35 * (1 - (share * rng.integers(7, 12)) % 1)
    out = radius * (1 - share) * tier * rng.uniform(0.75, 1.0, count)
    outward = np.stack([np.cos(angle), np.sin(angle), np.zeros(count)], 1)
    points = outward * out[:, None] + np.outer(trunk + share * (height - trunk), (0, 0, 1))
    normals = outward + (0, 0, 0.5)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    parts.add(palette.needles, cards(rng, points, normals, 1.6 * leaf, 0.7 * leaf))


def add_bough(parts, material, start, end, radius):
    """A straight bough."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    angles = np.linspace(0, 2 * np.pi, 7)[:-1]
    circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1)
    parts.add(material, loft([start + radius * circle, end + 0.3 * radius * circle]))


def bush(rng, palette, distance):
    """A bush of a few lumps."""
    parts, material = Parts(), pick(rng, palette.leaves)
    leaf = float(np.clip(0.012 * distance, 0.12, 0.7))
    for _ in range(rng.integers(2, 5)):
        size = rng.uniform((0.5, 0.5, 0.4), (1.3, 1.3, 1.2))
        middle = np.array([*rng.uniform(-1, 1, 2), 0.6 * size[2]])
        add_blob(rng, parts, material, middle, size, leaf)
    return parts


def add_meadow(rng, parts, palette, road, count=5000):
    """Blades of grass on the near verges, thinner with distance."""
    right, left = road.edges
    along = rng.uniform(1.5, 9.0, count) ** 1.9
    out = 0.4 + rng.exponential(2.5, count)
    aside = np.where(rng.random(count) < 0.5, right - out, left + out)
    points = road.place(along, aside, road.ground(along, aside) + 0.08)
    normals = np.tile([0.0, 0, 1], (count, 1))
    half = rng.random(count) < 0.6
    for chosen, material in zip((half, ~half), palette.blades, strict=True):
        blades = cards(rng, points[chosen], normals[chosen], 0.4, 0.06, upright=0.75)
        parts.add(material, blades)
