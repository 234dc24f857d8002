"""Knowledge distillation: beside the truth, a network learns what a trained one answers and sees.

Hinton et al. (arXiv 1503.02531); features as hints: FitNets (arXiv 1412.6550). Where there are few
photos, a teacher that began from ImageNet's weights has more to say about each than its depth.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from depthlib.networks.layers import DepthHead, Tensor
from depthlib.networks.losses import ScaleInvariantLoss
from depthlib.networks.photometric import PhotometricLoss

FINEST = 4  # the smallest stride whose features are a hint; finer ones are edges and cost the most


@keras.saving.register_keras_serializable("depthlib")
class DistillationLoss(layers.Layer):
    """Gives the student's depth as it is, and adds what it lacks of the teacher's to the loss.

    That is `ScaleInvariantLoss` against the teacher's depth, plus the mean square between features
    and the teacher's at each stride. `pupil` is the name of the network that learns, the student.
    The teacher's depth counts times `lens`, and not at all where that is beyond `farthest`.
    """

    def __init__(
        self,
        pupil: str,
        lens: float = 1.0,
        farthest: float = math.inf,
        name: str = "distillation_loss",
        dtype: str | keras.DTypePolicy = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.student = pupil  # the name that saved files have
        self.lens, self.farthest = lens, farthest

    def call(
        self,
        depth: Tensor,
        features: Sequence[Tensor],
        taught_depth: Tensor,
        taught_features: Sequence[Tensor],
    ) -> Tensor:
        taught_depth = taught_depth * self.lens
        if self.lens > 1:
            taught_depth = ops.where(taught_depth <= self.farthest, taught_depth, 0.0)
        loss = ops.mean(ScaleInvariantLoss().call(taught_depth, depth))
        for own, taught in zip(features, taught_features, strict=True):
            loss += ops.mean(ops.square(own - taught))
        self.add_loss(loss)
        return depth

    def compute_output_spec(
        self,
        depth: keras.KerasTensor,
        features: Sequence[keras.KerasTensor],
        taught_depth: keras.KerasTensor,
        taught_features: Sequence[keras.KerasTensor],
    ) -> keras.KerasTensor:
        return keras.KerasTensor(depth.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        own = {"pupil": self.student, "lens": self.lens, "farthest": self.farthest}
        return {**super().get_config(), **own}


def add_teacher(student: keras.Model, teacher: keras.Model) -> keras.Model:
    """`student` as it is fitted beside a `teacher`, which does not learn: photos in, its depth out.

    The features are those that an encoder hands to its decoder, at each stride from FINEST on that
    both have; of an ensemble there are none, and its depth alone teaches. A 1x1 convolution makes
    as many channels of the student's as the teacher has, whose own are brought to mean 0 and
    variance 1. The teacher sees the photos at the student's size, which are of the student's lens:
    its depth is brought to that, as `geometry` does, where both say of which lens they are.
    Errors: ValueError where the two answer in different units or to different distances.
    """
    own_range, taught_range = (_range(network.layers[-1]) for network in (student, teacher))
    if own_range != taught_range:
        raise ValueError(
            "A teacher must answer in the unit and to the distance of its student. Received: "
            f"{taught_range} for {own_range}. Take a network that was trained on this dataset."
        )
    photos = keras.Input(student.input_shape[1:], dtype="uint8", name="data")
    fitting = _resize(teacher, photos.shape[1:])
    fitting.trainable = False
    found, taught = (_encoder_features(network) for network in (student, fitting))
    strides = sorted(stride for stride in found.keys() & taught.keys() if stride >= FINEST)
    own, given = (
        keras.Model(network.inputs[0], [network.output, *(features[stride] for stride in strides)])
        for network, features in ((student, found), (fitting, taught))
    )
    own.name, given.name = student.name, "teacher"
    (depth, *features), (taught_depth, *taught_features) = own(photos), given(photos)
    plain = {"center": False, "scale": False, "dtype": "float32"}
    features = [
        layers.Conv2D(to.shape[-1], 1, dtype="float32", name=f"hint{stride}")(of)
        for stride, of, to in zip(strides, features, taught_features, strict=True)
    ]
    taught_features = [
        layers.BatchNormalization(**plain, name=f"standard{stride}")(of)
        for stride, of in zip(strides, taught_features, strict=True)
    ]
    lens = _compare_lenses(student.layers[-1], teacher.layers[-1])
    lesson = DistillationLoss(student.name, lens, student.layers[-1].max_depth)
    return keras.Model(photos, lesson(depth, features, taught_depth, taught_features))


def take_student(model: keras.Model) -> keras.Model:
    """The network that learns, sharing its weights, of what `add_teacher` or `add_views` gave.

    Any other is given as it is.
    """
    lesson = model.layers[-1]
    if not isinstance(lesson, DistillationLoss | PhotometricLoss):
        return model
    student = model.get_layer(lesson.student)
    return keras.Model(student.inputs[0], student.outputs[0], name=student.name)


def _resize(network: keras.Model, shape: tuple[int, int, int]) -> keras.Model:
    """A copy of `network` that sees photos of `shape`."""
    photos = keras.Input(shape, dtype="uint8")
    # Some files' networks take a list of one tensor.
    inputs = keras.tree.map_structure(lambda _: photos, network.input)
    copy = keras.models.clone_model(network, inputs)
    copy.set_weights(network.get_weights())
    return copy


def _range(head: layers.Layer) -> tuple[str, float] | str:
    return (head.unit, head.max_depth) if isinstance(head, DepthHead) else type(head).__name__


def _compare_lenses(own: DepthHead, taught: DepthHead) -> float:
    """By what a teacher's metres are brought to its student's lens; 1 where one says no lens."""
    focal, taught_focal = ((head.view or {}).get("focal") for head in (own, taught))
    return focal / taught_focal if focal and taught_focal and own.unit == "metre" else 1.0


def _encoder_features(network: keras.Model) -> dict[int, keras.KerasTensor]:
    """What an encoder hands to its decoder, by stride; an ensemble keeps that to itself."""
    enlarged = [each.input for each in network.layers if isinstance(each, layers.UpSampling2D)]
    joins = [each for each in network.layers if isinstance(each, layers.Concatenate)]
    features = [*enlarged[:1], *(join.input[-1] for join in joins)]
    return {round(network.input_shape[1] / of.shape[1]): of for of in features}
