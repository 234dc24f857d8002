"""What every network must do on every backend: train a step, go to disk, come back the same."""

import keras
import numpy as np

HEAD = {"min_depth": 0.1, "max_depth": 10.0, "scale": "log", "unit": "metre", "dataset": "nyu"}


def photos(height, width):
    """Two photos of noise, uint8 (2, height, width, 3)."""
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


def logits_of(model, images):
    """What goes into the depth head."""
    logits = keras.Model(model.input, model.get_layer("final_conv").output)
    return logits.predict_on_batch(images)


def assert_trains_and_reloads(model, folder):
    """Fails unless a trained step changes the depth and the saved file predicts the same."""
    images = photos(*model.input_shape[1:3])
    depth_m = np.linspace(1, 9, images[..., :1].size, dtype=np.float32)
    depth_m = depth_m.reshape(images[..., :1].shape)
    model.compile(
        keras.optimizers.SGD(1e-3),
        "mean_absolute_error",
        jit_compile=keras.backend.backend() == "jax",  # elsewhere it costs more than the step
    )
    model.optimizer.build(model.trainable_variables)  # else TensorFlow traces the step twice
    before = model.predict_on_batch(images)
    assert np.isfinite(model.train_on_batch(images, depth_m))
    after = model.predict_on_batch(images)
    assert after.dtype == np.float32 and after.shape == depth_m.shape
    assert np.abs(after - before).max() > 1e-4
    path = folder / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(loaded.predict_on_batch(images), after, rtol=1e-5)
    assert {key: getattr(loaded.get_layer("depth"), key) for key in HEAD} == HEAD
    assert loaded.optimizer is not None
