"""AdamW for a network whose encoder is trained already."""

from collections.abc import Sequence
from typing import Any

import keras

from depthlib.networks.encoders import FRESH
from depthlib.networks.layers import Tensor


@keras.saving.register_keras_serializable("depthlib")
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW that moves an encoder's weights at `encoder_rate` times the rate of the others.

    Biases and the scales of norms do not decay.
    """

    def __init__(self, *arguments: Any, encoder_rate: float = 1.0, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.encoder_rate = encoder_rate
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def build(self, variables: Sequence[keras.Variable]) -> None:
        self.shares = [1.0 if v.path.startswith(FRESH) else self.encoder_rate for v in variables]
        super().build(variables)

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        share = self.shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoder_rate": self.encoder_rate}
