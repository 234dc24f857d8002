import keras
import numpy as np
import pytest

from depthlib.training.optimizers import make_optimizer, make_schedule
from depthlib.training.recipes import ORIGINAL_RESNET34, ORIGINAL_UNET, RESNET34


def test_the_originals_optimizer_is_adam():
    """Without decay, AdamW takes Adam's steps to the last bit."""
    start, gradients = np.float32([1.0, -2.0]), np.random.default_rng(0).normal(size=(5, 2))
    ends = []
    adam = keras.optimizers.Adam(1e-4, amsgrad=True)
    for optimizer in (make_optimizer(ORIGINAL_RESNET34, 10), adam):
        weights = keras.Variable(start)
        optimizer.build([weights])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
        ends.append(keras.ops.convert_to_numpy(weights))
    assert (ends[0] == ends[1]).all() and (ends[0] != start).all()


def test_schedules_begin_and_end_as_published():
    assert make_schedule(ORIGINAL_RESNET34, 100) == 1e-4
    linear = make_schedule(ORIGINAL_UNET, 100)
    assert [float(linear(step)) for step in (0, 50, 100)] == pytest.approx([1e-4, 5e-5, 0])
    cycle = make_schedule(RESNET34.change(learning_rate=1.0), 100)
    assert [float(cycle(step)) for step in (0, 30, 65, 100)] == pytest.approx(
        [0.04, 1.0, 0.5, 0.001], abs=1e-3
    )


def test_a_recipe_names_its_optimizer():
    assert not make_optimizer(RESNET34, 10).amsgrad
    for recipe in (RESNET34, ORIGINAL_RESNET34):
        settings = {"clip_norm": 0.1, "encoder_rate": 0.2, "average": 0.9, "weight_decay": 0.3}
        config = make_optimizer(recipe.change(**settings), 10).get_config()
        assert (config["global_clipnorm"], config["encoder_rate"]) == (0.1, 0.2)
        assert (config["ema_momentum"], config["weight_decay"]) == (0.9, 0.3)
        assert config["amsgrad"] == (recipe is ORIGINAL_RESNET34)
    assert config["use_ema"] and not make_optimizer(RESNET34, 10).use_ema
