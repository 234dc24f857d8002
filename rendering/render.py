"""Mitsuba 3 renders a scene: what each pixel sees, and radiance for the photo."""

import subprocess
import sys
from copy import copy

import numpy as np

from rendering.lights import Projector, Sun
from rendering.photo import denoise
from rendering.shapes import merge

try:
    import mitsuba as mi
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "`mitsuba` is needed to render. Run `pip install -e .[render]`.", name="mitsuba"
    ) from error

LLVM, SCALAR = "llvm_ad_rgb", "scalar_rgb"
ROUGHNESS = {"satin": 0.6, "gloss": 0.15, "film": 0.05}  # of plastics, GGX alpha


def pick_variant():
    """Sets Mitsuba's variant, unless one is set, and gives its name.

    LLVM is about three times as quick as scalar code, but an LLVM that is too old for the
    processor aborts the whole process, so it is tried in another one first.
    """
    if mi.variant() is None:
        trial = (
            f"import mitsuba as mi; mi.set_variant('{LLVM}');"
            "mi.render(mi.load_dict(mi.cornell_box()), spp=1).numpy()"
        )
        done = subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False)
        mi.set_variant(SCALAR if done.returncode else LLVM)
    return mi.variant()


class Renderer:
    """A scene, its `parts` (mesh, material) and `lights`, loaded once, seen by any camera."""

    def __init__(self, scene):
        pick_variant()
        parts = [
            (mesh, material, _load_mesh(mesh, material)) for mesh, material in merge(scene.parts)
        ]
        self._load(parts, scene.lights)

    def again(self, lights, change=lambda material: material):
        """A renderer of the same scene in other `lights`, each material as `change` makes it.

        What `change` gives back as it was need not be loaded again.
        """
        parts = []
        for mesh, material, loaded in self._parts:
            other = change(material)
            same = other is material
            parts.append((mesh, other, loaded if same else _load_mesh(mesh, other)))
        renderer = copy(self)
        renderer._load(parts, lights)
        return renderer

    def _load(self, parts, lights):
        scene = {f"part_{index}": loaded for index, (_, _, loaded) in enumerate(parts)}
        scene |= {f"light_{index}": _load_light(light) for index, light in enumerate(lights)}
        self._parts, self._scene = parts, mi.load_dict({"type": "scene", **scene})

    def points(self, camera, height, width):
        """What the pixels' centres see: points (height, width, 3) in the scene's coordinates."""
        return self._centres(camera, height, width, "point:position")

    def surfaces(self, camera, height, width):
        """What the pixels' centres see: points, unit normals towards the camera, and where any.

        Shapes (height, width, 3) twice, and bool (height, width): False where there is only sky.
        """
        guides = self._centres(camera, height, width, "p:position,n:sh_normal,t:depth")
        points, normals, distance = guides[..., :3], guides[..., 3:6], guides[..., 6]
        away = (normals * camera.rays(height, width)).sum(2) > 0
        return points, np.where(away[..., None], -normals, normals), distance > 0

    def sees(self, points, towards):
        """Whether nothing stands between each of `points` (..., 3) and a light far `towards`."""
        start = np.reshape(points + np.asarray(towards) * 0.02, (-1, 3)).astype(np.float32)
        if mi.variant() == SCALAR:
            rays = (mi.Ray3f(mi.Point3f(place), mi.Vector3f(towards)) for place in start)
            blocked = np.array([self._scene.ray_test(ray) for ray in rays])
        else:
            ray = mi.Ray3f(mi.Point3f(np.ascontiguousarray(start.T)), mi.Vector3f(towards))
            blocked = np.array(self._scene.ray_test(ray))
        return ~blocked.reshape(np.shape(points)[:-1])

    def radiance(self, camera, height, width, samples, seed):
        """Linear RGB radiance (height, width, 3), denoised, from `samples` paths a pixel."""
        view = camera, height, width
        light = self.light(*view, samples, seed)
        return denoise(light, *self.guides(*view, min(samples, 8), seed))

    def light(self, camera, height, width, samples, seed, bounces=4):
        """Linear RGB radiance (height, width, 3) with its noise; no bounce: what shines itself."""
        integrator = {"type": "path", "max_depth": bounces + 1, "rr_depth": 4}
        return self._render(camera, height, width, integrator, samples, seed)[..., :3]

    def guides(self, camera, height, width, samples, seed):
        """Albedo, normal and position (height, width, 3), means over each pixel."""
        guides = {"type": "aov", "aovs": "albedo:albedo,normal:sh_normal,point:position"}
        guides = self._render(camera, height, width, guides, samples, seed)
        return np.split(guides[..., :9], 3, axis=2)

    def _centres(self, camera, height, width, guides):
        return self._render(camera, height, width, {"type": "aov", "aovs": guides}, None)

    def _render(self, camera, height, width, integrator, samples, seed=0):
        """`samples` None: one unjittered sample, the pixel's centre, not a mean."""
        sampler = {"type": "multijitter", "sample_count": samples}
        if samples is None:
            sampler = {"type": "stratified", "sample_count": 1, "jitter": False}
        image = mi.render(
            self._scene,
            sensor=_load_sensor(camera, height, width, sampler),
            integrator=mi.load_dict(integrator),
            spp=samples or 1,
            seed=seed,
        )
        return np.array(image, np.float32)


