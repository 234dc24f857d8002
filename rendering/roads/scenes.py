"""Road scenes: a motorway, a country road, a tunnel or a street, traffic, the camera in a car.

`build_scene` is a pure function of a seed and gives plain arrays; it needs no renderer.
"""

from dataclasses import dataclass, field

import numpy as np

from rendering.camera import Camera
from rendering.roads import plants, roadside
from rendering.roads.palette import RoadPalette
from rendering.roads.road import Lane, Line, Road, add_ground, add_markings, add_surface, draw_hills
from rendering.roads.street import draw_street, furnish_street
from rendering.roads.tunnel import add_tunnel, draw_bore
from rendering.roads.vehicles import draw_vehicle
from rendering.shapes import Parts

# The kind of each scene in turn, unless others are asked for; of eight, one is a tunnel.
KINDS_IN_TURN = (
    "motorway",
    "country",
    "motorway",
    "country",
    "tunnel",
    "motorway",
    "country",
    "motorway",
)
FOGS = {"fog_300": 300.0, "fog_120": 120.0, "fog_50": 50.0}  # visibility, metres
# The light and weather that a scene comes in, outside and in a tunnel.
OUTSIDE = ("overcast", "clear", "low_sun", "reflection", *FOGS, "rain", "night")
INSIDE = ("lamps", "reflection", "night")


@dataclass
class RoadScene:
    """What stands in a scene, the camera, and (azimuth, elevation) of a high and of a low sun.

    Degrees; the azimuth is to the left of the road ahead.
    """

    kind: str
    road: Road
    camera: Camera
    sun: tuple[float, float]
    low_sun: tuple[float, float]
    parts: Parts = field(default_factory=Parts)
    lights: tuple = ()  # none are part of the scene; each condition brings its own


def conditions_of(kind, only=None):
    """The names of the conditions that a kind of scene has, of those in `only` if it is given."""
    names = INSIDE if kind == "tunnel" else OUTSIDE
    return tuple(name for name in names if only is None or name in only)


def build_scene(kind, seed, view=None):
    """The scene of `kind` that belongs to `seed`, an integer or several.

    `view` is the spec of the dataset whose camera looks at it; None draws a camera.
    Errors: ValueError for a spec that does not say how high its camera stands.
    """
    if view and not view.camera_height:
        raise ValueError(f"`view` must have a `camera_height`. Received: view={view.name!r}.")
    rng = np.random.default_rng(seed)
    palette = RoadPalette(rng)
    road, lane = DRAW[kind](rng)
    azimuth, low = rng.uniform(-180, 180), rng.normal(0, 14)
    sun, low_sun = (azimuth, rng.uniform(20, 48)), (low, rng.uniform(7, 17))
    scene = RoadScene(kind, road, draw_camera(rng, kind, lane, view), sun, low_sun)
    add_surface(rng, scene.parts, palette, road)
    add_markings(rng, scene.parts, palette, road)
    add_traffic(rng, scene, palette, lane)
    if kind == "tunnel":
        add_tunnel(rng, scene.parts, palette, road)
        return scene
    add_ground(scene.parts, palette, road)
    if kind == "street":
        furnish_street(rng, scene, palette)
        return scene
    plants.add_meadow(rng, scene.parts, palette, road)
    {"motorway": furnish_motorway, "country": furnish_country}[kind](rng, scene, palette)
    add_plants(rng, scene, palette)
    return scene


def draw_motorway(rng):
    """A motorway and the lane that the camera drives in: two carriageways of two or three lanes."""
    count, width, median = rng.integers(2, 4), rng.uniform(3.5, 3.75), rng.uniform(3, 5)
    inner, hard = median / 2 - 1.0, rng.uniform(1.5, 3.0)
    lanes, lines = [], []
    for way in (1, -1):  # ours lies right of the middle
        edge = way * -(inner + 1.0)
        for number in range(count):
            lanes.append(Lane(edge - way * (number + 0.5) * width, width, way))
        lines += [Line(edge, 0.2), Line(edge - way * count * width, 0.25)]
        lines += [Line(edge - way * n * width, 0.15, 6.0, 12.0) for n in range(1, count)]
    outer = inner + 1.0 + count * width + hard
    paved = (-outer, -inner), (inner, outer)
    course = rng.normal(0, 0.09), rng.normal(0, 0.012)
    bank = draw_banks(rng, 5.0)
    road = Road(*course, paved, tuple(lanes), tuple(lines), 2.5, bank, draw_hills(rng))
    return road, lanes[rng.integers(count)]


