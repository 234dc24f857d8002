"""Triangle meshes that rooms are built from: boxes, turned bodies, cushions and bent sheets.

Metres, z up. Texture coordinates are metres too, so that a texture keeps its real size on every
object; with `fit` they run from 0 to 1 over a face instead, for pictures and screens.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """Vertices (n, 3), unit normals (n, 3), texture coordinates (n, 2) and triangles (m, 3)."""

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray


def place(mesh, at=(0, 0, 0), turn=0.0):
    """The mesh turned about the vertical by `turn` degrees, then moved by `at`."""
    angle = np.deg2rad(turn)
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    return replace(
        mesh, vertices=mesh.vertices @ rotation.T + at, normals=mesh.normals @ rotation.T
    )


def join(meshes):
    """One mesh that holds all of `meshes`."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def grid(points, uv, normals=None):
    """A sheet through `points` (rows, columns, 3); normals follow the sheet unless given."""
    rows, columns = points.shape[:2]
    if normals is None:
        normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    normals = normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + columns], 1)
    upper = np.stack([corner + 1, corner + columns + 1, corner + columns], 1)
    return Mesh(
        points.reshape(-1, 3),
        normals.reshape(-1, 3),
        uv.reshape(-1, 2),
        np.concatenate([lower, upper]),
    )


def quad(corner, across, up, fit=False):
    """A flat rectangle from `corner` along the vectors `across` and `up`; it faces across x up."""
    corner, across, up = (np.asarray(vector, float) for vector in (corner, across, up))
    steps = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    size = (1, 1) if fit else (np.linalg.norm(across), np.linalg.norm(up))
    normal = np.cross(across, up)
    return Mesh(
        corner + steps @ np.stack([across, up]),
        np.tile(normal / np.linalg.norm(normal), (4, 1)),
        steps * size,
        np.array([[0, 1, 2], [0, 2, 3]]),
    )


def box(width, depth, height, at=(0, 0, 0), fit=False):
    """A box that stands with the middle of its bottom face on `at`."""
    x, y, z = np.eye(3) * (width, depth, height)
    low = np.asarray(at, float) - (x + y) / 2
    sides = [(low, x, z), (low + x, y, z), (low + x + y, -x, z), (low + y, -y, z)]
    ends = [(low + z, x, y), (low + y, x, -y)]
    return join([quad(*face, fit=fit) for face in sides + ends])


def turned(profile, at=(0, 0, 0), segments=20):
    """A body of revolution about the vertical through `at`; `profile` lists (radius, height)."""
    angles = np.linspace(0, 2 * np.pi, segments + 1)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    rings = []
    for (r0, z0), (r1, z1) in zip(profile[:-1], profile[1:], strict=True):
        points = np.stack(
            [np.insert(circle * radius, 2, z, axis=1) for radius, z in ((r0, z0), (r1, z1))]
        )
        slope = np.insert(circle * (z1 - z0), 2, r0 - r1, axis=1)
        around = np.broadcast_to(angles * max(r0, r1), (2, len(angles)))
        along = np.broadcast_to([[z0], [z0 + np.hypot(r1 - r0, z1 - z0)]], around.shape)
        rings.append(grid(points, np.stack([around, along], 2), np.stack([slope, slope])))
    return place(join(rings), at)


