"""Cars, vans and lorries at real sizes. They stand on the origin, their nose towards +x."""

import numpy as np

from rendering.palette import pick
from rendering.roads.palette import RoadMaterial
from rendering.roads.textures import tarpaulin, trailer_doors
from rendering.shapes import Mesh, Parts, loft, quad, turned

AROUND = np.linspace(0, 2 * np.pi, 25)[:-1]


def draw_vehicle(rng, palette, heavy):
    """(parts, length): a lorry with the chance `heavy`, else mostly a car."""
    if rng.random() < heavy:
        return pick(rng, (lorry, lorry, tipper, rigid_lorry))(rng, palette)
    return pick(rng, (car, car, car, car, van))(rng, palette)


def car(rng, palette):
    """A hatchback, saloon or estate, or a tall one of these."""
    parts, paint = Parts(), palette.car_paint(rng)
    length, half, top = rng.uniform(3.9, 4.8), rng.uniform(0.86, 0.93), rng.uniform(1.42, 1.72)
    waist, boot = 0.62 * top, rng.choice([0.0, 0.0, 0.14])
    rear, nose = -length / 2, length / 2
    body = [
        (rear, 0.86, 0.5, 0.75),
        (rear + 0.06, 0.97, 0.33, 0.95),
        (rear + 0.5, 1, 0.22, 1.0),
        (0.1 * length, 1, 0.2, 1.0),
        (0.3 * length, 0.99, 0.2, 0.9),
        (nose - 0.25, 0.93, 0.25, 0.78),
        (nose, 0.8, 0.4, 0.6),
    ]
    add_body(parts, paint, [(x, w * half, low, high * waist) for x, w, low, high in body])
    start, end = rear + 0.12 + boot * length, 0.24 * length
    cabin = [
        (start, 0.86, waist),
        (start + 0.3, 0.78, top - 0.12),
        (start + 0.55, 0.75, top),
        (0.02 * length, 0.75, top),
        (0.1 * length, 0.77, top - 0.06),
        (end, 0.86, waist),
    ]
    add_body(parts, palette.glass, [(x, w * half, waist - 0.1, z) for x, w, z in cabin], 0.5)
    roof = [(x, w * half * 1.01, z - 0.05, z + 0.015) for x, w, z in cabin[1:5]]
    add_body(parts, paint, roof, 0.4)
    for side in (-1, 1):
        for x in (start + 0.18, 0.0):  # the pillars beside the windows
            parts.box(paint, 0.09, 0.03, top - waist - 0.08, x + 0.1, side * half * 0.82, waist)
        lamp = rear + 0.05, side * half * 0.72, waist - 0.16
        parts.box(palette.tail_light, 0.08, 0.3, 0.15, *lamp)
        parts.box(palette.head_light, 0.1, 0.3, 0.12, nose - 0.13, side * half * 0.62, 0.52 * waist)
        parts.box(paint, 0.12, 0.18, 0.13, 0.2 * length, side * (half + 0.06), waist)
    parts.box(palette.plate, 0.02, 0.5, 0.11, rear - 0.015, 0, 0.66 * waist)
    parts.box(palette.dark, 0.06, 1.5 * half, 0.2, rear + 0.02, 0, 0.28)
    parts.box(palette.dark, 0.06, 1.1 * half, 0.14, nose - 0.04, 0, 0.35)
    add_wheels(parts, palette, (-0.3 * length, 0.31 * length), half - 0.09, 0.32, 0.2)
    return parts, length


