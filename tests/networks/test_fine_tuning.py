import json
import zipfile
from functools import partial

import keras
import numpy as np
import pytest

from depthlib.networks.encoder_decoder import build_encoder_decoder
from depthlib.networks.fine_tuning import (
    FineTuningAdamW,
    fit_head,
    freeze_encoder,
    take_weights,
)
from depthlib.networks.layers import BatchNormalization, DepthHead
from depthlib.networks.unet import build_unet
from tests.tiny_networks import HEAD


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


def test_each_layer_decays_at_its_own_rate_but_in_a_run_of_a_time_when_none_did(tmp_path):
    path, old = tmp_path / "model.keras", tmp_path / "old.keras"
    model = build(encoder_rate=0.1, weight_decay=0.5)
    for layer in model.layers[1:]:
        layer.set_weights([np.ones_like(weight) for weight in layer.get_weights()])
    model.save(path)
    with zipfile.ZipFile(path) as held, zipfile.ZipFile(old, "w") as made:
        for name in held.namelist():
            data = held.read(name)
            if name == "config.json":
                config = json.loads(data)
                optimizer = config["compile_config"]["optimizer"]["config"]
                del optimizer["scale_decay"], optimizer["decoder"]
                data = json.dumps(config).encode()
            made.writestr(name, data)
    for file, lost in ((path, 0.1 * 0.1 * 0.5), (old, 0.1 * 0.5)):
        (encoder, bias), (decoder, _) = step(keras.models.load_model(file))
        # Adam moves the encoder by 0.01 and the decoder by 0.1; of 1 the rest is decay.
        np.testing.assert_allclose(np.abs(encoder + lost), 0.01, rtol=1e-3)
        np.testing.assert_allclose(np.abs(bias), 0.01, rtol=1e-3)
        np.testing.assert_allclose(np.abs(decoder + 0.1 * 0.5), 0.1, rtol=1e-3)


@pytest.mark.parametrize(
    ("builder", "decoder"),
    [
        (partial(build_unet, variant="narrow"), ("up", "final_conv")),
        (partial(build_unet, variant="seed_shallow"), ("up", "final_conv")),
        (partial(build_encoder_decoder, encoder="resnet18"), ("decoder_stage", "final_conv")),
    ],
    ids=["unet", "original", "resnet18"],
)
def test_all_but_the_decoder_is_frozen(builder, decoder):
    network = builder(32, 64, **HEAD)
    freeze_encoder(network)
    moving = {layer.name for layer in network.layers if layer.weights and layer.trainable}
    assert moving == {
        layer.name for layer in network.layers if layer.weights and layer.name.startswith(decoder)
    }
    assert len(moving) < sum(bool(layer.weights) for layer in network.layers)


def test_no_byte_of_a_frozen_encoder_changes_its_averages_neither_also_after_a_reload(tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="stage1_conv")(inputs)
    x = BatchNormalization(name="stage1_bn")(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="decoder_conv")(x)
    model = keras.Model(inputs, BatchNormalization(name="decoder_bn")(x))
    freeze_encoder(model)
    model.compile(FineTuningAdamW(0.1, weight_decay=0.5, encoder_rate=0.0), "mean_squared_error")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        before = {weight.path: weight.numpy().tobytes() for weight in one.weights}
        one.fit(rng.normal(3, 2, (8, 8, 8, 3)), np.ones((8, 8, 8, 4)), epochs=2, verbose=0)
        changed = {w.path for w in one.weights if w.numpy().tobytes() != before[w.path]}
        assert changed == {w.path for w in one.weights if w.path.startswith("decoder")}


def head_network(height=8, width=12, **head):
    """A convolution and a depth head; its photos are its logits, but for the convolution."""
    inputs = keras.Input((height, width, 3))
    logits = keras.layers.Conv2D(1, 3, padding="same", name="final_conv")(inputs)
    depth = DepthHead(**{"min_depth": 0.1, "max_depth": 10.0, **head})(logits)
    return keras.Model(inputs, depth, name="tiny")


@pytest.mark.parametrize(
    ("head", "within"),
    [
        ({}, 1e-6),
        ({"max_depth": 20.0}, 0.1),
        ({"min_depth": 0.3, "max_depth": 5.0}, 0.1),
        ({"scale": "linear"}, 0.05),
        ({"max_depth": 80.0}, 0.2),
        ({"min_depth": 1.0, "max_depth": 80.0}, 0.2),
        ({"min_depth": 1e-3, "max_depth": 1.0}, 0.2),
    ],
)
def test_a_network_of_another_range_begins_with_the_depth_that_it_had(head, within):
    source, network = head_network(), head_network(16, 8, **head)
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[1, 1, 0] = 1  # the logit is the photo's red
    source.get_layer("final_conv").set_weights([kernel, np.zeros(1)])
    changes = take_weights(network, source)
    assert changes[0] == "size 8x12 there, 16x8 here" and len(changes) == 1 + bool(head)
    end = min(10.0, head.get("max_depth", 10.0))
    low = max(0.1 * end, 2 * head.get("min_depth", 0.1), 0.2)
    depths = np.linspace(low, 0.6 * end, 8)
    share = np.log(depths / 0.1) / np.log(10 / 0.1)  # a log head's, by its definition
    logits = np.zeros((1, 16, 8, 3), np.float32)
    logits[0, ..., 0] = np.log(share / (1 - share))
    answered = keras.ops.convert_to_numpy(network(logits))[0, 3, :, 0]
    np.testing.assert_allclose(answered, depths, rtol=within)


def test_what_is_relative_begins_with_the_same_share_of_its_range():
    old = DepthHead(0.1, 10.0)
    assert fit_head(old, DepthHead(0.01, 1.0, unit="relative")) == pytest.approx((1, 0), abs=1e-6)
    slope, shift = fit_head(DepthHead(0.01, 1.0, unit="relative"), DepthHead(0.1, 20.0))
    middle = DepthHead(0.1, 20.0).logit(0.3 * 20)
    assert slope * old.logit(0.3 * 10) + shift == pytest.approx(middle, rel=0.1)


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (
            {"min_depth": 20.0, "max_depth": 80.0},
            "log of 0.1 to 10 metre for log of 20 to 80 metre",
        ),
        ({"scale": "bins"}, "for bins of 0.1 to 10 metre"),
    ],
)
def test_heads_that_cannot_be_fitted_are_refused_with_both_ranges(head, match):
    with pytest.raises(ValueError, match=match):
        fit_head(DepthHead(0.1, 10.0), DepthHead(**{"min_depth": 0.1, "max_depth": 10.0, **head}))
