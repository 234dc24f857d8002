"""AdamW for a network whose encoder is trained already."""

import keras

from depthlib.networks.encoders import FRESH


@keras.saving.register_keras_serializable("depthlib")
class FineTuningAdamW(keras.optimizers.AdamW):
    """AdamW that moves an encoder's weights at `encoder_rate` times the rate of the others.

    Biases and the scales of norms do not decay.
    """

    def __init__(self, *arguments, encoder_rate=1.0, **named):
        super().__init__(*arguments, **named)
        self.encoder_rate = encoder_rate
        self.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def build(self, variables):
        self.shares = [1.0 if v.path.startswith(FRESH) else self.encoder_rate for v in variables]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        share = self.shares[self._get_variable_index(variable)]
        super().update_step(gradient, variable, learning_rate * share)

    def get_config(self):
        return {**super().get_config(), "encoder_rate": self.encoder_rate}
