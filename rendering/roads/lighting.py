"""One scene in every light and weather: pictures in linear light, one depth map, masks.

Overcast, clear, low sun, rain, night and a tunnel's lamps are rendered; fog and the windshield's
reflection are added to what was rendered, by the laws in `weather` and `windshield`.
"""

from types import SimpleNamespace

import numpy as np

from rendering import sky
from rendering.lights import Projector
from rendering.photo import denoise
from rendering.render import Renderer
from rendering.roads import air, windshield
from rendering.roads.palette import at_night, in_lamplight, in_rain
from rendering.roads.scenes import FOGS, RoadScene, conditions_of

# How bright the middle tone of the photo becomes, and how much of the light's colour is taken out.
EXPOSURE = {
    "low_sun": ((0.09, 0.17), (0.1, 0.4)),
    "rain": ((0.13, 0.22), (0.3, 0.8)),
    "night": ((0.03, 0.07), (0.0, 0.3)),
    "lamps": ((0.14, 0.25), (0.0, 0.4)),
    **{fog: ((0.24, 0.36), (0.3, 0.8)) for fog in FOGS},
}
FACES = 0.02  # of the cosine: from here on a surface faces the sun
SHOWS = 0.2  # of a pixel's light: from this share on a reflection counts


class Shot:
    """What the camera of a scene sees, the same in every condition, and the renderer.

    `depth` float32 (height, width) in metres, 0 for sky; `distance` along the ray, infinite for it.
    `noise` seeds the light paths: two cameras of a rig must not share them.
    """

    def __init__(self, scene: RoadScene, height, width, samples, noise=1):
        self.scene, self.view, self.samples = scene, (scene.camera, height, width), samples
        self._noise = noise
        self.renderer = Renderer(scene)
        self.points, self.normals, self.seen = self.renderer.surfaces(*self.view)
        self.depth = np.where(self.seen, scene.camera.depth_of(self.points), np.float32(0))
        away = np.linalg.norm(self.points - scene.camera.position, axis=2)
        self.distance = np.where(self.seen, away, np.inf)
        self._guides = self.renderer.guides(*self.view, min(samples, 8), 0)

    def take(self, lights, change=lambda material: material, effort=1, lamps=False, lit=None):
        """Linear light (height, width, 3) without noise; `lamps`: some are in the picture.

        `change` gives each material as it is in this light, `effort` multiplies the samples; `lit`
        bool (height, width) is what the sun reaches, so that its shadows stay sharp.
        """
        renderer, count = self.renderer.again(lights, change), self.samples * effort
        light = renderer.light(*self.view, count, self._noise)
        shines = np.where(self.seen[..., None], 0, light)  # sky, and lamps, have no noise
        if lamps:
            shines = renderer.light(*self.view, count, self._noise, bounces=0)
        far = np.linalg.norm(self._guides[2] - self.scene.camera.position, axis=2)
        light = np.maximum(light - shines, 0)
        scale = 0.02 + 0.005 * far
        return denoise(light, *self._guides, scale=scale, lit=lit) + shines

    def sunlight(self, sun):
        """What the sun lights, and where a surface faces it but something stands between.

        Two of bool (height, width); the second is the cast shadow.
        """
        faces = self.seen & (self.normals @ sun.towards > FACES)
        free = self.renderer.sees(self.points, sun.towards)
        return faces & free, faces & ~free


def light_scene(shot, seed, only=None):
    """Every condition of a shot: {name: linear light}, and the masks bool {name: (height, width)}.

    A mask says where the condition changes the light: a cast shadow for clear and low_sun, the
    mirrored dashboard for reflection. `only` names those that are wanted, which look
    as they do among all.
    """
    kind, lights, masks = shot.scene.kind, {}, {}
    wanted = conditions_of(kind, only)
    make = _light_tunnel if kind == "tunnel" else _light_outside
    for name, light, mask in make(shot, np.random.default_rng(seed)):
        lights[name] = light
        if mask is not None and name in wanted:
            masks[name] = mask
        if lights.keys() >= set(wanted):  # those that come later need not be rendered
            break
    return {name: lights[name] for name in wanted}, masks