def van(rng, palette):
    """A panel van."""
    parts, paint, length = Parts(), palette.car_paint(rng), rng.uniform(4.9, 6.2)
    half, top, rear, nose = 0.98, rng.uniform(1.95, 2.6), -length / 2, length / 2
    body = [
        (rear, 0.95, 0.4, top - 0.06),
        (rear + 0.1, 1, 0.32, top),
        (nose - 1.9, 1, 0.3, top),
        (nose - 1.55, 0.98, 0.3, top - 0.1),
        (nose - 0.8, 0.96, 0.3, 1.25),
        (nose - 0.1, 0.9, 0.32, 1.0),
        (nose, 0.8, 0.4, 0.75),
    ]
    add_body(parts, paint, [(x, w * half, low, high) for x, w, low, high in body], 0.15)
    for side in (-1, 1):
        pane = (rear - 0.02, side * 0.45 + 0.33, 1.15), (0, -0.66, 0), (0, 0, top - 1.5)
        parts.add(palette.glass, quad(*pane))
        parts.box(palette.tail_light, 0.05, 0.13, 0.5, rear, side * 0.86, 0.85)
        parts.box(palette.head_light, 0.1, 0.25, 0.2, nose - 0.08, side * 0.66, 0.72)
        parts.box(palette.glass, 0.8, 0.02, 0.5, nose - 1.55, side * 0.955, 1.2)
    slope = np.array([0.75, 0, 1.35 - top])
    screen = (nose - 1.53, 0.8, top - 0.09), (0, -1.6, 0), slope
    parts.add(palette.glass, quad(*screen))
    parts.box(palette.dark, 0.06, 1.9, 0.18, rear - 0.01, 0, 0.36)
    parts.box(palette.plate, 0.02, 0.5, 0.11, rear - 0.05, 0, 0.6)
    add_wheels(parts, palette, (-0.3 * length, 0.33 * length), 0.88, 0.34, 0.22)
    return parts, length


def lorry(rng, palette):
    """A tractor with a box or a curtain trailer: 2.55 m wide, 4 m high, 16.5 m long."""
    parts, color, length = Parts(), palette.load_color(rng), rng.uniform(13.0, 13.7)
    rear, top = -8.25, rng.uniform(3.8, 4.0)
    add_load(rng, parts, palette, color, rear, length, 1.15, top)
    add_cab(rng, parts, palette, 8.2, 0.62 * top + 1.35)
    add_chassis(parts, palette, rear, 7.9, (rear + 2.3, rear + 3.6, rear + 4.9, 3.5, 7.1))
    return parts, 16.5


def rigid_lorry(rng, palette):
    """A lorry of one piece with a box."""
    parts, color, length = Parts(), palette.load_color(rng), rng.uniform(5.5, 8.0)
    whole, top = length + 2.4, rng.uniform(3.1, 3.8)
    rear = -whole / 2
    add_load(rng, parts, palette, color, rear, length, 1.0, top)
    add_cab(rng, parts, palette, whole / 2, rng.uniform(2.7, 3.2))
    add_chassis(parts, palette, rear, whole / 2, (rear + 1.8, whole / 2 - 1.3))
    return parts, whole


def tipper(rng, palette):
    """A lorry with an open ribbed body, as for sand or grain."""
    parts, color, rear = Parts(), palette.load_color(rng), -4.4
    paint = RoadMaterial(tarpaulin(rng, color * 0.85))
    length, low, top = 6.0, 1.15, rng.uniform(2.7, 3.6)
    for side in (-1, 1):
        parts.box(paint, length, 0.08, top - low, rear + length / 2, side * 1.2, low)
        for x in np.arange(0.2, length, 0.75):
            parts.box(paint, 0.1, 0.07, top - low, rear + x, side * 1.26, low)
    for x in (0.04, length - 0.04):
        parts.box(paint, 0.08, 2.4, top - low, rear + x, 0, low)
    for y in np.arange(-1.0, 1.1, 0.5):
        parts.box(paint, 0.07, 0.09, top - low, rear - 0.03, y, low)
    parts.box(palette.dark, length, 2.4, 0.1, rear + length / 2, 0, low)
    add_cab(rng, parts, palette, 4.4, rng.uniform(2.9, 3.3))
    add_chassis(parts, palette, rear, 4.3, (rear + 1.2, rear + 2.5, 1.2, 2.9))
    return parts, 8.8


