"""Learning without any depth: a photo must be explained by what other views show of it.

Where a network says that a pixel is Z metres away, another camera, or the same one a moment later,
must see the same colour where that point lies in its photo. Stereo: Godard et al. (arXiv
1609.03677); video: Zhou et al. (arXiv 1704.07813); minimum over the views, what stands still beside
the camera left out, and the smoothness: Godard et al. (arXiv 1806.01260). All from the equations.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from depthlib.networks.layers import Tensor

SSIM_WEIGHT = 0.85  # the rest is the L1 difference of the colours
SCALES = 3  # at which photos are compared, each half the size of the one before
SMOOTHNESS = 1e-3
NEAREST = 0.1  # metres; what a point behind the other camera counts as
UNSEEN = 1e3  # an error that no view has
UNSCALED = 2  # as `depthlib.data.views` has it: a shift that is known up to one factor


@keras.saving.register_keras_serializable("depthlib")
class PhotometricLoss(layers.Layer):
    """Gives the depth as it is, and adds how badly the other views explain the photo to the loss.

    `student` is the name of the network that learns, `views` those of the views, "right",
    "previous" or "next". Shifts that are UNSCALED are times `factor`, which is learned beside.
    """

    def __init__(
        self,
        student: str,
        views: Sequence[str] = ("right",),
        weight: float = 1.0,
        name: str = "photometric_loss",
        dtype: str | keras.DTypePolicy = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.student = student
        self.views = tuple(views)
        self.weight = weight

    def build(self, *_: Any) -> None:
        self.log_factor = self.add_weight(name="log_factor", initializer="zeros")

    def call(self, depth: Tensor, photos: Tensor, motions: Tensor, cameras: Tensor) -> Tensor:
        """depth (batch, h, w, 1); the rest as `depthlib.data.views.Views` has it, photos 0..1."""
        state = motions[..., 6:]
        factor = ops.where(state == UNSCALED, ops.exp(self.log_factor), 1.0)
        moved = ops.concatenate([motions[..., :3], factor * motions[..., 3:6], state], axis=-1)
        depth_m = depth / cameras[:, 4, None, None, None]
        error = photometric_error(depth_m, photos[:, 0], photos[:, 1:], moved, cameras[:, :4])
        self.add_loss(self.weight * ops.mean(error))
        return depth

    def compute_output_spec(self, depth: keras.KerasTensor, *others: Any) -> keras.KerasTensor:
        return keras.KerasTensor(depth.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("student", "views", "weight")}
        return {**super().get_config(), **own}


def photometric_error(
    depth: Tensor, photo: Tensor, views: Tensor, motions: Tensor, camera: Tensor
) -> Tensor:
    """How badly `views` explain `photo` by its `depth`: (batch,), 0 where there is no view.

    depth: (batch, h, w, 1) in metres. photo: (batch, h, w, 3), 0..1. views: (batch, n, h, w, 3).
    motions: (batch, n, 7), what takes a point from the photo's camera to each view's: a turn about
    an axis (its length the angle), a shift in metres, and 0 where the view is missing.
    camera: (batch, 4), focal lengths and principal point in pixels: fx, fy, cx, cy.
    """
    inverse, total = 1 / depth, 0.0
    seen = ops.cast(ops.any(motions[..., 6] > 0, axis=1), "float32")
    for scale in range(SCALES):
        if scale:
            photo, inverse = _halve(photo), _halve(inverse)
            views = ops.stack([_halve(views[:, n]) for n in range(views.shape[1])], axis=1)
            # The first pixel's centre is 0, so its corner is at -0.5.
            camera = ops.concatenate([camera[:, :2] / 2, camera[:, 2:] / 2 - 0.25], axis=-1)
        total += _error_at_scale(1 / inverse, photo, views, motions, camera) / SCALES
        total += SMOOTHNESS / 2**scale * roughness(inverse, photo) / SCALES
    return total * seen


def _error_at_scale(
    depth: Tensor, photo: Tensor, views: Tensor, motions: Tensor, camera: Tensor
) -> Tensor:
    """The mean over pixels of the least error of any view, (batch,).

    Pixels that a view explains better as it is, unmoved, are left out: they stand still beside the
    camera, as a car ahead does, or have no texture. So are those that a view does not show.
    """
    warped, unmoved = [], []
    for n in range(views.shape[1]):
        missing = ops.where(motions[:, n, 6, None, None, None] == 0, UNSEEN, 0.0)
        explained, inside = warp(views[:, n], depth, motions[:, n], camera)
        warped.append(difference(explained, photo) + missing + UNSEEN * (1 - inside))
        unmoved.append(difference(views[:, n], photo) + missing)
    least = ops.min(ops.concatenate(warped, axis=-1), axis=-1)
    still = ops.min(ops.concatenate(unmoved, axis=-1), axis=-1)
    counts = ops.cast(ops.logical_and(least < still, least < UNSEEN), "float32")
    total = ops.sum(ops.where(counts > 0, least, 0.0), axis=(1, 2))
    return total / ops.maximum(ops.sum(counts, axis=(1, 2)), 1.0)


def difference(one: Tensor, other: Tensor) -> Tensor:
    """How unlike two photos (batch, h, w, 3) are at each pixel, 0 for alike: (batch, h, w, 1).

    SSIM over windows of 3x3 and the L1 difference, as in arXiv 1609.03677, equation 2.
    """
    means = [_blur(image) for image in (one, other)]
    variances = [_blur(i * i) - m * m for i, m in zip((one, other), means, strict=True)]
    covariance = _blur(one * other) - means[0] * means[1]
    likeness = (2 * means[0] * means[1] + 0.01**2) * (2 * covariance + 0.03**2)
    likeness /= (means[0] ** 2 + means[1] ** 2 + 0.01**2) * (sum(variances) + 0.03**2)
    structure = ops.clip((1 - likeness) / 2, 0, 1)
    both = SSIM_WEIGHT * structure + (1 - SSIM_WEIGHT) * ops.abs(one - other)
    return ops.mean(both, axis=-1, keepdims=True)


def roughness(inverse: Tensor, photo: Tensor) -> Tensor:
    """How inverse depth, over its mean, changes where the photo does not: (batch,).

    arXiv 1806.01260, equation 3. inverse (batch, h, w, 1), photo (batch, h, w, 3).
    """
    share = inverse / ops.mean(inverse, axis=(1, 2), keepdims=True)
    total = 0.0
    for axis in (1, 2):
        step, edge = (ops.abs(_step(image, axis)) for image in (share, photo))
        weight = ops.exp(-ops.mean(edge, axis=-1, keepdims=True))
        total += ops.mean(step * weight, axis=(1, 2, 3))
    return total


def warp(view: Tensor, depth: Tensor, motion: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
    """What `view` (batch, h, w, 3) shows of each pixel of the photo, and 1 where it shows it.

    depth (batch, h, w, 1), motion (batch, 7), camera (batch, 4): as in `photometric_error`.
    """
    height, width = view.shape[1:3]
    x = ops.arange(width, dtype="float32")[None, None, :]
    y = ops.arange(height, dtype="float32")[None, :, None]
    fx, fy, cx, cy = (camera[:, n, None, None] for n in range(4))
    z = depth[..., 0]
    points = ops.stack([(x - cx) / fx * z, (y - cy) / fy * z, z], axis=-1)
    moved = turn(points, motion[:, :3]) + motion[:, None, None, 3:6]
    far = ops.maximum(moved[..., 2], NEAREST)
    there_x, there_y = moved[..., 0] / far * fx + cx, moved[..., 1] / far * fy + cy
    inside = (there_x >= 0) & (there_x <= width - 1) & (there_y >= 0) & (there_y <= height - 1)
    inside = ops.cast(inside & (moved[..., 2] > NEAREST), "float32")
    return sample(view, there_x, there_y), inside[..., None]


def turn(points: Tensor, axis: Tensor) -> Tensor:
    """Points (batch, h, w, 3) turned about `axis` (batch, 3) by its length, after Rodrigues."""
    angle = ops.sqrt(ops.sum(axis * axis, axis=-1, keepdims=True) + 1e-12)
    unit = ops.broadcast_to((axis / angle)[:, None, None], ops.shape(points))
    cosine, sine = (f(angle)[:, None, None] for f in (ops.cos, ops.sin))
    along = ops.sum(unit * points, axis=-1, keepdims=True)
    across = ops.cross(unit, points, axis=-1)  # else PyTorch takes the first axis that has three
    return points * cosine + across * sine + unit * along * (1 - cosine)


def sample(image: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """An image (batch, h, w, 3) at the places x, y (batch, h, w), bilinear; its edge beyond."""
    height, width = image.shape[1:3]
    x, y = ops.clip(x, 0, width - 1), ops.clip(y, 0, height - 1)
    left, top = ops.clip(ops.floor(x), 0, width - 2), ops.clip(ops.floor(y), 0, height - 2)
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    flat = ops.reshape(image, (-1, height * width, 3))
    start = ops.reshape(ops.cast(top * width + left, "int32"), (-1, x.shape[1] * x.shape[2], 1))

    def look(offset: int) -> Tensor:
        found = ops.take_along_axis(flat, start + offset, axis=1)
        return ops.reshape(found, (-1, *x.shape[1:], 3))

    upper = look(0) * (1 - right_share) + look(1) * right_share
    lower = look(width) * (1 - right_share) + look(width + 1) * right_share
    return upper * (1 - low_share) + lower * low_share


def _halve(image: Tensor) -> Tensor:
    return ops.average_pool(image, 2, 2)


def _blur(image: Tensor) -> Tensor:
    return ops.average_pool(image, 3, 1, padding="same")


def _step(image: Tensor, axis: int) -> Tensor:
    return image[:, 1:] - image[:, :-1] if axis == 1 else image[:, :, 1:] - image[:, :, :-1]


def add_views(student: keras.Model, views: Sequence[str], weight: float = 1.0) -> keras.Model:
    """`student` as it is fitted on photos with these other views of each: see `PhotometricLoss`.

    Its inputs are "data", the photo as the student sees it, uint8 (batch, h, w, 3), and "photos",
    "motions" and "cameras" as `depthlib.data.views.Views` has them. It gives the student's depth.
    """
    (height, width), count = student.input_shape[1:3], len(views)
    inputs = {
        "data": keras.Input((height, width, 3), dtype="uint8", name="data"),
        "photos": keras.Input((1 + count, height, width, 3), dtype="uint8", name="photos"),
        "motions": keras.Input((count, 7), name="motions"),
        "cameras": keras.Input((5,), name="cameras"),
    }
    own = keras.Model(student.inputs[0], student.outputs[0], name=student.name)
    lesson = PhotometricLoss(student.name, views, weight)
    photos = layers.Rescaling(1 / 255, dtype="float32")(inputs["photos"])
    depth = lesson(own(inputs["data"]), photos, inputs["motions"], inputs["cameras"])
    return keras.Model(inputs, depth)
