import keras
import numpy as np
import pytest

from depthlib.networks.fine_tuning import FineTuningAdamW
from depthlib.training.optimizers import make_optimizer, make_schedule
from depthlib.training.recipes import RESNET34, SEED_RESNET34, SEED_UNET


def build(**settings):
    """An encoder's and a decoder's layer, trained to answer 1 from 0, where they answer 0."""
    inputs = keras.Input((2,))
    x = keras.layers.Dense(2, name="stage1_conv")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, name="decoder_conv")(x))
    model.compile(FineTuningAdamW(0.1, **settings), "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    return model


def step(model):
    """What one step adds to each layer's weights and biases."""
    layers = model.layers[1:]
    before = [layer.get_weights() for layer in layers]
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.normal(size=(16, 2)), np.full((16, 1), 5.0))
    return [
        [new - old for new, old in zip(layer.get_weights(), held, strict=True)]
        for layer, held in zip(layers, before, strict=True)
    ]


def test_an_encoder_moves_at_its_share_of_the_rate_also_after_a_reload(tmp_path):
    model = build(encoder_rate=0.1, weight_decay=0.0)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        encoder, decoder = step(one)
        # Adam's first step is the rate itself, whatever the gradient.
        np.testing.assert_allclose(np.abs(encoder[0]), 0.01, rtol=1e-3)
        np.testing.assert_allclose(np.abs(decoder[0]), 0.1, rtol=1e-3)


def test_biases_do_not_decay_also_after_a_reload(tmp_path):
    model = build(weight_decay=0.5)
    for layer in model.layers[1:]:
        layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        _, (kernel, bias) = step(one)
        # Adam moves each by 0.1; what decays loses 0.1 * 0.5 of 1 besides.
        np.testing.assert_allclose(np.abs(bias), 0.1, rtol=1e-3)
        np.testing.assert_allclose(np.abs(kernel + 0.05), 0.1, rtol=1e-3)


def test_schedules_begin_and_end_as_published():
    assert make_schedule(SEED_RESNET34, 100) == 1e-4
    linear = make_schedule(SEED_UNET, 100)
    assert [float(linear(step)) for step in (0, 50, 100)] == pytest.approx([1e-4, 5e-5, 0])
    cycle = make_schedule(RESNET34.change(learning_rate=1.0), 100)
    assert [float(cycle(step)) for step in (0, 30, 65, 100)] == pytest.approx(
        [0.04, 1.0, 0.5, 0.001], abs=1e-3
    )


def test_a_recipe_names_its_optimizer():
    assert make_optimizer(SEED_RESNET34, 10).amsgrad
    ours = make_optimizer(RESNET34.change(clip_norm=0.1, encoder_rate=0.2, average=0.9), 10)
    config = ours.get_config()
    assert (config["global_clipnorm"], config["encoder_rate"], config["ema_momentum"]) == (
        0.1, 0.2, 0.9
    )  # fmt: skip
    assert config["use_ema"] and not make_optimizer(RESNET34, 10).use_ema