def draw_country(rng):
    """A road of two lanes; the middle line is dashed, unbroken or double, here and there yellow."""
    width, border, yellow = rng.uniform(3.0, 3.6), rng.uniform(0.2, 1.2), rng.random() < 0.2
    lanes = Lane(-width / 2, width, 1), Lane(width / 2, width, -1)
    middle = [
        [Line(0.0, 0.12, *((4.0, 8.0), (3.0, 9.0), (6.0, 6.0))[rng.integers(3)], yellow)],
        [Line(0.0, 0.14, yellow=yellow)],
        [Line(side * 0.13, 0.12, yellow=yellow) for side in (-1, 1)],
    ][rng.choice(3, p=(0.65, 0.15, 0.2))]
    edges = [Line(side * (width - 0.05), 0.13) for side in (-1, 1)] if rng.random() < 0.75 else []
    course = rng.normal(0, 0.14), rng.normal(0, 0.02)
    paved = ((-width - border, width + border),)
    bank = draw_banks(rng, 2.5)
    return Road(*course, paved, lanes, (*middle, *edges), 1.2, bank, draw_hills(rng)), lanes[0]


def draw_banks(rng, most):
    """How far the ground rises (cutting) or falls (embankment) to the right and to the left."""
    both = rng.uniform(-0.6, 1.0) * most
    return tuple(float(both + rng.normal(0, 0.25) * most) for _ in range(2))


def draw_camera(rng, kind, lane, view=None):
    """A camera behind the windscreen of a car, a van or a lorry in `lane`, or the one of `view`."""
    aside = lane.aside + rng.normal(0, 0.2)
    focal = 0.5 / np.tan(np.deg2rad(rng.uniform(56, 64) / 2))
    pitch, roll = rng.normal(-2.5, 1.5), np.clip(rng.normal(0, 0.7), -2, 2)
    up, yaw = rng.uniform(1.2, 2.0), rng.normal(0, 1.5)
    if view:
        focal, up = view.focal, view.camera_height + 0.1 * (up - 1.6)  # it rocks by 4 cm
        level = np.arctan((view.horizon - 0.5) / (view.focal * view.aspect))
        pitch, roll = np.rad2deg(level) + 0.3 * (pitch + 2.5), 0.7 * roll
    if kind == "street" and rng.random() < 0.3:
        yaw *= 12  # it turns off
    place = (0.0, float(aside), float(up))
    return Camera(place, float(yaw), float(np.clip(pitch, -6, 1)), float(roll), float(focal))


def add_traffic(rng, scene, palette, own):
    """Vehicles in every lane. Those just beside and behind the camera only cast shadows."""
    outer = min(lane.aside for lane in scene.road.lanes)
    for lane in scene.road.lanes:
        slow = abs(lane.aside) > abs(outer) - 1 or len(scene.road.lanes) == 2
        heavy = 0.06 if scene.kind == "street" else 0.55 if slow else 0.2
        gap = rng.uniform(14, 60)
        front = rng.uniform(9, 45) if lane is own else rng.uniform(-70, 30)
        while front < 230:
            parts, length = draw_vehicle(rng, palette, heavy)
            back = front + (length / 2 if lane is own else 0.0)
            turn = 0.0 if lane.way > 0 else 180.0
            aside = lane.aside + rng.normal(0, 0.2)
            roadside.put(scene.parts, scene.road, parts, back, aside, turn=turn)
            front += length + 4 + rng.exponential(gap)
    if scene.kind != "tunnel":
        add_caster(rng, scene, palette, own)


def add_caster(rng, scene, palette, own):
    """Now and then a lorry beside the camera, out of view, on the side that the sun is on."""
    side = np.sign(np.sin(np.deg2rad(scene.sun[0])))
    beside = [lane for lane in scene.road.lanes if 2 < side * (lane.aside - own.aside) < 5]
    if beside and rng.random() < 0.75:
        lane, length = beside[0], 0.0
        while length < 5:
            parts, length = draw_vehicle(rng, palette, 1.0)
        clear = abs(lane.aside - own.aside) - 1.6  # from the camera to the lorry's side
        front = clear * 2 * scene.camera.focal - rng.uniform(0.3, 2.5)
        turn = 0.0 if lane.way > 0 else 180.0
        roadside.put(scene.parts, scene.road, parts, front - length / 2, lane.aside, turn=turn)


def furnish_motorway(rng, scene, palette):
    """Rails or a wall in the middle, rails and posts outside, signs, gantries, bridges, lamps."""
    parts, road = scene.parts, scene.road
    (right, _), (inner, left) = road.paved[0], road.paved[1]
    if rng.random() < 0.35:
        roadside.add_wall(parts, palette, road, 0.0)
    else:
        for side in (-1, 1):
            roadside.add_rail(parts, palette, road, side * (inner - 0.5), side)
    for edge, side in ((right - 0.5, 1), (left + 0.5, -1)):
        style = rng.random()
        if style < 0.65:
            roadside.add_rail(parts, palette, road, edge, side, end=rng.uniform(80, 300))
        elif style < 0.85:
            roadside.add_noise_wall(rng, parts, palette, road, edge - side * 1.2)
    ours = right - 0.9, 0.0
    for along in np.arange(rng.uniform(-40, 70), 260, rng.uniform(90, 260)):
        frame = roadside.gantry(rng, palette, *ours)
        roadside.put(parts, road, frame, along, 0.0)
    if rng.random() < 0.4:
        over = roadside.bridge(rng, palette, right, left)
        turn = rng.uniform(-15, 15)
        roadside.put(parts, road, over, draw_along(rng, scene, 8, 12, 180), 0.0, turn=turn)
    for along in np.arange(rng.uniform(0, 50), 200, 50):
        roadside.put_down(parts, road, roadside.delineator(palette), along, right - 0.9)
    for _ in range(rng.integers(0, 4)):
        board = (roadside.small_sign, roadside.big_sign)[rng.integers(2)](rng, palette)
        roadside.put_down(parts, road, board, rng.uniform(12, 150), right - rng.uniform(1.5, 3))
    if rng.random() < 0.25:
        for along in np.arange(rng.uniform(-30, 0), 200, 40):
            roadside.put_down(
                parts, road, roadside.street_lamp(rng, palette, 2.5), along, right - 1
            )
    add_houses(rng, scene, palette, rng.integers(0, 5), 40, 160)


