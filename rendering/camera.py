"""Cameras, and where they stand in a room."""

from dataclasses import dataclass

import numpy as np

# Focal length over image width of the Kinect's colour camera in NYU Depth V2: 518.86 of 640 pixels.
FOCAL = 518.86 / 640
MIN_DEPTH, MAX_DEPTH = 0.45, 9.9  # metres; beyond 10 m the 8-bit encoding of the archive ends


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: position in metres; yaw about the vertical, pitch up, roll, in degrees."""

    position: tuple[float, float, float]
    yaw: float
    pitch: float = 0.0
    roll: float = 0.0
    focal: float = FOCAL  # over the image's width

    def axes(self):
        """Unit vectors (3, 3): right, up, and forward along the optical axis."""
        yaw, pitch, roll = np.deg2rad([self.yaw, self.pitch, self.roll])
        forward = np.array(
            [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
        )
        level = np.array([np.sin(yaw), -np.cos(yaw), 0])
        upright = np.cross(level, forward)
        right = np.cos(roll) * level + np.sin(roll) * upright
        return np.stack([right, np.cross(right, forward), forward])

    def rays(self, height, width):
        """Unit vectors (height, width, 3) that the pixels' centres look along."""
        right, up, forward = self.axes()
        rows, columns = np.mgrid[:height, :width] + 0.5
        across = (columns - width / 2) / (self.focal * width)
        down = (rows - height / 2) / (self.focal * width)
        rays = forward + across[..., None] * right - down[..., None] * up
        return rays / np.linalg.norm(rays, axis=2, keepdims=True)

    def depth_of(self, points):
        """Depth of points (..., 3) along the optical axis, float32."""
        return ((points - np.asarray(self.position)) @ self.axes()[2]).astype(np.float32)


def choose_views(room, probe, rng, count):
    """`count` cameras that see something: far apart, near and far things, few bare walls.

    `probe(camera)` gives the points (height, width, 3) that a few of its pixels see.
    Errors: RuntimeError where a room offers no such views.
    """
    views, tries = [], 300 * count
    for strict in np.linspace(1, 0, tries):  # a small room has to be content with less
        camera = draw_camera(room, rng)
        if camera is None or any(likeness(camera, other) > 1.4 - strict for other in views):
            continue
        points = probe(camera)
        depth = camera.depth_of(points)
        near, median, far = np.percentile(depth, (0, 50, 95))
        if not (near > MIN_DEPTH and depth.max() < MAX_DEPTH and 1.0 + 0.6 * strict < median < 6):
            continue
        things = ((points > 0.08) & (points < np.subtract(room.size, 0.08))).all(2)
        if things.mean() > 0.3 * strict and far > 2 * near and far > 2.0 + strict:
            views.append(camera)
        if len(views) == count:
            return views
    raise RuntimeError(
        f"A room must offer {count} different views. Received: {len(views)}. Use another seed."
    )


def draw_camera(room, rng):
    """A camera 1.0 to 1.8 m above free floor that looks towards a thing, or None."""
    place = rng.uniform(0.06, 0.94, 2) * room.size[:2]
    height = rng.uniform(1.0, 1.8)
    x, y = place
    for x0, y0, x1, y1, top in room.blocks:
        if x0 - 0.15 < x < x1 + 0.15 and y0 - 0.15 < y < y1 + 0.15 and top > height - 0.5:
            return None
    block = room.blocks[rng.integers(len(room.blocks))]
    aim = np.add(block[:2], block[2:4]) / 2 - place
    if np.hypot(*aim) < 1.2:
        return None
    yaw = np.rad2deg(np.arctan2(aim[1], aim[0])) + rng.normal(0, 15)
    pitch = np.clip(rng.normal(-9, 7), -25, 10)
    return Camera((x, y, height), yaw % 360, pitch, np.clip(rng.normal(0, 1.5), -4, 4))


def likeness(camera, other):
    """How alike two views are: 1 for the same, 0 for 1.2 m or 60 degrees apart."""
    apart = np.linalg.norm(np.subtract(camera.position, other.position))
    turn = abs((camera.yaw - other.yaw + 180) % 360 - 180)
    return 1 - np.hypot(apart / 1.2, turn / 60)
