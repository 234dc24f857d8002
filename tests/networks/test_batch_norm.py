import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from depthlib.networks.layers import BatchNormalization, fuse_batch_norm, refresh_averages

RNG = np.random.default_rng(0)
MAPS = RNG.normal(3.0, 2.0, (4, 6, 5, 3)).astype("float32")
WEIGHTS = {name: RNG.uniform(0.5, 2, 3).astype("float32") for name in ("gamma", "beta")}


def build(kind, **settings):
    """The layer behind a slope, whose weight shows the gradient that comes through the layer."""
    inputs = keras.Input(MAPS.shape[1:])
    slope = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")(inputs)
    layer = kind(momentum=0.9, epsilon=2e-5, **settings)
    model = keras.Model(inputs, layer(slope))
    for name, value in WEIGHTS.items():
        if getattr(layer, name) is not None:
            getattr(layer, name).assign(value)
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    return model, layer


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False}])
def test_it_trains_as_keras_own_does(settings):
    (ours, layer), (reference, expected) = (
        build(kind, **settings) for kind in (BatchNormalization, keras.layers.BatchNormalization)
    )
    for model in (ours, reference):
        for _ in range(3):
            model.train_on_batch(MAPS, MAPS)
    for one, other in zip(ours.get_weights()[:-1], reference.get_weights()[:-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    count = MAPS[..., 0].size  # the fused kernel divides by one less
    unbiased = (layer.moving_variance - 0.729) * (count - 1) / count + 0.729
    if keras.backend.backend() != "tensorflow":
        unbiased = layer.moving_variance
    np.testing.assert_allclose(
        ops.convert_to_numpy(unbiased), ops.convert_to_numpy(expected.moving_variance), rtol=1e-3
    )


def test_prediction_and_a_frozen_layer_use_the_averages():
    model, layer = build(BatchNormalization)
    layer.trainable = False
    before = layer.get_weights()
    expected = (MAPS / np.sqrt(1 + 2e-5)) * WEIGHTS["gamma"] + WEIGHTS["beta"]
    for training in (False, True):
        answer = ops.convert_to_numpy(model(MAPS, training=training))
        np.testing.assert_allclose(answer, expected, rtol=1e-5)
    assert all((a == b).all() for a, b in zip(before, layer.get_weights(), strict=True))


def test_in_mixed_precision_statistics_and_weights_stay_float32():
    layer = BatchNormalization(dtype="mixed_bfloat16")
    answer = layer(ops.cast(MAPS, "bfloat16"), training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == "bfloat16"
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    answer = ops.convert_to_numpy(ops.cast(answer, "float32"))
    expected = (MAPS - MAPS.mean((0, 1, 2))) / MAPS.std((0, 1, 2))
    np.testing.assert_allclose(answer, expected, atol=0.03)


def test_it_takes_the_place_of_keras_own_with_its_weights_shapes_and_names():
    photos = keras.Input((8, 12, 3), name="photos")
    x = keras.layers.Conv2D(4, 3, name="conv")(photos)
    x = keras.layers.BatchNormalization(momentum=0.999, epsilon=1e-5, name="bn")(x)
    model = keras.Model(photos, [x, keras.layers.ReLU(name="relu")(x)], name="network")
    fused = fuse_batch_norm(model)
    assert [layer.name for layer in fused.layers] == [layer.name for layer in model.layers]
    norm = fused.get_layer("bn")
    assert type(norm) is BatchNormalization
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    assert fused.output_shape == model.output_shape and fused.name == "network"


@pytest.mark.parametrize("kind", [BatchNormalization, keras.layers.BatchNormalization])
def test_with_fresh_averages_a_network_predicts_as_it_trains(kind):
    model, layer = build(kind)
    kernel = model.layers[1].get_weights()
    layer.moving_mean.assign(layer.moving_mean + 5)  # what went before is forgotten
    other = MAPS[::-1] * 3
    refresh_averages(model, iter([MAPS, other]))
    mean, variance = (
        np.mean([getattr(maps, moment)((0, 1, 2)) for maps in (MAPS, other)], axis=0)
        for moment in ("mean", "var")
    )
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_variance), variance, rtol=0.01)
    assert layer.momentum == 0.9 and (model.layers[1].get_weights()[0] == kernel[0]).all()
    refresh_averages(model, [MAPS])
    trained = ops.convert_to_numpy(model(MAPS, training=True))
    np.testing.assert_allclose(model.predict(MAPS, verbose=0), trained, rtol=0.05, atol=0.02)


def test_it_is_saved_as_a_layer_of_this_package(tmp_path):
    model, _ = build(BatchNormalization)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is BatchNormalization
    assert (loaded.predict(MAPS, verbose=0) == model.predict(MAPS, verbose=0)).all()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="other backends share no batch")
def test_devices_that_share_a_batch_wait_once_forward_and_once_backward():
    # XLA's CPU sends the arrays of one all-reduce one after another, so the arrays are counted.
    program = """
import re, jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from depthlib.networks.layers import BatchNormalization
layer = BatchNormalization()
layer.build((4, 6, 5, 3))
mesh = jax.make_mesh((2,), ("photos",))
spread = NamedSharding(mesh, PartitionSpec("photos"))
def loss(maps):
    learned, averages = layer.trainable_variables, layer.non_trainable_variables
    values = [[each.value for each in group] for group in (learned, averages)]
    outputs, _ = layer.stateless_call(*values, maps, training=True)
    return jax.numpy.tanh(outputs)
def step(maps):
    outputs, back = jax.vjp(loss, maps)
    return back(outputs)[0]
compiled = jax.jit(step, in_shardings=spread, out_shardings=spread)
text = compiled.lower(np.zeros((4, 6, 5, 3), "float32")).compile().as_text()
shapes = re.findall("= (.*?) all-reduce\\\\(", text)
assert len(shapes) == 2 and all(each.count("f32[") == 1 for each in shapes), shapes
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **flags}, check=True)
