import keras
import numpy as np

from depthlib.networks.fine_tuning import FineTuningAdamW


def build(**settings):
    """An encoder's and a decoder's layer, trained to answer 1 from 0, where they answer 0."""
    keras.utils.set_random_seed(0)  # some first weights give a gradient that Adam's epsilon shrinks
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