def _load_sensor(camera, height, width, sampler):
    _, up, forward = camera.axes()
    position = np.asarray(camera.position)
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.rad2deg(2 * np.arctan(0.5 / camera.focal))),
            "near_clip": 0.01,
            "to_world": mi.ScalarTransform4f().look_at(
                origin=position.tolist(), target=(position + forward).tolist(), up=up.tolist()
            ),
            "film": {
                "type": "hdrfilm",
                "width": width,
                "height": height,
                # Wider filters add up in the order in which threads finish: never twice the same.
                "rfilter": {"type": "box"},
            },
            "sampler": sampler,
        }
    )


def _load_texture(material, strength=1.0):
    linear = strength * np.asarray(material.texture, np.float32) ** 2.2
    if linear.shape[:2] == (1, 1):
        # Mitsuba samples lights with a bitmap over their texture coordinates, which must then lie
        # in the unit square as a window's do; a lamp's need not.
        return {"type": "rgb", "value": linear[0, 0].tolist()}
    return _load_picture(linear[::-1])


def _load_bsdf(material):
    surface = _load_surface(material, material.finish)
    if material.film is not None:
        # Water fills the grain and makes the surface smooth, all of it where it stands in puddles.
        share = np.ascontiguousarray(material.film[::-1, :, None], np.float32)
        surface = {
            "type": "blendbsdf",
            "weight": {"type": "bitmap", "data": mi.TensorXf(share), "raw": True},
            "dry": surface,
            "wet": _load_surface(material, "film"),
        }
    return {"type": "twosided", "surface": surface}


def _load_surface(material, finish):
    texture = _load_texture(material)
    if finish in ROUGHNESS:
        alpha = ROUGHNESS[finish]
        return {"type": "roughplastic", "diffuse_reflectance": texture, "alpha": alpha}
    if finish == "glass":
        return {"type": "plastic", "diffuse_reflectance": texture}
    if finish == "metal":
        return {"type": "roughconductor", "specular_reflectance": texture, "alpha": 0.25}
    if finish == "mirror":
        return {"type": "conductor", "specular_reflectance": texture}
    return {"type": "diffuse", "reflectance": texture}


def _load_mesh(mesh, material):
    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict(_load_bsdf(material))
    if material.emission:
        light = {"type": "area", "radiance": _load_texture(material, material.emission)}
        if material.emission < 1:
            light["sampling_weight"] = 0.0  # it only glows; paths look for what gives light
        properties["mesh_emitter"] = mi.load_dict(light)
    shape = mi.Mesh("part", len(mesh.vertices), len(mesh.faces), properties, True, True)
    values = mi.traverse(shape)
    values["vertex_positions"] = np.ravel(mesh.vertices).astype(np.float32)
    values["vertex_normals"] = np.ravel(mesh.normals).astype(np.float32)
    values["vertex_texcoords"] = np.ravel(mesh.uv / material.span).astype(np.float32)
    values["faces"] = np.ravel(mesh.faces).astype(np.uint32)
    values.update()
    return shape


def _load_light(light):
    if isinstance(light, Sun):
        towards = np.asarray(light.towards)
        irradiance = {"type": "rgb", "value": np.asarray(light.irradiance).tolist()}
        return {"type": "directional", "direction": (-towards).tolist(), "irradiance": irradiance}
    if isinstance(light, Projector):
        return {
            "type": "projector",
            "irradiance": _load_picture(light.picture),
            "scale": light.scale,
            "fov": light.fov,
            "to_world": mi.ScalarTransform4f().look_at(
                origin=list(light.place), target=list(light.aim), up=[0, 0, 1]
            ),
        }
    sky = _load_picture(light.radiance)
    upright = mi.ScalarTransform4f().rotate([1, 0, 0], 90)  # Mitsuba's skies have y up
    return {"type": "envmap", "bitmap": mi.Bitmap(sky["data"]), "to_world": upright}


def _load_picture(picture):
    picture = np.asarray(picture, np.float32)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, 2)
    return {"type": "bitmap", "data": mi.TensorXf(np.ascontiguousarray(picture)), "raw": True}
