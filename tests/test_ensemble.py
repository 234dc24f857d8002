import keras
import numpy as np
import pytest

from depthlib.ensemble import build_ensemble, main
from depthlib.layers import DepthHead
from depthlib.prediction import Predictor, load_model

PHOTO = np.zeros((32, 48, 3), np.uint8)


def build_constant(logit, size=(32, 48), **head):
    """A network that gives `logit` to its head everywhere."""
    photos = keras.Input((*size, 3), dtype="uint8")
    convolution = keras.layers.Conv2D(
        1, 1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(logit)
    )
    logits = convolution(keras.layers.Rescaling(1 / 255)(photos))
    return keras.Model(photos, DepthHead(0.1, 10.0, **head)(logits), name=f"gives{logit}")


def test_an_ensemble_gives_the_depth_of_the_mean_logit(tmp_path):
    networks = [build_constant(logit, scale="log", dataset="rooms") for logit in (-1, 0, 4)]
    for path, network in zip("abc", networks, strict=True):
        network.save(tmp_path / f"{path}.keras")
    main([*(f"{tmp_path}/{name}.keras" for name in "abc"), "--export", f"{tmp_path}/best.keras"])
    predict = Predictor(load_model(tmp_path / "best.keras"))
    assert (predict.unit, predict.dataset) == ("metre", "rooms")
    share = 1 / (1 + np.exp(-1))  # of the mean logit, 1
    np.testing.assert_allclose(predict([PHOTO])[0], 0.1 * 100**share, rtol=1e-5)


def test_networks_that_cannot_be_one_are_refused(tmp_path):
    one = build_constant(0)
    for networks in (
        [one],
        [one, build_constant(0, size=(64, 48))],
        [one, build_constant(0, scale="linear")],
        [one, build_constant(0, dataset="roads")],
    ):
        with pytest.raises(ValueError, match="two networks or more.*same head. Received: gives0"):
            build_ensemble(networks)
    with pytest.raises(SystemExit, match="There is no model"):
        main(["absent.keras", "absent.keras", "--export", f"{tmp_path}/best.keras"])