def _light_tunnel(shot, rng):
    """Each condition of a tunnel as (name, light, mask or None)."""
    lamps = air.add_bloom(shot.take([], in_lamplight, effort=4, lamps=True))
    roof = [sky.Sky(np.full((16, 32, 3), lamps.mean()) * (1.0, 0.95, 0.9))]
    yield "lamps", lamps, None
    yield "reflection", *_reflect(shot, rng, lamps, roof)
    yield "night", _headlit(shot, []), None


def _light_outside(shot, rng):
    """Each condition of a scene outside as (name, light, mask or None)."""
    camera, closed = shot.scene.camera, sky.overcast(rng)
    far, airlight = rng.uniform(9e3, 4e4), sky.horizon_of(closed)
    near_sky = np.where(shot.seen, shot.distance, 0.0)  # haze lies before hills, not before the sky
    dull = shot.take([closed])
    yield "overcast", air.add_fog(dull, near_sky, far, airlight), None
    for name, place in (("clear", shot.scene.sun), ("low_sun", shot.scene.low_sun)):
        bright, sun = sky.sunlit(rng, *place)
        lit, shadow = shot.sunlight(sun)
        light = shot.take([bright, sun], lit=lit)
        light = air.add_fog(light, near_sky, far, sky.horizon_of(bright))
        dirt = rng.uniform(0.04, 0.2)
        in_sun = shot.renderer.sees(np.array(camera.position), sun.towards)
        if in_sun:
            light = air.add_glare(light, camera.rays(*light.shape[:2]), sun, dirt)
        yield name, light, shadow
        if name == "clear":
            inside = [bright, sun] if in_sun else [bright]
            yield "reflection", *_reflect(shot, rng, light, inside)
    for name, visibility in FOGS.items():
        yield name, air.add_fog(dull, shot.distance, visibility, airlight), None
    yield "rain", _rain(shot, rng, closed, airlight), None
    yield "night", _headlit(shot, [sky.night(rng)]), None


def _rain(shot, rng, closed, airlight):
    camera, _, width = shot.view
    light = shot.take([closed], in_rain)
    light = air.add_fog(light, shot.distance, rng.uniform(700, 2500), 0.9 * airlight)
    focal = camera.focal * width
    light = air.add_streaks(light, shot.distance, rng, focal, airlight)
    return windshield.add_drops(light, rng, int(rng.integers(10, 60)))


def _headlit(shot, lights):
    """The light of the car's own low beams, of all lamps in the scene, and of `lights`."""
    x, y, z = shot.scene.camera.position
    beams = [
        Projector((x + 1.8, y + side, 0.65), (x + 31.8, y + side - 0.6, 0.2), low_beam(), 800, 90)
        for side in (-0.62, 0.62)
    ]
    light = shot.take([*lights, *beams], at_night, effort=4, lamps=True)
    return air.add_bloom(light)


def low_beam(size=128):
    """A low beam's pattern (size, size): wide, brightest straight ahead, cut off above."""
    down, right = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    edge = 0.01 - 0.08 * (right.clip(0, 0.25))  # it rises towards the near side of the road
    below = 1 / (1 + np.exp(-(down - edge) / 0.012))
    spot = np.exp(-((right / 0.16) ** 2) - ((down - 0.03) / 0.05) ** 2)
    spread = np.exp(-((right / 0.6) ** 2) - ((down - 0.06) / 0.1) ** 2)
    return below * (spot + 0.2 * spread) + 0.003 * np.exp(-((right / 0.7) ** 2))


def _reflect(shot, rng, light, lights):
    """`light` through a pane that mirrors a dashboard, and where that shows."""
    tilt = rng.uniform(42, 54)
    parts = windshield.draw_dashboard(rng, tilt)
    camera, height, width = shot.view
    image = windshield.mirror(parts, tilt, camera.position)
    scene = SimpleNamespace(parts=image, lights=windshield.mirror_lights(lights, tilt))
    renderer = Renderer(scene)
    mirrored = renderer.radiance(camera, height, width, shot.samples, 2)
    mirrored = mirrored * renderer.surfaces(camera, height, width)[2][..., None]
    rays = camera.rays(height, width)
    share = windshield.reflectance(np.abs(rays @ windshield.pane_normal(tilt)))[..., None]
    added = share * mirrored
    whole = light * (1 - share) + added
    return whole, added.mean(2) > SHOWS * whole.mean(2)
