"""Going on from a trained network: what is taken over of it, and how little its encoder moves."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from depthlib.networks.encoders import FRESH
from depthlib.networks.layers import DepthHead, Tensor

# How the names of layers begin that are no encoder's: decoders', a U-Net's way up, hints' to learn
# from a teacher.
DECODER = (*FRESH, "up", "hint")


def freeze_encoder(network: keras.Model) -> None:
    """Keeps the encoder as it is: its weights and the averages of its batch norms.

    It then computes as in prediction, and a step takes no gradients of it.
    """
    for layer in network.layers:
        layer.trainable = layer.name.startswith(DECODER)


def take_weights(network: keras.Model, source: keras.Model) -> list[str]:
    """Gives `network` the weights of `source`, which has the same layers; says what is not alike.

    All weights are taken over, whatever the two sizes: convolutions see photos of any. Where the
    depth heads' scale, range or unit differ, the last convolution is changed so that depth stays
    the same: `fit_head`. What another size, lens or unit means for depth, training has to learn.
    Errors: ValueError where the layers are not the same; those of `fit_head`.
    """
    network.set_weights(source.get_weights())
    old, new = source.layers[-1], network.layers[-1]
    then, now = _describe(source), _describe(network)
    if then["depth"] != now["depth"]:
        _change_logits(network, *fit_head(old, new))
    return [
        f"{what} {then[what]} there, {now[what]} here" for what in then if then[what] != now[what]
    ]


def put_in_metres(network: keras.Model, factor: float) -> keras.Model:
    """The network with depth `factor` times what it was, exactly, and in metres: its head's range.

    Both have the same weights. Errors: ValueError for a factor that is not above 0 and finite.
    """
    if not 0 < factor < np.inf:
        raise ValueError(f"A scale must be above 0 and finite. Received: {factor}.")
    head = network.layers[-1]
    ends = {"min_depth": factor * head.min_depth, "max_depth": factor * head.max_depth}
    metric = DepthHead.from_config({**head.get_config(), **ends, "unit": "metre"})
    return keras.Model(network.inputs[0], metric(head.input), name=network.name)


def _change_logits(network: keras.Model, slope: float, shift: float) -> None:
    last = network.get_layer("final_conv")
    kernel, bias = last.get_weights()
    last.set_weights([slope * kernel, slope * bias + shift])


def _describe(network: keras.Model) -> dict[str, str]:
    """In words, what the weights of a network have learned for."""
    head = network.layers[-1]
    height, width = network.input_shape[1:3]
    focal = (head.view or {}).get("focal")
    return {
        "size": f"{height}x{width}",
        "focal length": f"{focal:.2f} of the width" if focal else "unknown",
        "depth": f"{head.min_depth:g} to {head.max_depth:g} ({head.unit}, {head.scale})",
    }


def fit_head(old: DepthHead, new: DepthHead) -> tuple[float, float]:
    """`a` and `b` so that the logit a * z + b is on `new` the depth of z on `old`.

    No line is right everywhere. This one is fitted from 0.1 to 0.6 of the nearer of the two ranges'
    ends, where rooms and roads have most of their depth: there it is right within a fifth, with
    one range twice the other within a tenth. Where one head is relative, both depths count as
    shares of their range, as nothing says its metres.
    Errors: ValueError for bins, whose logits are no line, or ranges without depth in common.
    """
    unit = new.max_depth / old.max_depth if old.unit != new.unit else 1.0
    end = min(unit * old.max_depth, new.max_depth)
    start = max(2 * unit * old.min_depth, 2 * new.min_depth, 0.1 * end)
    if start >= 0.6 * end or "bins" in (old.scale, new.scale):
        raise ValueError(
            "A depth head can be fitted to another where both have one logit a pixel and depth in "
            f"common. Received: {old.scale} of {old.min_depth:g} to {old.max_depth:g} {old.unit} "
            f"for {new.scale} of {new.min_depth:g} to {new.max_depth:g} {new.unit}."
        )
    depths = np.geomspace(start, 0.6 * end)
    before = [old.logit(depth / unit) for depth in depths]
    after = [new.logit(depth) for depth in depths]
    # Least squares of log depth: a step of the new logit counts as much as it changes that.
    weights = 1 / np.gradient(after, np.log(depths))
    slope, shift = np.polyfit(before, after, 1, w=weights)
    return float(slope), float(shift)


@keras.saving.register_keras_serializable("depthlib")
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW that moves an encoder's weights at `encoder_rate` times the rate of the others.

    They decay at their own rate too. Biases and the scales of norms do not decay. `decoder` are
    the beginnings of the names of layers that are no encoder's.
    """

    def __init__(
        self,
        *arguments: Any,
        encoder_rate: float = 1.0,
        scale_decay: bool = True,
        decoder: Sequence[str] = DECODER,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self.encoder_rate = encoder_rate
        self.scale_decay = scale_decay
        self.decoder = tuple(decoder)
        self.weight_decay: float
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def build(self, variables: Sequence[keras.Variable]) -> None:
        self.shares = [
            1.0 if v.path.startswith(self.decoder) else self.encoder_rate for v in variables
        ]
        super().build(variables)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        share = self.shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        if not self.scale_decay:
            return super()._apply_weight_decay(variables)
        whole = self.weight_decay
        for share in sorted(set(self.shares)):
            self.weight_decay = whole * share
            of_share = [v for v in variables if self.shares[self._get_variable_index(v)] == share]
            super()._apply_weight_decay(of_share)
        self.weight_decay = whole

    def get_config(self) -> dict[str, Any]:
        own = {"encoder_rate": self.encoder_rate, "scale_decay": self.scale_decay}
        return {**super().get_config(), **own, "decoder": list(self.decoder)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "FineTuningAdamW":
        # A run of a time when all weights decayed at the whole rate goes on so.
        earlier = {"scale_decay": False, "decoder": FRESH}
        return super().from_config({**earlier, **config}, custom_objects)
