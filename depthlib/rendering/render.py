"""Mitsuba 3 renders a room: depth along the optical axis, and radiance for the photo."""

import subprocess
import sys

import numpy as np

from depthlib.rendering.camera import FOCAL
from depthlib.rendering.photo import denoise
from depthlib.rendering.shapes import merge
from depthlib.rendering.textures import window_panes

try:
    import mitsuba as mi
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "`mitsuba` is needed to render rooms. Run `pip install -e .[render]`.", name="mitsuba"
    ) from error

LLVM, SCALAR = "llvm_ad_rgb", "scalar_rgb"


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
    """A room, loaded once, seen by any number of cameras."""

    def __init__(self, room):
        pick_variant()
        scene = {"type": "scene"}
        for index, (mesh, material) in enumerate(merge(room.parts)):
            scene[f"part_{index}"] = _load_mesh(mesh, material)
        if room.sun is not None:
            scene["sun"] = _load_sun(*room.sun)
        self._scene = mi.load_dict(scene)

    def points(self, camera, height, width):
        """What the pixels' centres see: points (height, width, 3) in the room's coordinates."""
        integrator = mi.load_dict({"type": "aov", "aovs": "p:position"})
        # One unjittered sample: the value at the pixel's centre, not a mean.
        sampler = {"type": "stratified", "sample_count": 1, "jitter": False}
        sensor = _load_sensor(camera, height, width, sampler)
        image = mi.render(self._scene, sensor=sensor, integrator=integrator, spp=1)
        return np.array(image)[..., :3]

    def radiance(self, camera, height, width, samples, seed):
        """Linear RGB radiance (height, width, 3), denoised, from `samples` paths a pixel."""

        def render(integrator, count):
            sampler = {"type": "multijitter", "sample_count": count}
            image = mi.render(
                self._scene,
                sensor=_load_sensor(camera, height, width, sampler),
                integrator=mi.load_dict(integrator),
                spp=count,
                seed=seed,
            )
            return np.array(image, np.float32)

        light = render({"type": "path", "max_depth": 5, "rr_depth": 4}, samples)[..., :3]
        guides = "albedo:albedo,normal:sh_normal,point:position"
        guides = render({"type": "aov", "aovs": guides}, min(samples, 8))
        return denoise(light, *np.split(guides[..., :9], 3, axis=2))


def _load_sensor(camera, height, width, sampler):
    _, up, forward = camera.axes()
    position = np.asarray(camera.position)
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.rad2deg(2 * np.arctan(0.5 / FOCAL))),
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
    data = mi.TensorXf(np.ascontiguousarray(linear[::-1]))
    return {"type": "bitmap", "data": data, "raw": True}


def _load_bsdf(material):
    texture = _load_texture(material)
    if material.finish == "gloss":
        surface = {"type": "roughplastic", "diffuse_reflectance": texture, "alpha": 0.15}
    elif material.finish == "metal":
        surface = {"type": "roughconductor", "specular_reflectance": texture, "alpha": 0.25}
    elif material.finish == "mirror":
        surface = {"type": "conductor", "specular_reflectance": texture}
    else:
        surface = {"type": "diffuse", "reflectance": texture}
    return {"type": "twosided", "surface": surface}


def _load_mesh(mesh, material):
    properties = mi.Properties()
    properties["mesh_bsdf"] = mi.load_dict(_load_bsdf(material))
    if material.emission:
        light = {"type": "area", "radiance": _load_texture(material, material.emission)}
        properties["mesh_emitter"] = mi.load_dict(light)
    shape = mi.Mesh("part", len(mesh.vertices), len(mesh.faces), properties, True, True)
    values = mi.traverse(shape)
    values["vertex_positions"] = np.ravel(mesh.vertices).astype(np.float32)
    values["vertex_normals"] = np.ravel(mesh.normals).astype(np.float32)
    values["vertex_texcoords"] = np.ravel(mesh.uv / material.span).astype(np.float32)
    values["faces"] = np.ravel(mesh.faces).astype(np.uint32)
    values.update()
    return shape


def _load_sun(place, aim):
    panes = np.repeat(window_panes()[..., None], 3, 2).astype(np.float32)
    return {
        "type": "projector",
        "irradiance": {"type": "bitmap", "data": mi.TensorXf(panes), "raw": True},
        "scale": 25.0,
        "fov": 45.0,
        "to_world": mi.ScalarTransform4f().look_at(origin=place, target=aim, up=[0, 0, 1]),
    }
