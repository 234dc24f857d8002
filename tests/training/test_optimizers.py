import pytest

from depthlib.training.optimizers import make_optimizer, make_schedule
from depthlib.training.recipes import ORIGINAL_RESNET34, ORIGINAL_UNET, RESNET34


def test_schedules_begin_and_end_as_published():
    assert make_schedule(ORIGINAL_RESNET34, 100) == 1e-4
    linear = make_schedule(ORIGINAL_UNET, 100)
    assert [float(linear(step)) for step in (0, 50, 100)] == pytest.approx([1e-4, 5e-5, 0])
    cycle = make_schedule(RESNET34.change(learning_rate=1.0), 100)
    assert [float(cycle(step)) for step in (0, 30, 65, 100)] == pytest.approx(
        [0.04, 1.0, 0.5, 0.001], abs=1e-3
    )


def test_a_recipe_names_its_optimizer():
    assert make_optimizer(ORIGINAL_RESNET34, 10).amsgrad
    ours = make_optimizer(RESNET34.change(clip_norm=0.1, encoder_rate=0.2, average=0.9), 10)
    config = ours.get_config()
    assert (config["global_clipnorm"], config["encoder_rate"], config["ema_momentum"]) == (
        0.1, 0.2, 0.9
    )  # fmt: skip
    assert config["use_ema"] and not make_optimizer(RESNET34, 10).use_ema
