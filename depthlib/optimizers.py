"""The optimizer and the learning rate over a run, as a recipe says them."""

import keras
from keras.optimizers import schedules

from depthlib.encoders import FRESH
from depthlib.recipes import Recipe


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


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, its schedule spread over `steps` batches."""
    rate = make_schedule(recipe, steps)
    averages = {"use_ema": recipe.average > 0, "ema_momentum": recipe.average or 0.99}
    if recipe.optimizer == "adam_amsgrad":
        return keras.optimizers.Adam(rate, amsgrad=True, **averages)
    return FineTuningAdamW(
        rate,
        weight_decay=recipe.weight_decay,
        encoder_rate=recipe.encoder_rate,
        global_clipnorm=recipe.clip_norm,
        **averages,
    )


def make_schedule(recipe: Recipe, steps: int) -> float | schedules.LearningRateSchedule:
    """The learning rate: a number, or a schedule over `steps` batches."""
    rate = recipe.learning_rate
    if recipe.schedule == "linear":
        return schedules.PolynomialDecay(rate, steps, end_learning_rate=0.0)
    if recipe.schedule == "one_cycle":
        # The proportions of PyTorch's OneCycleLR as BTS and AdaBins use it.
        warmup = max(1, round(0.3 * steps))
        return schedules.CosineDecay(
            rate / 25, max(1, steps - warmup), 1e-3, warmup_target=rate, warmup_steps=warmup
        )
    return rate
