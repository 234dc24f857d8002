import keras
import numpy as np
import pytest

from depthlib.networks.saving import export_half, load_model
from depthlib.networks.unet import build_unet
from tests.tiny_networks import HEAD, photos


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_unet(32, 48, **HEAD)


def test_the_file_is_half_as_large_and_computes_the_same_depth_in_float32(model, tmp_path):
    model.save(tmp_path / "full.keras")
    path = export_half(tmp_path / "full.keras", tmp_path / "half.keras")
    assert path.stat().st_size < 0.55 * (tmp_path / "full.keras").stat().st_size
    loaded = load_model(path)
    for kept, weight in zip(loaded.get_weights(), model.get_weights(), strict=True):
        # Norms and the like are small beside the kernels and keep their precision.
        rounded = weight if weight.size < 10_000 else weight.astype(np.float16)
        np.testing.assert_array_equal(kept, rounded)
    assert {weight.dtype for weight in loaded.weights} == {"float32"}
    images = photos(32, 48)
    np.testing.assert_allclose(
        loaded.predict_on_batch(images), model.predict_on_batch(images), rtol=5e-3
    )


def test_a_weight_too_large_for_float16_is_refused_and_nothing_written(model, tmp_path):
    kernel = model.get_layer("down5a_1_conv").kernel
    held = keras.ops.convert_to_numpy(kernel)
    kernel.assign(held + 1e6)
    model.save(tmp_path / "full.keras")
    kernel.assign(held)
    with pytest.raises(
        ValueError, match=r"at most 65504. Received: 1e\+06 for layers/.*full.keras"
    ):
        export_half(tmp_path / "full.keras", tmp_path / "half.keras")
    assert not (tmp_path / "half.keras").exists()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "bad.keras").write_bytes(b"no model")
    with pytest.raises(ValueError, match="must be a .keras file. Received: .*bad.keras"):
        export_half(tmp_path / "bad.keras", tmp_path / "half.keras")