def add_load(rng, parts, palette, color, rear, length, low, top):
    """A closed body with doors behind."""
    side = RoadMaterial(tarpaulin(rng, color))
    doors = RoadMaterial(trailer_doors(rng, color), night=0.02)
    tall, front, half = (0, 0, top - low), rear + length, 1.275
    parts.add(doors, quad((rear, half, low), (0, -2 * half, 0), tall, fit=True))
    for start in np.linspace(0, 1, 3)[:-1] * length:  # a name on each half of each side
        run = length / 2
        parts.add(side, quad((rear + start, -half, low), (run, 0, 0), tall, fit=True))
        parts.add(side, quad((front - start, half, low), (-run, 0, 0), tall, fit=True))
    parts.add(side, quad((front, -half, low), (0, 2 * half, 0), tall, fit=True))
    parts.add(side, quad((rear, -half, top), (length, 0, 0), (0, 2 * half, 0), fit=True))
    parts.add(palette.dark, quad((rear, half, low), (length, 0, 0), (0, -2 * half, 0)))


def add_cab(rng, parts, palette, nose, top):
    """A cab with its windscreen, up to `top`."""
    paint = palette.car_paint(rng)
    stations = [
        (nose - 2.2, 1.22, 0.7, top),
        (nose - 0.5, 1.24, 0.6, top),
        (nose - 0.12, 1.2, 0.5, top - 0.5),
        (nose, 1.15, 0.5, top - 1.1),
    ]
    add_body(parts, paint, stations, 0.12)
    pane = (nose - 0.02, -1.05, top - 1.15), (0, 2.1, 0), (-0.17, 0, 0.75)
    parts.add(palette.glass, quad(*pane))
    for side in (-1, 1):
        parts.box(palette.glass, 0.8, 0.03, 0.65, nose - 0.9, side * 1.235, top - 1.2)
        parts.box(palette.dark, 0.12, 0.22, 0.55, nose - 0.25, side * 1.4, top - 1.3)
        parts.box(palette.head_light, 0.08, 0.4, 0.18, nose, side * 0.85, 0.65)


def add_chassis(parts, palette, rear, nose, axles):
    """Frame, lights, bumper bar, mudflaps and wheels."""
    parts.box(palette.dark, nose - rear - 0.3, 0.9, 0.45, (nose + rear) / 2, 0, 0.65)
    parts.box(palette.steel, 0.12, 2.3, 0.14, rear + 0.1, 0, 0.45)
    parts.box(palette.dark, 0.1, 2.5, 0.22, rear + 0.04, 0, 0.92)
    parts.box(palette.plate, 0.02, 0.52, 0.12, rear - 0.03, 0, 0.75)
    for side in (-1, 1):
        parts.box(palette.tail_light, 0.06, 0.42, 0.13, rear - 0.02, side * 0.98, 0.95)
        parts.box(palette.rubber, 0.02, 0.55, 0.5, rear + 0.35, side * 0.95, 0.25)
        parts.box(palette.dark, 0.45 * (nose - rear), 0.05, 0.5, (nose + rear) / 2, side * 1.2, 0.5)
    add_wheels(parts, palette, axles, 1.12, 0.5, 0.34)


def add_wheels(parts, palette, axles, aside, radius, width):
    """Tyres and rims on each of `axles` (x), their middle `aside`."""
    tyre = turned(
        [
            (0.6 * radius, -width / 2),
            (radius, -0.4 * width),
            (radius, 0.4 * width),
            (0.6 * radius, width / 2),
        ]
    )
    rim = turned(
        [
            (0, -0.45 * width),
            (0.62 * radius, -0.45 * width),
            (0.62 * radius, 0.45 * width),
            (0, 0.45 * width),
        ]
    )
    for material, mesh in ((palette.rubber, tyre), (palette.alloy, rim)):
        lying = Mesh(
            *(field[:, [0, 2, 1]] for field in (mesh.vertices, mesh.normals)),
            mesh.uv,
            mesh.faces[:, ::-1],
        )
        for x in axles:
            for side in (-1, 1):
                parts.add(material, lying, x, side * aside, radius)


def add_body(parts, material, stations, squareness=0.3):
    """A rounded body through `stations` (x, half width, low, high), from behind to the front."""
    east, rise = (
        np.sign(wave) * np.abs(wave) ** squareness for wave in (np.cos(AROUND), np.sin(AROUND))
    )
    rings = [
        np.stack(
            [np.full(len(AROUND), x), half * east, (low + high) / 2 + (high - low) / 2 * rise], 1
        )
        for x, half, low, high in stations
    ]
    parts.add(material, loft(rings))