def furnish_country(rng, scene, palette):
    """Posts, wires, signs, here and there a rail, houses."""
    parts, road = scene.parts, scene.road
    right, left = road.edges
    gap = rng.uniform(18, 50)
    for along in np.arange(rng.uniform(0, gap), 180, gap):
        for aside in (right - 0.5, left + 0.5):
            roadside.put_down(parts, road, roadside.delineator(palette), along, aside)
    for edge, side in ((right - 0.7, 1), (left + 0.7, -1)):
        if rng.random() < 0.3:
            start = rng.uniform(-30, 40)
            roadside.add_rail(parts, palette, road, edge, side, start, start + rng.uniform(40, 120))
    if rng.random() < 0.5:
        pole, side = roadside.wire_pole(rng, palette), rng.choice([right - 4.0, left + 4.0])
        for along in np.arange(rng.uniform(-40, 10), 240, 38):
            roadside.put_down(parts, road, pole, along, side)
    for _ in range(rng.integers(1, 4)):
        sign = roadside.small_sign(rng, palette)
        roadside.put_down(parts, road, sign, rng.uniform(8, 90), right - rng.uniform(0.8, 1.6))
    add_houses(rng, scene, palette, rng.integers(0, 9), 11, 60)


def add_houses(rng, scene, palette, count, near, far):
    """Houses on both sides, `near` to `far` metres from the road's edge."""
    right, left = scene.road.edges
    for along in np.sort(rng.uniform(-10, 230, count)):
        out = rng.uniform(near, far)
        aside = left + out if rng.random() < 0.5 else right - out
        turn = rng.normal(0, 8)
        thing = roadside.house(rng, palette)
        roadside.put_down(scene.parts, scene.road, thing, along, aside, turn)


def add_plants(rng, scene, palette):
    """Trees in rows, groups and alone, bushes under them; where the sun is, some out of view."""
    road, (right, left) = scene.road, scene.road.edges
    near = 2.0 if scene.kind == "country" else 5.0
    sides = (lambda out: left + out), (lambda out: right - out)
    for side in sides:
        style, height = rng.random(), rng.uniform(7, 15)
        gap = rng.uniform(6, 16) if style < 0.45 else rng.uniform(12, 45)
        for along in np.arange(-30, 230, gap) + rng.uniform(0, gap):
            if style > 0.85:
                break
            out = near + (rng.normal(1.5, 0.4) if style < 0.45 else rng.exponential(14)) + 1
            plant_down(rng, scene, palette, along, side(out), height * rng.uniform(0.8, 1.2))
        for along in rng.uniform(4, 160, rng.integers(0, 16)):
            out = near + rng.exponential(8)
            bush = plants.bush(rng, palette, along)
            roadside.put_down(scene.parts, road, bush, along, side(out))
        for along in rng.uniform(60, 420, rng.integers(5, 40)):  # a wood, or trees on the fields
            plant_down(rng, scene, palette, along, side(rng.uniform(20, 130)))
    if rng.random() < 0.85:
        side = sides[int(scene.sun[0] < 0)]
        for along in rng.uniform(-14, 7, 3):
            plant_down(rng, scene, palette, along, side(near + rng.uniform(0.5, 2)), height=11.0)


def plant_down(rng, scene, palette, along, aside, height=None):
    """A tree with as many leaves as its distance asks for."""
    distance = float(np.hypot(max(along, 6.0), aside - scene.camera.position[1]))
    thing = plants.tree(rng, palette, distance, height)
    roadside.put_down(scene.parts, scene.road, thing, along, aside, rng.uniform(0, 360))


def draw_along(rng, scene, behind, near, far):
    """Where something over the road stands: ahead, or behind where the sun shows its shadow."""
    if abs(scene.sun[0]) > 120 and rng.random() < 0.7:
        return -rng.uniform(0.3, 1.0) * behind
    return rng.uniform(near, far)


DRAW = {
    "motorway": draw_motorway,
    "country": draw_country,
    "tunnel": draw_bore,
    "street": draw_street,
}
