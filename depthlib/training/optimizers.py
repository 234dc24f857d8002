"""The optimizer and the learning rate over a run, as a recipe says them."""

from typing import Any

import keras
from keras.optimizers import schedules

from depthlib.networks.fine_tuning import FineTuningAdamW
from depthlib.training.recipes import Recipe


def make_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, its schedule spread over `steps` batches."""
    rate = make_schedule(recipe, steps)
    averages: dict[str, Any] = {
        "use_ema": recipe.average > 0,
        "ema_momentum": recipe.average or 0.99,
    }
    return FineTuningAdamW(  # without decay it is Adam
        rate,
        amsgrad=recipe.optimizer == "adam_amsgrad",
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
