"""What a rig of two cameras sees: calibration boards, and roads and rooms with exact depth.

boards/left/00.jpg, boards/right/00.jpg             a board, held in as many ways as asked for
motorway_0001/left/000000.jpg, right/000000.jpg     a drive, or a room from several places
motorway_0001/depth/000000.png                      of the left camera, 16-bit, metres x 256
"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from tqdm.auto import tqdm

from depthlib.data.images import write_depth, write_rgb
from depthlib.data.specs import DENSE_M256
from depthlib.data.stereo.boards import Board
from rendering.camera import Camera, choose_views
from rendering.lights import Sky
from rendering.palette import Material
from rendering.photo import develop
from rendering.roads.lighting import EXPOSURE, Shot, light_scene
from rendering.roads.scenes import DRAW, build_scene, conditions_of
from rendering.rooms.room import PLANS, build_room
from rendering.shapes import Parts, quad

KINDS = (*DRAW, "room")
BOARD = Board(9, 6, 0.06)
QUALITY = 90  # of the JPEG photos
STEP = 1.0  # metres that a car drives between two frames
_PIXELS = 40  # of a square in the board's texture
_DEGREES = 35  # how far a board is turned about each axis, at most


@dataclass(frozen=True)
class RenderedRig:
    """Two equal cameras side by side, their photos height x width.

    baseline: metres. focal: the focal length over the width. samples: light paths a pixel.
    """

    baseline: float
    focal: float
    height: int
    width: int
    samples: int

    def look(self, camera):
        """The left camera, which stands where `camera` does, and the right one."""
        left = replace(camera, focal=self.focal)
        place = np.add(left.position, self.baseline * left.axes()[0])
        return left, replace(left, position=tuple(place.tolist()))


def write_stereo(
    folder, *, rig, seed=0, boards=12, kinds=("motorway", "street"), scenes=2, frames=3
):
    """Renders `boards` pairs of BOARD, and `frames` pairs of each of `scenes` scenes."""
    folder = Path(folder)
    with tqdm(total=boards + scenes * frames, unit="pair") as bar:
        for number, pair in enumerate(render_boards(boards, seed, rig)):
            for side, photo in zip(("left", "right"), pair, strict=True):
                write_rgb(folder / "boards" / side / f"{number:02d}.jpg", photo, 95)
            bar.update()
        for number in range(scenes):
            kind = kinds[number % len(kinds)]
            drive = folder / f"{kind}_{number + 1:04d}"
            render = render_room_pairs if kind == "room" else render_road_pairs
            for frame, (left, right, depth_m) in enumerate(
                render(kind, (seed, number), frames, rig)
            ):
                for side, photo in (("left", left), ("right", right)):
                    write_rgb(drive / side / f"{frame:06d}.jpg", photo, QUALITY)
                near = np.where(depth_m < DENSE_M256.max_depth, depth_m, 0)
                write_depth(drive / "depth" / f"{frame:06d}.png", near, DENSE_M256)
                bar.update()


def render_boards(count, seed, rig, board=BOARD):
    """Yields `count` pairs of photos of a board that both cameras see whole, turned and moved."""
    from rendering.render import Renderer  # here, for it needs mitsuba

    left, right = rig.look(Camera((0.0, 0.0, 0.0), 0.0))
    margin = _PIXELS // 2
    paint = np.repeat(board.draw(_PIXELS, margin)[..., None] / 255 * 0.8 + 0.05, 3, axis=2)
    material = Material(paint, 1.0)
    sides = np.array(paint.shape[1::-1]) / _PIXELS * board.square
    light = [Sky(np.full((8, 16, 3), 0.5))]
    rng = np.random.default_rng(seed)
    drawn = 0
    while drawn < count:
        corners = _pose(rng, sides, rig)
        seen = [_project(corners, camera, rig) for camera in (left, right)]
        if not all(((0.02 < places) & (places < 0.98)).all() for places in seen):
            continue
        sheet = quad(corners[2], corners[3] - corners[2], corners[0] - corners[2], fit=True)
        renderer = Renderer(SimpleNamespace(parts=Parts([(sheet, material)]), lights=light))
        yield tuple(
            _expose(renderer.light(camera, rig.height, rig.width, rig.samples, n), rng)
            for n, camera in enumerate((left, right))
        )
        drawn += 1


def render_road_pairs(kind, seed, frames, rig, condition=None):
    """Yields (left, right, depth in metres) of `frames` places that a car drives through."""
    condition = condition or ("clear" if "clear" in conditions_of(kind) else conditions_of(kind)[0])
    scene = build_scene(kind, seed)
    forward = scene.camera.axes()[2] * (1, 1, 0)
    for frame in range(frames):
        place = tuple(np.add(scene.camera.position, STEP * frame * forward).tolist())
        photos = []
        for number, camera in enumerate(rig.look(replace(scene.camera, position=place))):
            view = replace(scene, camera=camera)
            shot = Shot(view, rig.height, rig.width, rig.samples, noise=1 + number)
            lights, _ = light_scene(shot, [*seed, 1], [condition])
            # Two cameras of a kind: the same exposure, about the same colours, noise of their own.
            tone = EXPOSURE.get(condition, ((0.18, 0.18), (0.5, 0.5)))
            rng = np.random.default_rng([*seed, 2, frame, number])
            photos.append(
                develop(lights[condition], rng, *((np.mean(t), np.mean(t)) for t in tone))
            )
            if number == 0:
                depth_m = shot.depth
        yield *photos, depth_m


def render_room_pairs(_, seed, frames, rig):
    """Yields (left, right, depth in metres) of `frames` places in a room."""
    from rendering.render import Renderer

    room = build_room(list(PLANS)[seed[-1] % len(PLANS)], seed)
    renderer, rng = Renderer(room), np.random.default_rng([*seed, 1])
    views = choose_views(room, lambda camera: renderer.points(camera, 30, 40), rng, frames)
    for frame, view in enumerate(views):
        cameras = rig.look(view)
        size = rig.height, rig.width
        photos = [
            develop(
                renderer.radiance(camera, *size, rig.samples, 2 * frame + number),
                np.random.default_rng([*seed, 2, frame, number]),
                (0.22, 0.22),
                (0.5, 0.5),
            )
            for number, camera in enumerate(cameras)
        ]
        yield *photos, cameras[0].depth_of(renderer.points(cameras[0], *size))


def _pose(rng, sides, rig):
    """The corners (4, 3) of a sheet, upper left first and row by row, in front of both cameras."""
    turn, _ = cv2.Rodrigues(np.deg2rad(rng.uniform(-_DEGREES, _DEGREES, 3)))
    across, down = turn[:, :2].T * sides[:, None] / 2
    nearest = 1.1 * sides[0] * rig.focal + rig.baseline
    depth = rng.uniform(nearest, 1.8 * nearest)
    reach = 0.5 * depth / rig.focal
    middle = np.array((
        rng.uniform(-reach, reach) + rig.baseline / 2,
        rng.uniform(-reach, reach) * rig.height / rig.width,
        depth,
    ))  # fmt: skip
    corners = [middle + a * across + b * down for b in (-1, 1) for a in (-1, 1)]
    right, below, ahead = np.transpose(corners)
    return np.stack([ahead, -right, -below], axis=1)  # Mitsuba's and our axes: x ahead, z up


def _project(points, camera, rig):
    """Where points (n, 3) are in a camera's photo, (n, 2) as shares of its width and height."""
    right, up, ahead = camera.axes() @ np.transpose(points - np.asarray(camera.position))
    across = 0.5 + rig.focal * right / ahead
    return np.stack([across, 0.5 - rig.focal * rig.width / rig.height * up / ahead], axis=1)


def _expose(light, rng):
    """A photo of a sheet: no vignette, a little noise."""
    tones = np.clip(light, 0, 1) ** (1 / 2.2) * 255
    return np.clip(tones + rng.normal(0, 1.0, tones.shape), 0, 255).round().astype(np.uint8)
