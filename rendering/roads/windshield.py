"""The pane before the camera: the dashboard that it mirrors, and drops of rain on it."""

import cv2
import numpy as np

from rendering import textures
from rendering.lights import Sky, Sun, sky_directions
from rendering.palette import Material, plain
from rendering.shapes import Mesh, Parts, quad
from rendering.textures import pick_color

INDEX = 1.52  # of glass
AHEAD, BELOW = 0.25, 0.45  # metres from the camera to the pane, and down to the dashboard


def pane_normal(tilt):
    """The unit vector from the pane to the driver; `tilt` is its angle from upright, degrees."""
    tilt = np.deg2rad(tilt)
    return np.array([-np.cos(tilt), 0.0, -np.sin(tilt)])


def reflectance(cosine):
    """The share of light that a pane of glass mirrors, both of its faces, unpolarised (Fresnel)."""
    cosine = np.clip(cosine, 0, 1)
    inside = np.sqrt(1 - (1 - cosine**2) / INDEX**2)
    across = ((cosine - INDEX * inside) / (cosine + INDEX * inside)) ** 2
    along = ((INDEX * cosine - inside) / (INDEX * cosine + inside)) ** 2
    face = (across + along) / 2
    return 2 * face / (1 + face)


def draw_dashboard(rng, tilt):
    """A dashboard and what lies on it, in metres from the camera: x ahead, y left, z up.

    It reaches from under the pane's foot towards the driver; a roof shades what lies behind.
    """
    parts, base = Parts(), AHEAD + BELOW * np.tan(np.deg2rad(tilt))
    grey = pick_color(rng, (0.05, 0.12), (0.0, 0.3), (0.2, 0.7))
    skin, dark = Material(textures.carpet(rng, grey), 0.15, "satin"), plain(0.08)
    depth = base + 0.25
    top = quad((-0.25, -0.9, -BELOW), (depth, 0, 0), (0, 1.8, 0))
    parts.add(skin, top)
    for y in rng.uniform(-0.7, 0.7, 3):  # vents and loudspeakers
        parts.box(
            dark, rng.uniform(0.03, 0.07), rng.uniform(0.2, 0.4), 0.004, base - 0.12, y, -BELOW
        )
    parts.cushion(skin, 0.3, 0.42, 0.1, x=0.3, y=0.35 * rng.choice([-1, 1]), z=-BELOW - 0.02)
    parts.box(skin, 0.03, 1.8, 0.03, base - 0.24, 0, -BELOW)
    for _ in range(rng.integers(2, 7)):  # sheets, a cloth, a telephone, a box
        place, turn = rng.uniform((0.2, -0.5), (base - 0.15, 0.5)), rng.uniform(-40, 40)
        size = rng.uniform(0.06, 0.3, 2)
        color = pick_color(rng, (0, 1), (0.0, 0.6), (0.35, 1.0))
        thing = Material(textures.paint(rng, color, 0.05), 0.3)
        parts.box(thing, *size, rng.choice([0.003, 0.003, 0.05]), *place, -BELOW, turn)
    parts.box(dark, 2.0, 2.2, 0.05, -1.0 - rng.uniform(0, 0.15), 0, 0.2)
    for side in (-1, 1):  # pillars
        parts.box(dark, 0.09, 0.09, 1.2, rng.uniform(0.3, 0.7), side * 0.85, -BELOW)
    return parts


def mirror(parts, tilt, at):
    """`parts` as the pane shows them, behind itself, to a camera that stands `at`."""
    normal = pane_normal(tilt)
    turn = np.eye(3) - 2 * np.outer(normal, normal)
    shift = np.asarray(at) + 2 * AHEAD * normal[0] * normal
    mirrored = Parts()
    for mesh, material in parts:
        points, normals = mesh.vertices @ turn + shift, mesh.normals @ turn
        mirrored.append((Mesh(points, normals, mesh.uv, mesh.faces[:, ::-1]), material))
    return mirrored


def mirror_lights(lights, tilt):
    """Sun and sky as they must shine on the mirrored dashboard."""
    normal = pane_normal(tilt)
    turn = np.eye(3) - 2 * np.outer(normal, normal)
    mirrored = []
    for light in lights:
        if isinstance(light, Sun):
            mirrored.append(Sun(light.towards @ turn, light.irradiance))
        else:
            height, width = light.radiance.shape[:2]
            x, y, z = np.moveaxis(sky_directions(64, 128) @ turn, 2, 0)
            row = np.arccos(z.clip(-1, 1)) / np.pi * height
            column = np.arctan2(x, y) / (2 * np.pi) % 1 * width
            rows, columns = row.astype(int).clip(0, height - 1), column.astype(int) % width
            mirrored.append(Sky(light.radiance[rows, columns]))
    return mirrored


def add_drops(picture, rng, count):
    """The picture seen through drops on the pane: each shows it small and upside down."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y, gain = columns.copy(), rows.copy(), np.ones((height, width, 1), np.float32)
    unit = width / 320
    for _ in range(count):
        centre = rng.uniform((0, 0), (width, height))
        radius = unit * rng.uniform(1.2, 5.5) ** 1.1
        across, down = columns - centre[0], rows - centre[1]
        far = np.hypot(across, down * rng.uniform(0.75, 1.0)) / radius
        inside = far < 1
        bend = rng.uniform(4, 9) * (1 - 0.3 * far[inside])
        x[inside], y[inside] = centre[0] - across[inside] * bend, centre[1] - down[inside] * bend
        gain[inside, 0] = 1.1 - 0.45 * far[inside] ** 3
    blurred = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.2 * unit)
    through = cv2.remap(blurred, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    drop = ((x != columns) | (y != rows)).astype(np.float32)
    share = cv2.GaussianBlur(drop, (0, 0), 0.6 * unit)[..., None]
    return picture * (1 - share) + through * gain * share