def cushion(width, depth, height, at=(0, 0, 0), squareness=0.6):
    """A rounded body (superellipsoid) on `at`: squareness 0 is a ball, near 1 a box."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 13)[:, None]
    longitude = np.linspace(-np.pi, np.pi, 28)[None]

    def surface(power):
        waves = (np.cos(latitude), np.sin(latitude), np.cos(longitude), np.sin(longitude))
        up, rise, east, north = (np.sign(wave) * np.abs(wave) ** power for wave in waves)
        return np.stack(np.broadcast_arrays(up * east, up * north, rise), 2)

    half = np.array([width, depth, height]) / 2
    uv = np.broadcast_arrays(longitude * (width + depth) / 2 / np.pi, latitude * height / 2)
    points, normals = surface(1 - squareness) * half, surface(1 + squareness) / half
    return place(grid(points, np.stack(uv, 2), normals), np.add(at, (0, 0, half[2])))


class Parts(list):
    """A thing of several materials: a list of (mesh, material). x, y, z is where a shape stands."""

    def add(self, material, mesh, x=0.0, y=0.0, z=0.0, turn=0.0):
        """Adds a mesh, turned by `turn` degrees and moved."""
        self.append((place(mesh, (x, y, z), turn), material))

    def box(self, material, width, depth, height, x=0.0, y=0.0, z=0.0, turn=0.0, fit=False):
        """Adds a box."""
        self.add(material, box(width, depth, height, fit=fit), x, y, z, turn)

    def turned(self, material, *profile, x=0.0, y=0.0, z=0.0):
        """Adds a body of revolution."""
        self.add(material, turned(profile), x, y, z)

    def cushion(self, material, *size, x=0.0, y=0.0, z=0.0, turn=0.0, squareness=0.6):
        """Adds a rounded body of size (width, depth, height)."""
        self.add(material, cushion(*size, squareness=squareness), x, y, z, turn)

    def put(self, parts, x=0.0, y=0.0, z=0.0, turn=0.0):
        """Adds another thing."""
        for mesh, material in parts:
            self.add(material, mesh, x, y, z, turn)


def merge(parts):
    """One (mesh, material) for each material of `parts`, in the order of first use."""
    groups = {}
    for mesh, material in parts:
        groups.setdefault(id(material), (material, []))[1].append(mesh)
    return [(join(meshes), material) for material, meshes in groups.values()]


def loft(rings):
    """A body through closed rings of points (rings, points, 3), its two ends shut.

    Rings run counterclockwise seen from where the body goes.
    """
    rings = np.asarray(rings, float)
    middle = rings.mean(1, keepdims=True)
    points = np.concatenate([rings, rings[:, :1]], 1)
    ends = [
        np.concatenate([np.repeat(middle[i], points.shape[1], 0)[None], points[i][None]])
        for i in (0, -1)
    ]
    ends[1] = ends[1][::-1]
    return join([_sheet(sheet) for sheet in (points, *ends)])


def plate(sides, radius, lean=0.0):
    """A flat polygon about the origin that faces -x, its texture fitted; `lean` turns it in plane.

    With 24 sides a disc, with 3 and a lean of 90 a triangle on its base.
    """
    angles = np.arange(sides) * 2 * np.pi / sides + np.deg2rad(lean)
    rim = np.stack([np.cos(angles), np.sin(angles)], 1) * radius
    points = np.concatenate([np.zeros((1, 2)), rim])
    following = np.roll(np.arange(1, sides + 1), -1)
    return Mesh(
        np.stack([np.zeros(sides + 1), -points[:, 0], points[:, 1]], 1),
        np.tile([-1.0, 0, 0], (sides + 1, 1)),
        points / radius / 2 + 0.5,
        np.stack([np.zeros(sides, int), np.arange(1, sides + 1), following], 1),
    )


def cards(rng, points, normals, length, width, upright=0.0):
    """Leaves: a rhombus (length, width) about each of `points` (n, 3), turned at random.

    They are lit as the surface that `normals` (n, 3) describe, so that a crown looks round;
    `upright` from 0 to 1 makes them stand, as grass does.
    """
    along = rng.normal(size=(len(points), 3)) * (1 - upright) + np.array([0, 0, 2 * upright])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.normal(size=(len(points), 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    size = rng.uniform(0.7, 1.3, (len(points), 1)) / 2
    tips, edges = along * size * length, across * size * width
    corners = np.stack([points - tips, points + edges, points + tips, points - edges], 1)
    first = 4 * np.arange(len(points))[:, None]
    return Mesh(
        corners.reshape(-1, 3),
        np.repeat(normals, 4, 0),
        rng.uniform(0, 4, (4 * len(points), 2)),
        np.concatenate([first + (0, 1, 2), first + (0, 2, 3)]),
    )


def _sheet(points):
    """A sheet with texture coordinates in metres along both of its directions."""
    steps = [np.linalg.norm(np.diff(points, axis=axis), axis=2).mean(1 - axis) for axis in (0, 1)]
    down, right = (np.concatenate([[0], np.cumsum(step)]) for step in steps)
    return grid(points, np.stack(np.meshgrid(right, down), 2))
